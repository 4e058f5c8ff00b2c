"""What starts by itself: systemd units, cron tables, and job scripts in the folders that `--scan` names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reach.command_line import is_python
from planner.reach.scripts import Program, command, named_program, script
from planner.reach.settings import activated, of_line
from planner.reach.walk import walk
from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.reach.notes import Notes, Places, Prefixes
    from planner.reference import ReferenceKind

_UNIT_FOLDERS = ("etc/systemd/system", "etc/systemd/user", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_UNITS = (".service", ".timer", ".socket", ".path", ".conf")
_CRON_FILES = ("etc/crontab", "etc/anacrontab")
_CRON_FOLDERS = ("etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly")
_SPOOLS = ("var/spool/cron/crontabs", "var/spool/cron/tabs", "var/spool/cron")
_SCRIPTS = frozenset(
    {"", ".bash", ".cron", ".csh", ".cfg", ".conf", ".env", ".fish", ".job", ".ksh", ".lsf", ".pbs", ".py", ".sbatch"}
    | {".service", ".sge", ".sh", ".slurm", ".sub", ".timer", ".toml", ".yaml", ".yml", ".zsh"}
)
_NOT_KNOWN = "what it starts is not known"
_COMMAND_ENDS = re.compile(r"[;|&()<>`\n]")
_WORDS = re.compile(r"[^\s\"']+")
_MOST_COMMANDS = 300  # that one file names; a cron table has fewer
_DEEP, _MOST = 64, 100_000
_JOB = 256 * 1024  # bytes


def services(prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Units and cron tables of the system and of this user."""
    user = os.path.join(places.home, ".config", "systemd", "user")
    for folder in (user, *(places.at(name) for name in _UNIT_FOLDERS)):
        for path in _units(folder, notes):
            _read(path, "unit", prefixes, notes)
    for path in (places.at(name) for name in _CRON_FILES):
        _read(path, "cron", prefixes, notes)
    seen = set()
    for folder in (places.at(name) for name in (*_CRON_FOLDERS, *_SPOOLS)):
        for entry in notes.entries(folder, "which jobs cron starts is not known"):
            if entry.path not in seen and entry.is_file(follow_symlinks=False):
                seen.add(entry.path)
                _read(entry.path, "cron", prefixes, notes)


def jobs(prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Small texts in the `--scan` folders that name or activate an environment, but for those read as something else."""
    read = {reference.source for reference in notes.references}
    for top in places.scan:
        for _, entries in walk(os.path.abspath(top), notes, depth=_DEEP, most=_MOST):
            for entry in entries:
                ending = os.path.splitext(entry.name)[1].lower()
                if ending in _SCRIPTS and entry.name != "pyvenv.cfg" and entry.path not in read and _is_small(entry):
                    _read(entry.path, "job", prefixes, notes)


def _units(folder: str, notes: Notes) -> Iterator[str]:
    """Units and the drop-ins beside them. Links are aliases of units that lie in one of these folders themselves."""
    for entry in notes.entries(folder, "which units there are is not known"):
        if entry.is_symlink():
            continue
        if entry.name.endswith(".d") and entry.is_dir(follow_symlinks=False):
            yield from (inner.path for inner in notes.entries(entry.path, _NOT_KNOWN) if inner.name.endswith(".conf"))
        elif entry.name.endswith(_UNITS):
            yield entry.path


def _is_small(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size <= _JOB
    except OSError:
        return False


def _read(path: str, kind: ReferenceKind, prefixes: Prefixes, notes: Notes) -> None:
    """Every environment that a file names or activates, once for each place below it."""
    text = notes.text(path, _NOT_KNOWN)
    if text is None or "\0" in text[:1024]:
        return
    located = prefixes.locate(path)
    holder = located[0] if located else None
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        first = number == 1 and stripped.startswith("#!")
        if not first and stripped.startswith(("#", ";")):
            continue
        if kind != "job":
            notes.settings += of_line(line, path, number, "service", prefixes, None)
        named = [*prefixes.mentions(line), *((prefix, "", "") for prefix in activated(line, prefixes))]
        for prefix, below, rest in named:
            words = _arguments(rest) if is_python(below) else ()
            if prefix == holder or (prefix, below, words) in seen:
                continue
            if len(seen) == _MOST_COMMANDS:
                what = f"it names environments in more than {_MOST_COMMANDS} ways"
                notes.problem(path, what, "the rest of it was not looked at")
                return
            seen.add((prefix, below, words))
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
