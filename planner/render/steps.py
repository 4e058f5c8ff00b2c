"""The report's section on how to get what was asked for: recommendation, alternatives, steps, artifacts."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from planner.artifacts import BY_HAND, LEFT_OUT, OTHER_VERSION, UNMET
from planner.nothing_to_remove import NOTHING_TO_REMOVE
from planner.render import words
from planner.render.blocks import Bullets, Commands, Facts, Heading, Paragraph, Section
from planner.render.escape import clip, visible
from planner.render.groups import plural
from planner.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.plan import Alternative, Argv, Migration, Plan, Step
    from planner.render.blocks import Block

_CONDA_LOST = "BASE001"
_UNITS = ("kB", "MB", "GB", "TB")
_NOT_KNOWN = "not known: what a channel states is the size of each archive, not what it unpacks to"
_MOST_NAMED = 12
_VERSIONS = 10  # of the new environment's that are listed; environment.yml has them all
_THOUSAND = 1000  # decimal units, as package indexes use


def recommendation(plan: Plan) -> str:
    """What to do, in one sentence."""
    target = plan.target.name
    if words.not_yet_made(plan):
        return _of_new(plan)
    if plan.recommendation == "migrate" and plan.migration is not None:
        return (
            f"Recommended: leave {target} as it is, make the new environment {plan.migration.name} beside it by the "
            f"steps below, and move over once its verification has passed.{_left_out(plan.migration)}{_no_conda(plan)}"
        )
    if _nothing_to_remove(plan):
        specs = ", ".join(plan.request.specs)
        if len(plan.request.specs) == 1:
            return f"Recommended: nothing to do: {specs} is not installed in {target}. Check the name."
        of_all = "none" if plan.outcome == "no-change" else "not all"
        return f"Recommended: nothing to do: {of_all} of {specs} are installed in {target}. Check the names."
    if plan.recommendation == "in-place":
        if plan.outcome == "no-change":
            return "Recommended: nothing to do."
        return f"Recommended: carry it out in {target} itself.{_no_conda(plan)}"
    if plan.recommendation == "migrate":
        return f"Recommended: leave {target} as it is, and make a new environment; this plan holds no steps for it."
    return f"Recommended: do not proceed; leave {target} as it is."


def _of_new(plan: Plan) -> str:
    """What to do about an environment that is not there yet."""
    if plan.migration is None:
        return f"Recommended: do not proceed; {plan.target.name} is not made."
    left = _left_out(plan.migration)
    if plan.recommendation == "in-place":
        return f"Recommended: make {plan.target.name} by the steps below.{left}"
    return (
        f"Recommended: make {plan.target.name} by the steps below, and use it only once its verification has passed."
        f"{left}"
    )


def _nothing_to_remove(plan: Plan) -> bool:
    """Whether a removal is about nothing that conda has: mamba carries nothing out then, conda refuses."""
    if plan.request.operation != "remove" or plan.migration is not None:
        return False
    return plan.outcome == "no-change" or NOTHING_TO_REMOVE in (plan.explanation or "")


def _other_way(target: str, migration: Migration) -> str:
    """What the steps are where something else is recommended."""
    return (
        f"The steps below are the other way, by the new environment {migration.name}, for whoever does not want to "
        f"change {target}: {target} is not changed by them.{_left_out(migration)}"
    )


def _left_out(migration: Migration) -> str:
    """What the new environment lacks though it is asked for or required, as the plan's own environment.yml says it."""
    told = (note for note in _notes(migration) if note.startswith((BY_HAND, LEFT_OUT, UNMET)))
    return "".join(f" {clip(note)}." for note in told)


def _notes(migration: Migration) -> list[str]:
    """The comments at the head of the plan's own environment.yml."""
    text = dict(migration.artifacts).get("environment.yml", "")
    return [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]


def _no_conda(plan: Plan) -> str:
    """That the installation's own conda, which is to carry it out, does not run today."""
    if not any(item.rule == _CONDA_LOST and item.pre_existing and item.status == "certain" for item in plan.findings):
        return ""
    return (
        " But this installation's own conda cannot run today, as told under what was already wrong before: mend it "
        "first, or let another conda or micromamba do it."
    )


def section(plan: Plan, *, pictures: bool) -> Section:
    """The way to get what was asked for, or why there is none."""
    blocks: list[Block] = [Paragraph(recommendation(plan))]
    blocks.extend(_alternatives(plan))
    if _nothing_to_remove(plan):
        blocks.append(Paragraph("There are no steps: nothing that is installed was asked to be removed."))
    elif plan.migration is None:
        blocks.append(Paragraph("There is no migration plan: no new environment that could be migrated to was found."))
    else:
        if plan.recommendation != "migrate" and not words.not_yet_made(plan):
            blocks.append(Paragraph(_other_way(plan.target.name, plan.migration)))
        blocks.extend(_migration(plan.migration, plan.host.subdir, pictures=pictures))
    return Section("migration", "How to get what was asked for", tuple(blocks))


def _alternatives(plan: Plan) -> list[Block]:
    search = (
        "The search was exhausted."
        if plan.alternatives.complete
        else "The search was not exhausted: there may be others."
    )
    if not plan.alternatives.items:
        return []
    items = tuple(_alternative(item, plan.host.subdir) for item in plan.alternatives.items)
    return [Bullets(items, "Nearest requests that have a solution, nearest first"), Paragraph(search)]


def _alternative(item: Alternative, subdir: str) -> str:
    parts = [" ".join(quoted(item.specs, subdir)) or "no spec"]
    if item.costs:
        parts.append("; ".join(item.costs))
    if item.lost:
        parts.append(f"lost: {_names(item.lost)}")
    if item.downgraded:
        parts.append(f"downgraded: {_names(item.downgraded)}")
    return ". ".join(parts)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return (
        ", ".join(names)
        if more <= 0
        else f"{', '.join(names[:_MOST_NAMED])} and {more} more: the plan document has them"
    )


def _migration(migration: Migration, subdir: str, *, pictures: bool) -> list[Block]:
    size = None if migration.disk_bytes is None else _size(migration.disk_bytes)
    disk = f"{size}, the pip layer apart" if size else _NOT_KNOWN
    download = _size(migration.download_bytes)
    blocks: list[Block] = [
        Facts(
            (
                ("New environment", f"{migration.name} at {migration.prefix}"),
                ("Download", download),
                ("Disk", disk),
            )
        )
    ]
    blocks.extend(_other_versions(migration))
    if pictures:
        from planner.render import figures

        blocks.append(figures.sizes(migration, {"download": download, "disk": size or "not known"}))
        blocks.append(figures.timeline(migration))
    blocks.extend(_steps(migration.steps, subdir, "Step"))
    used = _used(migration)
    files = tuple(
        f"{name} ({plural(_line_count(text), 'line')})" for name, text in sorted(migration.artifacts) if name in used
    )
    if files:
        blocks.append(Bullets(files, "Files that the steps use; planner show PLAN.json --files DIR writes them"))
    if migration.follow_up:
        blocks.append(Heading("After sign-off"))
        blocks.extend(_steps(migration.follow_up, subdir, "Follow-up"))
    if migration.rollback:
        blocks.append(Heading("The way back"))
        blocks.extend(_steps(migration.rollback, subdir, "Rollback"))
    return blocks


def _used(migration: Migration) -> frozenset[str]:
    """Every word of every command: the files among them are used."""
    steps = (*migration.steps, *migration.follow_up, *migration.rollback)
    return frozenset(word for step in steps for argv in (*step.commands, *step.check, *step.undo) for word in argv)


def _other_versions(migration: Migration) -> list[Block]:
    """What would have another version there than people may count on, old before new."""
    told = [clip(note.removeprefix(OTHER_VERSION)) for note in _notes(migration) if note.startswith(OTHER_VERSION)]
    if not told:
        return []
    more = len(told) - _VERSIONS
    items = (*told[:_VERSIONS], *([f"and {more} more, all in environment.yml"] if more > 0 else []))
    return [Bullets(items, "Of what was asked for, and of torch's family, these go back or have another major version")]


def _steps(steps: Sequence[Step], subdir: str, word: str) -> list[Block]:
    blocks: list[Block] = []
    for number, step in enumerate(steps, start=1):
        blocks.append(Heading(f"{word} {number}: {step.title}"))
        for label, argvs in (("Run", step.commands), ("Check", step.check), ("Undo", step.undo)):
            if argvs:
                blocks.extend(_commands(label, argvs, subdir))
    return blocks


def _commands(label: str, argvs: tuple[Argv, ...], subdir: str) -> list[Block]:
    commands = tuple(quoted(argv, subdir) for argv in argvs)
    blocks: list[Block] = [Commands(label, commands, continuation(subdir))]
    if any(visible(word) != word for command in commands for word in command):
        blocks.append(
            Paragraph(
                "Characters that cannot be printed are shown as escapes; the plan document has the exact words.", "warn"
            )
        )
    return blocks


def continuation(subdir: str) -> str:
    """What ends a line of a command that goes on, in the shell of a platform."""
    return "^" if subdir.startswith("win-") else "\\"


def _size(number: int) -> str:
    """`41.0 MB (41000000 bytes)`."""
    value, unit = float(number), "bytes"
    for larger in _UNITS:
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, larger
    return f"{number} bytes" if unit == "bytes" else f"{value:.1f} {unit} ({number} bytes)"


def _line_count(text: str) -> int:
    return len(text.splitlines())
