"""How the probe is started: activated, as a user of the environment would have it, and isolated from all around it.

On POSIX both go through a small fixed shell script whose arguments are the prefix and the interpreter, so that the
same works where a launcher runs them on another machine. Activation is conda's: the environment's own variables,
its `bin` first on PATH, and the scripts that packages have put into `activate.d`.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from planner.model.plan import Argv

_ACTIVATED = """
CONDA_PREFIX=$1; export CONDA_PREFIX
PATH=$1/bin:$PATH; export PATH
for script in "$1"/etc/conda/activate.d/*.sh; do
  if [ -f "$script" ]; then . "$script" </dev/null >&2; fi
done
exec "$2" -B -c "$3"
"""
# A folder that holds the driver's own library is the machine's and stays: containers put it there.
_ISOLATED = """
kept=
set -f
IFS=:
for folder in $LD_LIBRARY_PATH; do
  if [ -e "$folder/libcuda.so.1" ]; then kept=$kept${kept:+:}$folder; fi
done
unset LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT DYLD_LIBRARY_PATH DYLD_INSERT_LIBRARIES IFS
if [ -n "$kept" ]; then LD_LIBRARY_PATH=$kept; export LD_LIBRARY_PATH; fi
exec "$2" -I -B -c "$3"
"""
# What lies in the folder that the probe happens to run in is not to be imported: as where a script is run by its path.
_RUN = "import sys; sys.path = [place for place in sys.path if place]; exec(sys.stdin.read())"
_UNSET = "***unset***"  # conda's mark for a variable that activation takes away


class Start(Struct, frozen=True):
    """A command and its variables."""

    argv: Argv
    environ: dict[str, str]


def activated(prefix: str, python: str, launcher: Argv, *, windows: bool) -> Start:
    """The probe as a user who has activated the environment would run it."""
    environ = dict(os.environ)
    for name, value in _own_variables(prefix).items():
        if value == _UNSET:
            environ.pop(name, None)
        else:
            environ[name] = value
    if windows:
        environ["CONDA_PREFIX"] = prefix
        return Start((*launcher, python, "-B", "-c", _RUN), _with_windows_path(environ, prefix))
    shell = shutil.which("bash") or "/bin/sh"
    return Start((*launcher, shell, "-c", _ACTIVATED, "activated", prefix, python, _RUN), environ)


def isolated(prefix: str, python: str, launcher: Argv, *, windows: bool) -> Start:
    """The probe with nothing around it that python or the loader would follow."""
    environ = {name: value for name, value in os.environ.items() if not name.upper().startswith("PYTHON")}
    if windows:
        return Start((*launcher, python, "-I", "-B", "-c", _RUN), _with_windows_path(environ, prefix))
    return Start((*launcher, "/bin/sh", "-c", _ISOLATED, "isolated", prefix, python, _RUN), environ)


def _own_variables(prefix: str) -> dict[str, str]:
    """The variables that `conda env config vars set` has put down for the environment."""
    try:
        with open(os.path.join(prefix, "conda-meta", "state"), encoding="utf-8") as stream:
            found = json.load(stream)["env_vars"]
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _with_windows_path(environ: dict[str, str], prefix: str) -> dict[str, str]:
    folders = [prefix, os.path.join(prefix, "Library", "bin"), os.path.join(prefix, "Scripts")]
    return environ | {"PATH": os.pathsep.join([*folders, environ.get("PATH", "")])}
