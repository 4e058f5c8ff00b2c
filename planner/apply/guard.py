"""Whether a saved plan still holds here: for this target, on this machine, with nothing where the new prefix goes.

A plan is a file that anyone may have written. Beyond its fingerprint, what its steps call is checked: programs that
make, fill and look at the new prefix, and nothing that could write into another.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from planner import channels, config, host, load
from planner.artifacts import FILE_NAME
from planner.errors import InputError, PlannerError, StalePlan
from planner.fingerprint import host_digest, repodata_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.model.installed import Host
    from planner.model.plan import Argv, Migration, Plan

TOOLS = frozenset({"conda", "mamba", "micromamba"})
_READING = frozenset({"cmp", "df", "test"})
_MAKING = frozenset({"cp", "mkdir", "rm"})
_BY_HAND = "planner show PLAN.json has its commands, planner show PLAN.json --files DIR writes the files they use"
_FLAGS = re.compile(r"-[IEsB]")


class Here(Struct, frozen=True):
    """What the rim knows: variables, home, and the user's folders for state and for caches."""

    environ: Mapping[str, str]
    home: str
    state_dir: str
    cache_dir: str


def migration_of(plan: Plan) -> Migration:
    """The plan's migration, known to be one that can be carried out here. Raises `InputError` where it is not."""
    migration = plan.migration
    if migration is None:
        raise InputError("this plan has no migration: there is nothing to carry out")
    _check_platform(plan)
    new, old = os.path.normpath(migration.prefix), os.path.normpath(plan.target.prefix)
    if not os.path.isabs(migration.prefix) or not os.path.isabs(plan.target.prefix):
        raise InputError("this plan was made for another kind of machine: its prefixes are no absolute paths here")
    apart = is_inside(new, os.path.join(os.path.normpath(plan.root), "envs"))
    if not is_fresh(plan) and (is_inside(old, new) or (is_inside(new, old) and not apart)):
        raise InputError(f"{migration.prefix}: the new prefix must lie beside the old one, {plan.target.prefix}")
    if is_inside(plan.root, new):
        raise InputError(f"{migration.prefix}: the new prefix must not hold the installation itself")
    for name, _ in migration.artifacts:
        if not FILE_NAME.fullmatch(name):
            raise InputError(f"migration.artifacts: {name!r} is no plain file name")
    for step in migration.steps:
        for argv in (*step.commands, *step.check, *step.undo):
            if not _permitted(argv, new, plan):
                raise InputError(
                    f"migration.steps: {step.id} would run {' '.join(argv)!r}, which is nothing that a migration to "
                    f"{migration.prefix} needs: this plan is not carried out"
                )
    return migration


def _check_platform(plan: Plan) -> None:
    planned, native = plan.host.subdir, host.native_subdir()
    if planned != native:
        by_hand = f" by hand: {_BY_HAND}" if planned.startswith("win-") else ""
        raise InputError(
            f"this plan is for {planned}, and this machine is {native}: carry it out on a machine of that kind{by_hand}"
        )


def is_fresh(plan: Plan) -> bool:
    """Whether the plan makes an environment from a file, so that there is no old one."""
    return plan.migration is not None and plan.migration.prefix == plan.target.prefix


def check_state(plan: Plan, here: Here, mirrors: Sequence[tuple[str, str]] = ()) -> tuple[str, ...]:
    """Compare the plan's fingerprint with what is here now; the warnings. Raises `StalePlan`."""
    if not is_fresh(plan):
        _check_target(plan)
    machine = _machine(plan, here)
    if host_digest(machine) != plan.fingerprint.host:
        raise StalePlan(f"this machine is not the one that the plan was made for{_difference(plan.host, machine)}")
    return (*_given(plan, here), *_repodata(plan, here, mirrors))


def _check_target(plan: Plan) -> None:
    found = load.load_environment(plan.target.name, plan.target.prefix)
    if found.fingerprint == plan.fingerprint.target:
        return
    if found.problems:
        more = f", and {len(found.problems) - 1} more" if len(found.problems) > 1 else ""
        raise StalePlan(
            f"whether {plan.target.prefix} is what it was when this plan was made cannot be known: "
            f"{found.problems[0].path}: {found.problems[0].what}{more}. Run this as a user who may read it, or mend that"
        )
    raise StalePlan(
        f"{plan.target.prefix} is not what it was when this plan was made: packages were installed or removed "
        "there. Make a new plan with planner what-if"
    )


def check_free(prefix: str) -> None:
    """Raise `StalePlan` when something is at the new prefix."""
    if os.path.lexists(prefix):
        raise StalePlan(
            f"{prefix} exists already, and nothing that exists is overwritten: remove it yourself, or make a new plan "
            "with another --name"
        )


# --------------------------------------------------------------------------------------------------------------------
# The machine


def _machine(plan: Plan, here: Here) -> Host:
    """This machine, with what was given in place of detected when the plan was made."""
    subdir = plan.host.subdir
    if plan.host.source == "assumed":
        raise StalePlan(
            f"this plan was made on a machine that is not {subdir}, which this one is. Make a new plan here"
        )
    if plan.host.source == "detected":
        return host.detect_host(subdir, environ=here.environ)
    found = host.detect_host(
        subdir,
        cuda=plan.host.virtual("__cuda") or "none",
        driver=plan.host.driver,
        glibc=plan.host.virtual("__glibc"),
        environ=here.environ,
    )
    if plan.host.compute_capabilities is None:
        return found
    from msgspec.structs import replace

    return replace(found, compute_capabilities=plan.host.compute_capabilities)


def _difference(planned: Host, found: Host) -> str:
    before = {package.name: package.version for package in planned.virtual_packages}
    now = {package.name: package.version for package in found.virtual_packages}
    moved = [
        f"{name} was {before.get(name, 'not there')} and is {now.get(name, 'not there')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if planned.driver != found.driver:
        moved.append(f"the driver was {planned.driver or 'not there'} and is {found.driver or 'not there'}")
    return f": {'; '.join(moved)}. Make a new plan here" if moved else ". Make a new plan here"


def _given(plan: Plan, here: Here) -> tuple[str, ...]:
    if plan.host.source != "given":
        return ()
    found = host.detect_host(plan.host.subdir, environ=here.environ)
    return tuple(
        f"the plan rests on {name} {plan.host.virtual(name) or 'none'}, as it was told; this machine has "
        f"{found.virtual(name) or 'none'}"
        for name in ("__cuda", "__glibc")
        if plan.host.virtual(name) != found.virtual(name)
    )


def _repodata(plan: Plan, here: Here, mirrors: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Whether channels have moved, as far as what lies on this machine tells."""
    try:
        settings = config.read_config(plan.root, plan.target.prefix, here.environ, here.home)
        found = channels.open_channels(
            plan.request.channels,
            plan.host.subdir,
            mirrors=mirrors,
            offline=True,
            cache_dir=here.cache_dir,
            config=settings,
            on_progress=lambda _text: None,
        )
    except PlannerError:
        return ("whether the channels have moved since the plan was made was not looked at: they are not at hand here",)
    if repodata_digest(found) == plan.fingerprint.repodata:
        return ()
    return ("the channels have moved since the plan was made; its lock names every file, so what is made is the same",)


# --------------------------------------------------------------------------------------------------------------------
# What may be called


def _permitted(argv: Argv, new: str, plan: Plan) -> bool:
    """Whether a command only looks, or writes nowhere but into the new prefix."""
    if not argv or any("\0" in word for word in argv):
        return False
    program, rest = argv[0], argv[1:]
    if program == "planner":
        return rest[:1] in {("snapshot",), ("compare",), ("verify",)} and _planner_writes_here(rest)
    if program in _READING:
        return True
    if program in _MAKING:
        paths = [word for word in rest if word not in {"-p", "-f"}]
        if not paths or any(word.startswith("-") for word in paths):
            return False
        return all(is_inside(path, new) for path in (paths[-1:] if program == "cp" else paths))
    if os.path.dirname(program) == os.path.join(new, "bin"):
        return os.path.basename(program) == "python" and _python(rest)
    if os.path.basename(program) in TOOLS and (os.sep not in program or is_inside(program, plan.root)):
        return _tool(rest, new)
    return False


def _planner_writes_here(rest: Argv) -> bool:
    outputs = [after for word, after in pairwise(rest) if word in {"-o", "--output"}]
    return all(FILE_NAME.fullmatch(name) for name in outputs) and not any("=" in word for word in rest)


def _python(rest: Argv) -> bool:
    match [word for word in rest if not _FLAGS.fullmatch(word)]:
        case ["--version"] | ["-m", "pip", "check"] | ["smoke_test.py" | "verify_gpu.py", *_]:
            return True
        case ["-m", "pip", "install", *options]:
            return all(word in {"--no-deps", "--requirement"} or FILE_NAME.fullmatch(word) for word in options)
        case ["-m", "ipykernel", "install", "--user", "--name", name, "--display-name", _]:
            return bool(FILE_NAME.fullmatch(name))
        case ["-m", "jupyter_client.kernelspecapp", "remove", "-f", name]:
            return bool(FILE_NAME.fullmatch(name))
    return False


def _tool(rest: Argv, new: str) -> bool:
    prefixes = [after for word, after in pairwise(rest) if word in {"-p", "--prefix"}]
    if any(word.startswith(("--prefix=", "-n", "--name")) for word in rest):
        return False
    reading = rest[:1] == ("list",)
    making = rest[:1] == ("create",) or rest[:2] == ("env", "remove")
    return reading or (making and len(prefixes) == 1 and os.path.normpath(prefixes[0]) == new)


def is_inside(path: str, folder: str) -> bool:
    """Whether an absolute path is `folder` or below it, however it is written."""
    if not os.path.isabs(path):
        return False
    real, above = os.path.realpath(path), os.path.realpath(folder)
    return real == above or real.startswith(above.rstrip(os.sep) + os.sep)
