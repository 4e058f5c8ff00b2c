"""What starts by itself: systemd units, cron tables, and job scripts in the folders that `--scan` names.

And what is started by a name of its own: shell scripts among the programs of this user and machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.reach.command_line import is_python
from planner.reach.commands import may_tell, read_commands
from planner.reach.plainly import is_shell_script
from planner.reach.scripts import head, interpreter_of, own_folders
from planner.reach.settings import VARIABLES, of_line
from planner.reach.walk import walk

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


def wrappers(prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Shell scripts among the programs of this user and machine: what such a script names is started by its name."""
    for folder in own_folders(places):
        for entry in notes.entries(folder, _NOT_KNOWN):
            first = head(entry.path) if not entry.is_symlink() and _is_small(entry) else ""
            # One whose shell hands it to python at once is a script of python's.
            if is_shell_script(first) and not is_python(interpreter_of(first) or ""):
                _read(entry.path, "job", prefixes, notes)


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
    """Every environment that a file names or activates, and of units and tables the variables that they set."""
    text = notes.text(path, _NOT_KNOWN)
    if text is None or "\0" in text[:1024] or not (may_tell(text, prefixes) or any(name in text for name in VARIABLES)):
        return
    lines = list(enumerate(text.splitlines(), start=1))
    if kind != "job":
        for number, line in lines:
            notes.settings += of_line(line, path, number, "service", prefixes, None)
    read_commands(path, iter(lines), kind, prefixes, notes)
