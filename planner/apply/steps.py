"""How each kind of step is carried out; a kind that is not named here is its commands and its checks.

Each function returns a sentence on what was done, or raises `MigrationStopped`. What is written down before and after
is `planner.apply.run`'s business.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from planner import comparison, snapshot, snapshot_file
from planner.apply import bytecode, embedded, fetch, preflight
from planner.apply.bench import Bench, failed
from planner.apply.guard import is_fresh
from planner.apply.made import identity, missing_parents, remove_tree
from planner.belongings import user_kernels
from planner.errors import MigrationStopped, PlannerError
from planner.verify import runner
from planner.verify.result import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.plan import Step

_SHOWN = 5  # lines of a kind in one message
_COMPLAINT = re.compile(r"^(\S+) \S+ (requires|has requirement) (.+?), (?:which|but) ")


def facts_before(step: Step, bench: Bench) -> dict[str, Any]:
    """What the journal must know before a step begins, for it to be taken back. Raises `MigrationStopped`."""
    path = {"create": bench.prefix, "kernel": _kernel_folder(step, bench)}.get(step.kind)
    if path is None:
        return {}
    if bench.journal.fact(step.id, "path") == path:
        return {}  # an earlier attempt has noted that nothing was there
    if os.path.lexists(path):
        raise MigrationStopped(f"{path} exists already, and nothing that exists is overwritten: move it away")
    return {"path": path, "parents": missing_parents(path)}


def facts_after(step: Step, bench: Bench) -> dict[str, Any]:
    """What the journal must know of a step that is done."""
    if step.kind == "create":
        return {"identity": identity(bench.prefix), "tool": bench.tool}
    return {}


def carry_out(step: Step, bench: Bench) -> str:
    """Carry one step out; a sentence on what was done. Raises `MigrationStopped`."""
    try:
        return _KINDS.get(step.kind, _plain)(step, bench)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise MigrationStopped(f"{where}{error.strerror or error}") from None


def remove_environment(bench: Bench) -> None:
    """Remove the new prefix, as far as it was made. Raises `MigrationStopped`."""
    known = bench.journal.fact("create", "identity") if bench.journal.state("create") == "done" else None
    remove_tree(bench.prefix, known)


def _plain(step: Step, bench: Bench) -> str:
    bench.all_must_pass(step)
    return "done"


def _preflight(step: Step, bench: Bench) -> str:
    lock = _lock(bench)
    found = tuple(preflight.obstacles(bench.migration, lock, bench.here.cache_dir))
    if found:
        raise MigrationStopped("; ".join(found))
    if bench.journal.state("create") == "to do":
        bench.all_must_pass(step)
    return "nothing stands in the way"


def _snapshot(_step: Step, bench: Bench) -> str:
    taken = _state_of_old(bench)
    _save(os.path.join(bench.journal.folder, "before.json"), snapshot_file.dumps(taken))
    return f"{len(taken.files or ())} entries of {taken.prefix} are on record"


def _create(step: Step, bench: Bench) -> str:
    remove_environment(bench)
    for folder in reversed(missing_parents(bench.prefix)):
        os.mkdir(folder)
    lock = _lock(bench)
    if bench.tool is None:
        try:
            embedded.create(bench.prefix, lock, bench.here.cache_dir, _requested(bench), bench.report)
        except fetch.CreateError as error:
            raise MigrationStopped(str(error)) from None
        compiling = bytecode.compile_call(bench.prefix, os.path.join(bench.journal.folder, "noarch.txt"))
        if compiling is not None:
            bench.report("compiling what noarch packages have brought")
            bench.run(compiling, f"{step.id}-compile", of_new=True)  # sources for other pythons do not compile
            bytecode.put_on_record(bench.prefix)
        for argv, more in embedded.link_scripts(bench.prefix, lock):
            ran = bench.run(argv, f"{step.id}-{more['PKG_NAME']}", of_new=True, more=more)
            if ran.code:
                raise failed(ran)
        for number, argv in enumerate(step.check, start=1):
            if argv[0].startswith(bench.prefix + os.sep):  # others ask a tool that is not here
                ran = bench.run(argv, f"{step.id}-check-{number}", of_new=True)
                if ran.code:
                    raise failed(ran)
        return f"rattler made {bench.prefix} of {len(lock)} packages"
    bench.all_must_pass(step)
    return f"{bench.tool} made {bench.prefix} of {len(lock)} packages"


def _pip(step: Step, bench: Bench) -> str:
    for number, argv in enumerate(step.commands, start=1):
        ran = bench.run(argv, f"{step.id}-run-{number}", of_new=True)
        if ran.code:
            raise failed(ran)
    # What is made from a file had no before.
    before = _complaints_before(bench) if step.check and not is_fresh(bench.plan) else frozenset()
    for number, argv in enumerate(step.check, start=1):
        ran = bench.run(argv, f"{step.id}-check-{number}", of_new=True)
        lines = [line for line in ran.output.splitlines() if line.strip()] if ran.code else []
        new = [line for line in lines if _complaint(line) not in before]
        if new:
            more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
            raise MigrationStopped(
                f"what pip installed does not fit together as it did before: {' '.join(new[:_SHOWN])}{more} "
                f"(all of it: {ran.log})"
            )
        if lines:
            return f"installed; pip complains of {len(lines)} things that were so before"
    return "installed, and pip finds nothing missing"


def _complaints_before(bench: Bench) -> frozenset[tuple[str, ...]]:
    python = os.path.join(bench.plan.target.prefix, "bin", "python")
    ran = bench.run((python, "-I", "-B", "-m", "pip", "check"), "pip-check-before")
    return frozenset(map(_complaint, ran.output.splitlines()))


def _complaint(line: str) -> tuple[str, ...]:
    """A line of `pip check` without the versions that are installed."""
    match = _COMPLAINT.match(line)
    return match.groups() if match else (line,)


def _smoke(step: Step, bench: Bench) -> str:
    bench.all_must_pass(step)
    for number, argv in enumerate(bench.wishes.checks, start=1):
        ran = bench.run(argv, f"{step.id}-own-{number}", of_new=True, cwd=os.getcwd())
        if ran.code:
            raise failed(ran)
    own = f", and {len(bench.wishes.checks)} checks of your own pass" if bench.wishes.checks else ""
    return f"what worked before works{own}"


def _untouched(_step: Step, bench: Bench) -> str:
    before = snapshot_file.load_snapshot(os.path.join(bench.journal.folder, "before.json"))
    now = _state_of_old(bench)
    _save(os.path.join(bench.journal.folder, "after.json"), snapshot_file.dumps(now))
    found = comparison.compare(before, now)
    changed = [f"{item.subject}: {item.what}" for item in found.differences] + list(found.uncertain)
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise MigrationStopped(
            f"{now.prefix} is not as it was: {'; '.join(changed[:_SHOWN])}{more}. No step writes there: find out who did"
        )
    return f"nothing of {now.prefix} has changed: {found.packages} packages, {found.files} files and folders"


def _verify(step: Step, bench: Bench) -> str:
    options = {word for argv in step.commands for word in argv}
    result = runner.verify_environment(bench.prefix, launcher=bench.wishes.launcher)
    path = os.path.join(bench.journal.folder, "verification.json")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(to_json(result) + "\n")
    code = runner.exit_code(
        result,
        require_gpu="--require-gpu" in options,
        cpu_ok=bench.wishes.cpu_ok or "--cpu-ok" in options,
    )
    if code:
        raise MigrationStopped(
            f"{result.reason} (all it found: {path}). Everything else is in place. Where the GPU is elsewhere, "
            'run this again with --launcher "srun --gres=gpu:1", say; --cpu-ok accepts that there is none'
        )
    return f"{result.reason} (all it found: {path})"


_KINDS: dict[str, Callable[[Step, Bench], str]] = {
    "preflight": _preflight,
    "snapshot": _snapshot,
    "create": _create,
    "pip": _pip,
    "smoke-test": _smoke,
    "prove-untouched": _untouched,
    "verify-gpu": _verify,
}


def _lock(bench: Bench) -> tuple[fetch.Locked, ...]:
    try:
        lock = fetch.read_lock(dict(bench.migration.artifacts).get("explicit.txt", ""))
        return fetch.with_sources(lock, bench.plan, bench.here, bench.wishes.mirrors)
    except PlannerError as error:
        raise MigrationStopped(str(error)) from None


def _requested(bench: Bench) -> list[str]:
    """What the new environment was asked to have, as the plan's `environment.yml` lists it, python by its minor."""
    import yaml

    try:
        listed = yaml.safe_load(dict(bench.migration.artifacts).get("environment.yml", ""))["dependencies"]
    except (yaml.YAMLError, KeyError, TypeError):
        return []
    specs = [str(item).split("=") for item in listed if isinstance(item, str)]
    return [
        f"python={'.'.join(spec[1].split('.')[:2])}" if spec[0] == "python" and spec[1:] else spec[0] for spec in specs
    ]


def _state_of_old(bench: Bench) -> snapshot.Snapshot:
    old = bench.plan.target
    return snapshot.take(old.name, old.prefix, deep=True, progress=bench.report)


def _save(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    fresh = f"{path}.part"
    with open(fresh, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(fresh, path)


def _kernel_folder(step: Step, bench: Bench) -> str | None:
    """Where the kernel step puts the kernel, None for any other step."""
    argv = step.commands[0] if step.commands else ()
    if step.kind != "kernel" or "--name" not in argv:
        return None
    folder = user_kernels(bench.here.environ, bench.here.home)
    return os.path.join(folder, argv[argv.index("--name") + 1])
