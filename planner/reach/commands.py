"""Texts that start something: each environment that a line names or activates, and what a python is started with there.

Units, cron tables, job scripts, activation scripts and the start-up files of shells are read alike, line by line, and not
run: a name that is only put together when they run is not seen. What variables they set is `planner.reach.settings`'.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reach.command_line import is_python
from planner.reach.plainly import Plainness
from planner.reach.scripts import Program, command, named_program, script
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.reach.notes import Notes, Prefixes
    from planner.reference import ReferenceKind

_TOOL = r"\b(?:conda|mamba|micromamba)"
_STACK = re.compile(rf"{_TOOL}\s+activate\s+(?:--stack\s+(\S+)|(\S+)\s+--stack)")
_ACTIVATE = re.compile(
    r"(?:^|[;&(\s])(?:conda|mamba|micromamba|source|\.)\s+(?:\S*/)?activate\s+(?:--stack\s+)?(?!-)([^\s;&|)]+)"
)
_RUN = re.compile(rf"{_TOOL}\s+run\s+(?:\S+\s+)*?(?:-n|--name|-p|--prefix)[\s=]+([^\s;&|]+)")
_COMMAND_ENDS = re.compile(r"[;|&()<>`\n]")
_WORDS = re.compile(r"[^\s\"']+")
# A text without the path of an environment names one by such a word, or not at all.
_TELLING = ("activate", "conda", "mamba", "CONDA_PREFIX")
_MOST = 300  # ways in which one file names environments; a cron table has fewer


def may_tell(text: str, prefixes: Prefixes) -> bool:
    """Whether a text may name or activate an environment: a quick look, before it is read line by line."""
    return prefixes.may_stand_in(text) or any(word in text for word in _TELLING)


def read_commands(
    path: str, lines: Iterator[tuple[int, str]], kind: ReferenceKind, prefixes: Prefixes, notes: Notes
) -> None:
    """A reference for each environment that one of a file's numbered lines names, however often it says the same."""
    located = prefixes.locate(path)
    holder = located[0] if located else None
    active = prefixes.named.get("base")  # what a shell begins with
    seen: dict[tuple[str, str, tuple[str, ...]], bool] = {}
    plainness = Plainness(path, kind)
    for number, line in lines:
        plainness.line(number, line)
        stripped = line.strip()
        first = number == 1 and stripped.startswith("#!")
        if not first and stripped.startswith(("#", ";")):
            continue
        activates = list(activated(line, prefixes))
        if stacks(line) and active not in {None, holder}:
            notes.references.append(Reference("stack", path, active or "", "", stripped, line=number, holder=holder))
        active = activates[-1] if activates else active
        for prefix, below, before, rest in (*prefixes.mentions(line), *((prefix, "", "", "") for prefix in activates)):
            words = _arguments(rest) if is_python(below) else ()
            surely = first or plainness.runs(before, rest)
            known = seen.get((prefix, below, words))
            if prefix == holder or known or known is surely:
                continue
            if len(seen) == _MOST:
                what = f"it names environments in more than {_MOST} ways"
                notes.problem(path, what, "the rest of it was not looked at")
                return
            seen[prefix, below, words] = surely
            program = _program(path, prefix, below, words, prefixes, shebang=stripped if first else "")
            notes.references.append(
                Reference(
                    kind,
                    path,
                    prefix,
                    below,
                    stripped,
                    line=number,
                    holder=holder,
                    interpreter=program.interpreter,
                    modules=program.modules,
                    started=program.started,
                    within=program.within,
                    bound=program.bound,
                    script=program.script,
                    surely=surely,
                    broken=not os.path.lexists(os.path.join(prefix, below)),
                )
            )


def _arguments(rest: str) -> tuple[str, ...]:
    """The words of a command after its program."""
    return tuple(_WORDS.findall(_COMMAND_ENDS.split(rest, maxsplit=1)[0]))


def _program(
    path: str, prefix: str, below: str, words: tuple[str, ...], prefixes: Prefixes, *, shebang: str
) -> Program:
    """What is run of a path that a line names: by python as the line starts it, or by what that path itself is."""
    if not below:
        return Program()
    if not is_python(below):
        return named_program(prefix, below, prefixes)
    return script(path, below, shebang) if shebang else command(below, words)


def stacks(line: str) -> bool:
    """Whether a line activates an environment on top of the one that is active: that one's programs stay on PATH."""
    return not line.lstrip().startswith("#") and _STACK.search(line) is not None


def activated(line: str, prefixes: Prefixes) -> Iterator[str]:
    """The prefixes of the environments that a line of a script activates, or runs something in, by name or path."""
    for match in (*_ACTIVATE.finditer(line), *_RUN.finditer(line)):
        name = prefixes.expanded(match[1].strip("\"'"))
        found = prefixes.locate(name)
        prefix = found[0] if found is not None and not found[1] else prefixes.named.get(name)
        if prefix is not None:
            yield prefix
