"""A plan carried out, resumed, or taken back: the order of steps, and what is written down around each.

A step that was done is not done again; after one that has to be, all later ones are. What was cut short while it wrote
into the new prefix is made anew from the start, since nobody knows how far it came. The old prefix is only read.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.apply import guard, lock, made, steps
from planner.apply.bench import Bench, Wishes
from planner.apply.journal import Journal
from planner.errors import InputError, MigrationStopped, StalePlan
from planner.serialize import digest, dumps, plan_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.apply.guard import Here
    from planner.model.plan import Plan, Step

_NEXT = "Nothing was lost: run the same command again to go on from here, or with --undo to take back what was made"


class Done(Struct, frozen=True):
    """What a run came to: each step with what it said, and what is worth a warning."""

    said: tuple[tuple[Step, str], ...]
    warnings: tuple[str, ...]
    folder: str


def prepare(plan: Plan, here: Here, wishes: Wishes) -> tuple[Bench, tuple[str, ...]]:
    """The bench for a plan that can be carried out, or gone on with, here and now, and warnings. Only reads.

    Raises `InputError` for what cannot be, `StalePlan` among it.
    """
    bench = look(plan, here, wishes)
    if guard.is_inside(here.state_dir, plan.target.prefix):
        raise InputError(
            f"{here.state_dir}: the journal would lie in the old environment; set XDG_STATE_HOME to elsewhere"
        )
    warnings = guard.check_state(plan, here, wishes.mirrors)
    if bench.journal.state("create") == "to do":
        guard.check_free(bench.prefix)
    return bench, warnings


def look(plan: Plan, here: Here, wishes: Wishes) -> Bench:
    """The bench for a plan, whatever has become of its target. Raises `InputError`."""
    migration = guard.migration_of(plan)
    journal = Journal(here.state_dir, migration.prefix)
    bench = Bench(plan, migration, journal, here, wishes, _tool(plan, wishes), (), lambda _text: None)
    _same_plan(bench)
    return bench


def apply(plan: Plan, here: Here, wishes: Wishes, report: Callable[[str], None]) -> Done:
    """Carry a plan out, or go on where an earlier run ended. Raises `InputError` before, `MigrationStopped` after."""
    with _locked(plan, here) as locks:
        bench, warnings = prepare(plan, here, wishes)
        bench = replace(bench, locks=locks, report=report)
        if bench.journal.undoing:
            raise InputError("this migration was being taken back: finish that first, with --undo --yes")
        bench.journal.start(_key(plan), {"plan.json": dumps(plan), **dict(bench.migration.artifacts)})
        _recover(bench)
        said = []
        again = False
        for number, step in enumerate(bench.migration.steps, start=1):
            if bench.journal.state(step.id) == "done" and not again:
                said.append((step, f"{bench.journal.fact(step.id, 'said')} (by an earlier run)"))
                continue
            again = True
            report(f"step {number} of {len(bench.migration.steps)}: {step.title}")
            said.append((step, _one(step, number, bench)))
        return Done(tuple(said), warnings, bench.journal.folder)


def undo(plan: Plan, here: Here, report: Callable[[str], None]) -> tuple[str, ...]:
    """Take back what a plan's migration has made, and nothing else; what was removed. Raises as `apply` does."""
    with _locked(plan, here) as locks:
        bench = replace(look(plan, here, Wishes()), locks=locks, report=report)
        journal, migration = bench.journal, bench.migration
        removed = to_undo(bench)
        if journal.plan_digest is None:
            journal.discard()
            return ()
        journal.note("undo")
        for step in reversed(migration.steps):
            path = journal.fact(step.id, "path")
            if path is None:
                continue
            report(f"removing {path}")
            if step.kind == "create":
                _deregister(step, bench)
                steps.remove_environment(bench)
            else:
                made.remove_tree(path, None)
            made.remove_empty(journal.fact(step.id, "parents") or [])
        journal.discard()
        return removed


def to_undo(bench: Bench) -> tuple[str, ...]:
    """The paths that taking back would remove."""
    paths = [bench.journal.fact(step.id, "path") for step in reversed(bench.migration.steps)]
    return tuple(path for path in paths if path is not None and os.path.lexists(path))


def _one(step: Step, number: int, bench: Bench) -> str:
    """One step with its entries in the journal."""
    try:
        bench.journal.note("begin", step.id, **steps.facts_before(step, bench))
        said = steps.carry_out(step, bench)
        bench.journal.note("done", step.id, said=said, **steps.facts_after(step, bench))
    except MigrationStopped as error:
        if bench.journal.state(step.id) == "begun":
            with suppress(MigrationStopped):  # where even that cannot be written, the first failure is the news
                bench.journal.note("failed", step.id, why=str(error))
        total = len(bench.migration.steps)
        raise MigrationStopped(f"step {number} of {total} ({step.kind}) failed: {error}. {_NEXT}") from None
    return said


def _recover(bench: Bench) -> None:
    """Note that the environment has to be made anew where pip was cut short in it, or where it is gone."""
    if bench.journal.state("create") != "done":
        return
    cut = any(step.kind == "pip" and bench.journal.state(step.id) == "begun" for step in bench.migration.steps)
    if cut or not os.path.lexists(bench.prefix):
        if cut:
            steps.remove_environment(bench)
        bench.journal.note("failed", "create", why="what was made is gone" if not cut else "pip was cut short in it")


def _deregister(step: Step, bench: Bench) -> None:
    """Let conda forget an environment that it made and listed; what it leaves behind is removed after it."""
    tool = bench.journal.fact("create", "tool")
    if tool is not None and os.path.isdir(os.path.join(bench.prefix, "conda-meta")):
        known = bench.journal.fact("create", "identity")
        if made.identity(bench.prefix) == known and shutil.which(tool):
            for argv in step.undo:
                bench.run(argv, "undo")


@contextmanager
def _locked(plan: Plan, here: Here) -> Iterator[tuple[int, ...]]:
    migration = guard.migration_of(plan)
    with lock.only_one(here.state_dir, plan.target.prefix, migration.prefix) as descriptors:
        yield descriptors


def _same_plan(bench: Bench) -> None:
    """Refuse a plan while another's new environment is there; one that has made nothing is forgotten."""
    journal = bench.journal
    if journal.plan_digest in {None, _key(bench.plan)}:
        return
    if journal.undoing or any("path" in entry for entry in journal.entries):
        saved = os.path.join(journal.folder, "plan.json")
        raise StalePlan(
            f"{bench.prefix} was made, or begun, with another plan, which is kept in {saved}: go on with that, or take "
            "it back with --undo --yes, before this one"
        )
    journal.entries = []


def _key(plan: Plan) -> str:
    return digest(plan_to_dict(plan))


def _tool(plan: Plan, wishes: Wishes) -> str | None:
    """The program that the plan's create step calls, where it is there and wanted."""
    if wishes.embedded or wishes.mirrors or plan.migration is None:
        return None
    create = next((step for step in plan.migration.steps if step.kind == "create" and step.commands), None)
    return shutil.which(create.commands[0][0]) if create else None
