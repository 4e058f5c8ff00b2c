"""What `planner apply` would do, is doing and has done, in words for a terminal. Every text from a plan is escaped."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.render.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.apply.bench import Bench
    from planner.apply.run import Done
    from planner.model.plan import Argv, Step


def outline(bench: Bench, warnings: Iterable[str]) -> str:
    """The dry run: each step with the very commands, and what is done in this process instead of by them."""
    migration = bench.migration
    lines = [
        f"Nothing is done without --yes. This is what would be, to make {migration.name} at {migration.prefix}:",
        "",
    ]
    again = False
    for number, step in enumerate(migration.steps, start=1):
        state = bench.journal.state(step.id)
        again = again or state != "done"
        past = "" if again and state == "to do" else " (done by an earlier run)" if not again else f" (was {state})"
        lines.append(f"{number}. {step.title}{past}")
        if again:
            lines += _step(step, bench)
    lines += ["", f"Journal and logs: {bench.journal.folder}"]
    lines += [f"Warning: {warning}" for warning in warnings]
    return _text(lines)


def undo_outline(paths: Iterable[str], folder: str) -> str:
    """The dry run of taking back."""
    lines = [f"  remove {path}" for path in paths]
    if not lines:
        return "Nothing was made by this plan: there is nothing to take back.\n"
    head = "Nothing is done without --yes. To take back what was made, this would be removed, with all that is in it:"
    return _text([head, *lines, f"  remove {folder}, the journal"])


def undone(paths: Iterable[str]) -> str:
    """What taking back came to."""
    lines = [f"Removed {path}" for path in paths]
    return _text(
        [*lines, "All that this plan's migration made is gone." if lines else "There was nothing to take back."]
    )


def outcome(done: Done) -> str:
    """What a finished run came to."""
    lines = [f"{number}. {step.title}: {said}" for number, (step, said) in enumerate(done.said, start=1)]
    lines += [f"Warning: {warning}" for warning in done.warnings]
    lines += [
        "",
        "Done. What comes after sign-off is in the plan (planner show); --undo takes all of this back.",
        f"Journal and logs: {done.folder}",
    ]
    return _text(lines)


def _step(step: Step, bench: Bench) -> Iterator[str]:
    if step.kind == "preflight":
        yield "   look   room, permissions and the package cache; whether every channel of the lock answers"
    if step.kind == "create" and bench.tool is None:
        cache = bench.here.cache_dir
        yield f"   make   by rattler, in this process: fetch explicit.txt into {cache}, check its sums, link, run link scripts"
        yield from _commands("in place of", step.commands)
    elif step.kind in {"snapshot", "prove-untouched", "verify-gpu"}:
        yield from _commands("here", step.commands)
        yield from _commands("check", step.check)
    else:
        yield from _commands("run", step.commands)
        yield from _commands("check", step.check)
    if step.kind == "smoke-test":
        yield from _commands("run", bench.wishes.checks)
    if step.kind == "create":
        yield f"   undo   remove {bench.prefix}"


def _commands(word: str, argvs: Iterable[Argv]) -> Iterator[str]:
    for argv in argvs:
        yield f"   {word:6} {shlex.join(argv)}"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(visible(line) for line in lines) + "\n"
