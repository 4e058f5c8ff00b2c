"""Programs that a step calls: no shell, no input, their output in a log beside the journal.

They inherit the locks, so that nobody begins while one that outlived its planner still writes. What `planner` itself is
called for in a plan is done in this process, by `planner.apply.steps`.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model.plan import Argv

_WORDS_LIMIT = 4_000  # bytes at a log's end that are looked at for its last words
# Where pip would install, if it were told by a variable: it is the new prefix alone.
_PIP_PLACES = frozenset({"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN"})
_ACTIVE = frozenset({"VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "CONDA_SHLVL", "CONDA_PREFIX"})


class Ran(Struct, frozen=True):
    """One program's end: its exit code (127 where it could not be started), its log, and its last words."""

    argv: Argv
    code: int
    log: str
    words: str

    @property
    def output(self) -> str:
        """All that it wrote."""
        with open(self.log, encoding="utf-8", errors="replace") as stream:
            return stream.read()


def run(argv: Argv, *, log: str, cwd: str, environ: Mapping[str, str], inherited: tuple[int, ...]) -> Ran:
    """Run one program to its end. Raises `OSError` when its log cannot be written."""
    with open(log, "wb") as stream:
        try:
            code = subprocess.run(  # noqa: S603 -- an argv list that `planner.apply.guard` has let pass, no shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environ),
                pass_fds=inherited,
                check=False,
            ).returncode
        except OSError as error:
            return Ran(argv, 127, log, f"{argv[0]} cannot be started: {error.strerror or error}")
    return Ran(argv, code, log, _last_words(log))


def variables(environ: Mapping[str, str], prefix: str, *, of_new: bool) -> dict[str, str]:
    """The caller's variables for a program: none of python's, none that leads pip elsewhere, none of another prefix.

    `of_new` is for programs of the new environment: then its own come first on PATH, as a build from source needs them.
    """
    found = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PYTHON") and name not in _PIP_PLACES and name not in _ACTIVE
    }
    found["PYTHONDONTWRITEBYTECODE"] = "1"  # a conda in base must not write into base either
    if of_new:
        found["PATH"] = os.pathsep.join((os.path.join(prefix, "bin"), environ.get("PATH", os.defpath)))
        found |= {"CONDA_PREFIX": prefix, "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        found["GIT_TERMINAL_PROMPT"] = "0"  # nobody is there to be asked for a password
    return found


def _last_words(log: str) -> str:
    with open(log, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _WORDS_LIMIT))
        lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
