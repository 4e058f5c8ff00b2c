"""The migration plan: a new environment beside the old one, in ordered steps that end with the GPU verification.

The old environment is never written to; each step that makes something says how to check it and how to take it back.
Commands are argv tuples for conda, mamba or micromamba as the installation has them. What comes along is decided in
`planner.carry` and `planner.pip_layer`, the steps are in `planner.migration_steps`, the texts of files in
`planner.artifacts`. Nothing is run or read here: what
only the disk can tell (whether the new prefix is free) is a check of the first step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner import artifacts
from planner.belongings import NOTHING_ELSE, Belongings
from planner.carry import (
    asked_for,
    gone_with_removed,
    new_environment_request,
    new_environment_specs,
    stays_in_base,
)
from planner.errors import InputError
from planner.migration_steps import all_steps, cut_over, follow_up, modules, rollback
from planner.model.plan import Migration
from planner.move import Move, Tool, in_prefix, join
from planner.other_versions import other_versions
from planner.pip_from_conda import left_unmet
from planner.pip_layer import one_line, pip_layer
from planner.pip_part import pip_part
from planner.pip_unmet import unmet_beside
from planner.versions import compare, minor, spec_name

if TYPE_CHECKING:
    from planner.model.installed import Environment, Host, Installation
    from planner.model.plan import Argv
    from planner.model.solve import Request, Solution

__all__ = ["new_environment_request", "new_environment_specs", "plan_migration"]

_SHA256_SINCE = {"conda": "24.9.0", "mamba": "2.0.0"}  # before, `#sha256:` in a lock is an error


def plan_migration(
    *,
    environment: Environment,
    installation: Installation,
    is_base: bool,
    request: Request,
    host: Host,
    solution: Solution,
    name: str | None,
    planned_python: str | None,
    belongings: Belongings = NOTHING_ELSE,
    for_pip: tuple[str, ...] = (),
    asked_of_pip: tuple[str, ...] = (),
    disk_bytes: int | None = None,
    again: tuple[Argv, Argv] = ((), ()),
) -> Migration:
    """The plan for moving `environment` to a new one that holds `solution` and takes `disk_bytes`, None if not known.

    `for_pip` are specs that were asked for beside all others, because its pip layer needs them, and `asked_of_pip` the
    lines for pip of the file that a new one is made from. `name` is the new environment's; without it, one that is free
    in the installation is chosen. `again` is as in `Move`. An `environment` that is not among the installation's is
    itself the new one, yet to be made. Raises `InputError` for a name that is taken or cannot be one.
    """
    root, windows = installation.root, host.subdir.startswith("win-")
    fresh = environment.prefix not in {other.prefix for other in installation.environments}
    if fresh:
        chosen, prefix = environment.name, environment.prefix
    else:
        chosen = _free_name(environment, installation, name, planned_python)
        prefix = join(root, "envs", chosen)
    base = next((other for other in installation.environments if other.prefix == root), None)
    move = Move(
        old=environment,
        is_base=is_base,
        name=chosen,
        prefix=prefix,
        fresh=fresh,
        subdir=host.subdir,
        specs=(*new_environment_specs(environment, is_base, request), *for_pip),
        solution=solution,
        pip=pip_part(asked_of_pip, has_python=planned_python is not None)
        if asked_of_pip
        else pip_layer(environment, solution.records, planned_python, windows=windows, sources=belongings.sources),
        belongings=belongings,
        again=again,
        root=root,
        root_python=in_prefix(root, "python", windows=windows) if base and base.python else None,
        tool=_tool(request, root, base, windows=windows),
    )
    return Migration(
        name=move.name,
        prefix=move.prefix,
        steps=all_steps(move),
        artifacts=_artifacts(move, request),
        follow_up=follow_up(move),
        rollback=(rollback(move),),
        download_bytes=sum(record.size or 0 for record in solution.records),
        disk_bytes=disk_bytes,
    )


def _artifacts(move: Move, request: Request) -> tuple[tuple[str, str], ...]:
    records = move.solution.records
    present = {record.name for record in records}
    wanted = (*move.specs, *gone_with_removed(move.old, request))
    own = stays_in_base(move.old) if move.is_base else frozenset()
    lost = [spec for spec in wanted if spec_name(spec) not in present | own]
    where = move.name if move.fresh else f"{move.old.name} in a new environment"
    notes = [f"The requested packages of {where}; explicit.txt has every package."]
    if lost:
        notes.append(f"{artifacts.LEFT_OUT}{'; '.join(lost)}")
    python = move.record("python")
    unmet = unmet_beside(move.old, records, python.version if python else None, move.pip.carried)
    if unmet:
        notes.append(f"{artifacts.UNMET}{'; '.join(left_unmet(unmet))}")
    if move.pip.by_hand:
        notes.append(f"{artifacts.BY_HAND}{'; '.join(f'{line} ({why})' for line, why in move.pip.by_hand)}")
    if not move.old.history.specs and not move.fresh:
        notes.append("The history names no package: those that no other package needs stand for what was asked for.")
    notes += [f"{artifacts.OTHER_VERSION}{told}" for told in other_versions(move)]
    staying = sorted(set(asked_for(move.old)) & own)
    if staying:
        notes.append(f"Asked for in base and staying there: {', '.join(staying)}")
    channels = request.channels or tuple(dict.fromkeys(record.channel for record in records if record.channel))
    texts = {
        "environment.yml": artifacts.environment_yml(
            move.name, channels, records, [spec_name(spec) for spec in move.specs], move.pip.lines, notes
        ),
        "explicit.txt": artifacts.explicit_lock(records, move.subdir, sha256=move.tool.sha256),
        "requirements.txt": move.pip.text,
        "verify_gpu.py": artifacts.script("probe.py"),
    }
    if move.pip.of_torch:
        texts["requirements-torch.txt"] = move.pip.torch_text
    if move.pip.editable:
        texts["requirements-editable.txt"] = move.pip.editable_text
    texts |= {name: patch for name, _, patch in cut_over(move)}
    if move.pins:
        texts["pinned"] = "".join(f"{one_line(pin)}\n" for pin in move.pins)
    if modules(move):
        texts["smoke_test.py"] = artifacts.script("smoke.py")
    return tuple(sorted(texts.items()))


def _tool(request: Request, root: str, base: Environment | None, *, windows: bool) -> Tool:
    """What the installation makes environments with; micromamba where it has neither conda nor mamba of its own."""
    wanted = ("mamba", "conda") if request.tool == "mamba" else ("conda", "mamba")
    for name in wanted:
        record = base.record(name) if base else None
        if record is not None:
            recent = compare(record.version, _SHA256_SINCE[name]) >= 0
            if windows and name == "mamba" and recent:  # a program of its own since 2.0
                return Tool(name, join(root, "Library", "bin", "mamba.exe"), sha256=True)
            return Tool(name, in_prefix(root, name, windows=windows), sha256=recent)
    return Tool("micromamba", "micromamba", sha256=False)


def _free_name(
    environment: Environment, installation: Installation, name: str | None, planned_python: str | None
) -> str:
    taken = {other.name for other in installation.environments} | {
        re.split(r"[\\/]", other.prefix)[-1] for other in installation.environments
    }
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name) or name in {"base", "root"}:
            raise InputError(f"{name!r} cannot be the name of a new environment: use letters, digits and . _ + -")
        if name in taken:
            raise InputError(f"{name!r} is the name of an environment of this installation: choose another with --name")
        return name
    last = re.sub(r"[^A-Za-z0-9._+-]", "-", re.split(r"[\\/]", environment.name.rstrip("\\/"))[-1]).strip("-.") or "env"
    moves = planned_python and environment.python and minor(planned_python) != minor(environment.python)
    stem = f"{last}-py{minor(planned_python).replace('.', '')}" if moves and planned_python else f"{last}-new"
    number, candidate = 1, stem
    while candidate in taken:
        number += 1
        candidate = f"{stem}-{number}"
    return candidate
