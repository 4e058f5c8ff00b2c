"""What the readers share: which paths are whose, what could not be read, and how much was looked at.

Everything that is looked at is others' property and may be anything: only regular files of a sensible size are opened
(`planner.files`), links are read and not followed, and every walk has an end.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

from planner.files import read_bytes, reason
from planner.model.installed import LoadProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.reference import Reference, Setting

SMALL = 1024 * 1024  # bytes; a text that a person wrote to start something is smaller
_REST = r"[^\s\"'`;:,|&<>(){}\[\]$\\*?\0]*"
_HOME = re.compile(r"(?<![\w./])(?:~|\$HOME|\$\{HOME\})(?=/)")
_CONDA = re.compile(r"\$\{?(CONDA_EXE|CONDA_PYTHON_EXE)\b\}?")
_CONDA_PROGRAMS = {"CONDA_EXE": "bin/conda", "CONDA_PYTHON_EXE": "bin/python"}
_MOST_PROBLEMS = 200
_NOT_OWN = ("envs", "pkgs")


class Places(Struct, frozen=True):
    """Where to look: everything that is this user's or this machine's, and not an environment's.

    `system` is the folder in which `etc`, `usr` and `var` lie: `/`, or the root of an image that is mounted somewhere.
    """

    environ: Mapping[str, str]
    home: str
    system: str = os.sep
    scan: tuple[str, ...] = ()

    def at(self, path: str) -> str:
        """A path of the system, `etc/crontab` say."""
        return os.path.join(self.system, path)


class Notes(Struct):
    """What the readers leave: findings, what could not be read, and what was looked at in each environment."""

    references: list[Reference] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    problems: list[LoadProblem] = field(default_factory=list)
    looked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def problem(self, path: str, what: str, consequence: str) -> None:
        """Keep what could not be read, the first few hundred of them."""
        found = LoadProblem(path, what, consequence)
        if len(self.problems) < _MOST_PROBLEMS and found not in self.problems:
            self.problems.append(found)

    def text(self, path: str, consequence: str, limit: int = SMALL) -> str | None:
        """The text of a regular file; None when there is none or it cannot be read, which is then noted."""
        try:
            return read_bytes(path, limit).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            what = reason(error) if isinstance(error, OSError) else str(error)
            self.problem(path, what, consequence)
            return None

    def entries(self, folder: str, consequence: str) -> list[os.DirEntry[str]]:
        """What lies in a folder, by name; nothing where there is none or it cannot be listed, which is then noted."""
        try:
            with os.scandir(folder) as found:
                return sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError) as error:
            what = reason(error) if isinstance(error, OSError) else str(error)
            self.problem(folder, what, consequence)
            return []


class Prefixes:
    """Which path belongs to which environment, however its prefix is spelled."""

    def __init__(self, environments: Iterable[tuple[str, str]], home: str = "") -> None:
        self.named = dict(environments)
        spelled = {}
        for prefix in self.named.values():
            spelled[os.path.realpath(prefix)] = prefix
            spelled[os.path.abspath(prefix)] = prefix
        self._spelled = spelled
        self._common = os.path.commonprefix(list(spelled))  # noqa: RUF071 -- a text to look for, no folder
        self._home = home
        self._base = self.named.get("base")
        self._located: dict[str, tuple[str, str] | None] = {}
        self._real: dict[str, str] = {}
        # The longest first: an environment that lies in another one is itself.
        longest_first = sorted(spelled, key=lambda path: (-len(path), path))
        alternatives = "|".join(re.escape(path) for path in longest_first) or r"(?!)"
        self._mention = re.compile(rf"(?<![\w./~])(?<![^=@+!:]-)({alternatives})(?![\w.-])({_REST})")

    def locate(self, path: str) -> tuple[str, str] | None:
        """The environment's prefix and the path below it; None for what is in none, or in a package cache."""
        if path not in self._located:
            self._located[path] = self._locate(path)
        return self._located[path]

    def _locate(self, path: str) -> tuple[str, str] | None:
        if not os.path.isabs(path):
            return None
        path = os.path.normpath(path)
        found = self._lexical(path)
        if found is None:
            folder, name = os.path.split(path)
            if folder not in self._real:  # many files lie in one folder
                self._real[folder] = os.path.realpath(folder)
            found = self._lexical(os.path.join(self._real[folder], name))
        return found

    def _lexical(self, path: str) -> tuple[str, str] | None:
        # From the path upwards, so that an environment that lies in another one is found first.
        end = len(path)
        while end > 0:
            prefix = self._spelled.get(path[:end])
            if prefix is not None:
                below = path[end + 1 :].replace(os.sep, "/")
                return None if below.split("/", 1)[0] in _NOT_OWN else (prefix, below)
            end = path.rfind(os.sep, 0, end)
        return None

    def may_stand_in(self, text: str) -> bool:
        """Whether the path of an environment may stand in a text: a quick look, before the text is taken apart."""
        expanded = self.expanded(text)
        return self._common in expanded and any(path in expanded for path in self._spelled)

    def mentions(self, text: str) -> Iterator[tuple[str, str, str, str]]:
        """Every environment's path that stands in a text: prefix, path below it, and the text before and after it."""
        text = self.expanded(text)
        for match in self._mention.finditer(text):
            found = self.locate(match[1] + match[2].rstrip(".,/"))
            if found is not None:
                yield (*found, text[: match.start()], text[match.end() :])

    def expanded(self, text: str) -> str:
        """The text with the home written out where it says `~/` or `$HOME/`, and base's programs for conda's own names."""
        if self._base and "$" in text:
            text = _CONDA.sub(lambda match: f"{self._base}/{_CONDA_PROGRAMS[match[1]]}", text)
        return _HOME.sub(lambda _match: self._home, text) if self._home else text
