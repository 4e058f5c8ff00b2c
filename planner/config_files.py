"""Finding and reading configuration files: conda's places in conda's order, and what each of them says.

What the settings mean, and how those of several files come together, is `planner.config`'s. A file that cannot be read
is a problem with its name and never stops the rest.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.model import LoadProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE_NAMES = (".condarc", "condarc")
_SUFFIXES = (".yml", ".yaml")
_SYSTEM_FOLDERS = ("C:/ProgramData/conda",) if os.name == "nt" else ("/etc/conda", "/var/lib/conda")
_FLAG = re.compile(r"#\s*!\s*(?:final|top|bottom)\b")


@dataclass(frozen=True, slots=True)
class Source:
    """One place that sets something: a file, or the environment."""

    name: str
    values: Mapping[str, Any]


def search_path(root: str, prefix: str, environ: Mapping[str, str], home: str) -> Iterator[str]:
    """Conda's places for configuration files and folders of them, the weakest first."""
    folders = [*_SYSTEM_FOLDERS, root]
    if environ.get("XDG_CONFIG_HOME"):
        folders.append(os.path.join(environ["XDG_CONFIG_HOME"], "conda"))
    folders += [os.path.join(home, ".config", "conda"), os.path.join(home, ".conda")]
    for folder in folders:
        yield from _in_folder(folder)
    yield os.path.join(home, ".condarc")
    yield from _in_folder(prefix)
    if environ.get("CONDARC"):
        yield expand_home(environ["CONDARC"], home)


def _in_folder(folder: str) -> Iterator[str]:
    for name in (".condarc", "condarc", "condarc.d"):
        yield os.path.join(folder, name)


def read_files(
    root: str, prefix: str, environ: Mapping[str, str], home: str
) -> tuple[tuple[Source, ...], tuple[LoadProblem, ...]]:
    """What each configuration file that exists says, the weakest first, and what could not be read."""
    problems: list[LoadProblem] = []
    # A file in two places (the target is the root prefix, CONDARC names ~/.condarc) counts where it is strongest.
    strongest: dict[str, Path] = {}
    for place in search_path(root, prefix, environ, home):
        for path in _expand_folder(Path(place), problems):
            real = os.path.realpath(path)
            strongest.pop(real, None)
            strongest[real] = path
    contents = ((path, _read_file(path, problems)) for path in strongest.values())
    sources = tuple(Source(str(path), values) for path, values in contents if values is not None)
    return sources, tuple(problems)


def _expand_folder(place: Path, problems: list[LoadProblem]) -> list[Path]:
    try:
        if place.is_dir():
            return [path for path in sorted(place.iterdir()) if path.suffix in _SUFFIXES and path.is_file()]
        named = place.name in _FILE_NAMES or place.suffix in _SUFFIXES
        return [place] if named and place.is_file() else []
    except OSError as error:
        problems.append(_problem(place, f"it cannot be read: {error.strerror or error}"))
        return []


def _read_file(path: Path, problems: list[LoadProblem]) -> Mapping[str, Any] | None:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except OSError as error:
        problems.append(_problem(path, f"it cannot be read: {error.strerror or error}"))
        return None
    except UnicodeDecodeError as error:
        problems.append(_problem(path, f"it is not UTF-8 (byte {error.start})"))
        return None
    except yaml.YAMLError as error:
        problems.append(_problem(path, f"it is not valid YAML{_where(error)}"))
        return None
    except (ValueError, RecursionError) as error:  # an impossible date, a bottomless nesting
        problems.append(_problem(path, f"it is not valid YAML: {error}"))
        return None
    if content is None:
        return {}
    if not isinstance(content, dict):
        problems.append(_problem(path, "it is not a list of `name: value` settings"))
        return None
    problems.extend(
        LoadProblem(str(path), f"the flag {flag!r} is not understood here", "its values count in conda's usual order")
        for flag in sorted(set(_FLAG.findall(text)))
    )
    return {str(name): value for name, value in content.items()}


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None)
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return place + (f": {what}" if what else "")


def _problem(path: Path, what: str) -> LoadProblem:
    return LoadProblem(str(path), what, "its settings were left out, the other configuration files count")


def expand_home(path: str, home: str) -> str:
    """`~` and what follows it under `home`; any other path as it is."""
    if path == "~" or path.startswith(("~/", "~\\")):
        return os.path.join(home, path[2:]) if len(path) > 1 else home
    return path
