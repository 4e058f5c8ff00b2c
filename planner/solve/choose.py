"""Which engine answers, and why: the choice is made once and written into the plan.

libmamba is the solver of record, because it is what conda and mamba run: in this process where libmambapy 2.x can be
imported, else in the interpreter that `--solver-python` or `PLANNER_LIBMAMBA_PYTHON` names. An interpreter of the
analysed installation is never run unasked; where it has libmambapy 2.x, the reason says so. Without any, rattler answers.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from planner.cache import NO_CACHE
from planner.errors import InputError, SolverUnavailable
from planner.versions import major

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.cache import Cache
    from planner.model.installed import Environment
    from planner.solve.base import Solver

VARIABLE = "PLANNER_LIBMAMBA_PYTHON"
_OURS = "the solver that conda and mamba use themselves"
_APPROXIMATE = "it has no weak requests, so builds may differ from those libmamba would choose"


def choose_solver(
    wanted: str,
    progress: Callable[[str], None] | None = None,
    *,
    python: str | None = None,
    environ: Mapping[str, str] | None = None,
    base: Environment | None = None,
    kept: Cache = NO_CACHE,
) -> Solver:
    """The engine for `--solver wanted` ("auto", "libmamba" or "rattler"). Engines are imported here and not before.

    `python` is `--solver-python`; `base` the analysed installation's base, whose own libmambapy is offered, not used.
    `kept` is the planner's cache.
    Raises `SolverUnavailable` where libmamba is asked for, by option or variable, and cannot be had.
    """
    if wanted == "rattler":
        if python:
            raise InputError("--solver-python names an interpreter with libmambapy, and --solver rattler uses none")
        return _rattler(f"--solver rattler; {_APPROXIMATE}", progress)
    named = named_interpreter(python, environ or {})
    if named:
        asked_by = "--solver-python" if python else VARIABLE
        return _worker(named, f"{_OURS}, under the interpreter that {asked_by} names", progress, kept)
    fault = None
    if importlib.util.find_spec("libmambapy") is not None:
        try:
            return _in_process(progress, kept)
        except SolverUnavailable as error:
            fault = error
    if wanted == "libmamba":
        raise fault or SolverUnavailable(
            "there is no libmambapy beside the planner. Name a python that has version 2.x with --solver-python "
            f"or {VARIABLE}{_offer(base, ': ')}, or let rattler answer: --solver rattler"
        )
    found = f"; {fault}" if fault else ""
    return _rattler(f"the engine that the planner brings along; {_APPROXIMATE}{found}{_offer(base, '; ')}", progress)


def named_interpreter(python: str | None, environ: Mapping[str, str]) -> str | None:
    """The interpreter that `--solver-python` or the variable names; then the choice depends on nothing else."""
    return python or environ.get(VARIABLE)


def _rattler(reason: str, progress: Callable[[str], None] | None) -> Solver:
    from planner.solve.rattler import RattlerSolver

    return RattlerSolver(reason, progress)


def _in_process(progress: Callable[[str], None] | None, kept: Cache) -> Solver:
    from planner.solve.closure import Closure
    from planner.solve.libmamba import InProcess, LibmambaSolver

    reason = f"{_OURS}, found beside the planner"
    return LibmambaSolver(InProcess(), "this interpreter", reason, progress, Closure(kept=kept))


def _worker(python: str, reason: str, progress: Callable[[str], None] | None, kept: Cache) -> Solver:
    from planner.solve.closure import Closure
    from planner.solve.libmamba import LibmambaSolver
    from planner.solve.worker_process import WorkerProcess

    path = os.path.abspath(os.path.expanduser(python))
    return LibmambaSolver(WorkerProcess(path), path, reason, progress, Closure(kept=kept))


def _offer(base: Environment | None, before: str) -> str:
    """Where the installation itself has a libmambapy that could answer; it is not run unless someone says so."""
    record = base.record("libmambapy") if base is not None else None
    if base is None or record is None or not major(record.version).isdecimal() or int(major(record.version)) < 2:  # noqa: PLR2004 -- 1.x has another interface
        return ""
    python = os.path.join(base.prefix, "python.exe" if base.subdir.startswith("win-") else "bin/python")
    return f"{before}this installation has libmambapy {record.version}: --solver-python {python} would use it"
