"""Whether a line of a unit, a cron table or a script surely runs what it names: as its command, and under no condition.

What is named in a comment, a here-document, a text, a condition or the branch of one, in a function, or as what to fall
back on may be run or not. Lines are looked at one by one, as far as a shell's words tell; no shell is imitated.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.reference import ReferenceKind

_SHELLS = frozenset({".bash", ".job", ".ksh", ".lsf", ".pbs", ".sbatch", ".sge", ".sh", ".slurm", ".sub", ".zsh"})
_SHELL = re.compile(r"#!\s*\S*/(?:env\s+(?:-S\s+)?)?(?:ba|da|k|z)?sh\b")
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s;&|"']*)"""
# What may stand before a command and runs it all the same.
_BEFORE = (
    r"(?:\s*(?:(?:/\S*/)?(?:exec|nohup|time|command|sudo|srun|env(?:\s+-\w+)*|nice(?:\s+-n\s*\S+|\s+-\d+)?)(?=\s)"
    rf"|[A-Za-z_]\w*={_VALUE}(?=\s)|(?:/\S*/)?(?:ba|da|k|z)?sh\s+-\w*c\s+[\"']))*\s*[\"']?"
)
_COMMAND = re.compile(_BEFORE)
_UNIT = re.compile(rf"\s*Exec\w+\s*=\s*[-@:+!|]*{_BEFORE}")
_TABLE = re.compile(rf"\s*(?:@\w+\s+|(?:[\w*/,-]+\s+){{5}})(?:[a-z_][\w-]*\s+)?{_BEFORE}")  # when, and as whom
_DOUBT = re.compile(
    r"\|\||\[|(?:^|[\s;&|(])(?:if|then|else|elif|case|for|while|until|do|test|trap|function)\b|(?:^|\s)#"
)
_OPENS = re.compile(r"(?:^|[;&|]|\b(?:then|do|else))\s*(?:if|for|while|until|case|select)\b|[{(]\s*$")
_CLOSES = re.compile(r"(?:^|;)\s*(?:fi|done|esac|\}|\))(?![\w-])")
_HERE = re.compile(r"<<-?\s*[\"']?(\w+)")
_ENDS = re.compile(r"\s*(?:exit|return)\b")


class Plainness:
    """Follows the lines of one file. `kind` is what the file is read as."""

    def __init__(self, path: str, kind: ReferenceKind) -> None:
        self._kind = kind
        self._is_shell = kind != "job" or os.path.splitext(path)[1].lower() in _SHELLS
        self._depth = 0
        self._here = ""
        self._over = False
        self._within = False

    def line(self, number: int, line: str) -> None:
        """Go on to the next line."""
        if number == 1 and self._kind == "job" and line.startswith("#!"):
            self._is_shell = is_shell_script(line)
        if self._here:
            self._within = True
            if line.strip() == self._here:
                self._here = ""
            return
        here = _HERE.search(line)
        self._here = here[1] if here else ""
        self._within = self._depth > 0 or self._over
        if not line.lstrip().startswith("#"):
            self._depth = max(0, self._depth + len(_OPENS.findall(line)) - len(_CLOSES.findall(line)))
            self._over = self._over or (self._depth == 0 and _ENDS.match(line) is not None)

    def runs(self, before: str, rest: str) -> bool:
        """Whether the line that was gone on to runs what stands in it between two texts."""
        if self._kind not in {"unit", "cron", "job"}:
            return True  # of these nothing is said to be run
        if "||" in rest or _DOUBT.search(before):
            return False
        if self._kind == "unit":
            return _UNIT.fullmatch(before) is not None
        if not self._is_shell or self._within:
            return False
        if self._kind == "cron" and _TABLE.fullmatch(before):
            return True
        return _COMMAND.fullmatch(re.split(r"&&|[;|]", before)[-1]) is not None


def is_shell_script(beginning: str) -> bool:
    """Whether the first line of a file names a shell of the Bourne family."""
    return _SHELL.match(beginning) is not None
