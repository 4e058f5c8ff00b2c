"""The report as frozen data: order and wording are decided here, once, for every renderer.

A reviewer reads from the top: the verdict in one sentence and why; what was asked; what breaks; what changes; what
stays untouched; what could not be known; the migration; the sign-off; how the report was made. Nothing here knows of colours,
columns or markup, and nothing claims more than the plan document holds: a saved plan gives the same report as a fresh
one.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from planner.model.plan import Migration, Plan, Verdict
from planner.render import groups, steps, words
from planner.render.blocks import (
    Bullets,
    Commands,
    Facts,
    Form,
    Heading,
    Lines,
    Paragraph,
    ReportView,
    Section,
    Table,
)
from planner.render.escape import clip
from planner.render.groups import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.installed import PackageRecord
    from planner.model.plan import Action, Edge, EnvironmentReport, PackageChange
    from planner.render.blocks import Block, Tone

_T = TypeVar("_T")

_TONES: dict[Verdict, Tone] = {
    Verdict.SAFE: "good",
    Verdict.REVIEW: "warn",
    Verdict.UNSAFE: "bad",
    Verdict.UNSOLVABLE: "bad",
    Verdict.UNKNOWN: "unknown",
}
# What a reader wants to see first: what was asked, then what leaves or goes back, then the rest.
_ORDER: tuple[Action, ...] = ("remove", "downgrade", "channel", "upgrade", "rebuild", "install", "relink")
_ACTIONS: dict[Action, str] = {
    "install": "newly installed",
    "remove": "removed",
    "upgrade": "upgraded",
    "downgrade": "downgraded",
    "rebuild": "replaced by another build of the same version",
    "relink": "linked again for the new python",
    "channel": "taken from another channel",
}
_SOURCES = {
    "detected": "detected on the machine that made this report",
    "given": "given to the planner, by options or a file",
    "assumed": "assumed: not this machine's platform",
}
_FIND_OUT = "To find out: make these files readable, or repair them, and ask again."
_FIND_OUT_NEW = "To find out: mend what is said to be wrong with a file, and ask again."
_FIND_OUT_PIP = (
    "To find out: carry out the steps below. What pip chooses is known then, and whether it fits together is one of "
    "their checks. Where something else is said to be wrong with a file, mend that and ask again."
)
_LINKED_AGAIN = 4  # from so many on they are told in one sentence
_WHY = 6  # groups of findings that the verdict names before it points to the section below


def build_view(plan: Plan, *, pictures: bool = True) -> ReportView:
    """The report of a plan. Pure; texts longer than `escape.LIMIT` are cut, and say so.

    Without `pictures` it has none, for renderings that can show none: what they show is in the words as well.
    """
    plan = _clipped(plan)
    current = [finding for finding in plan.findings if not finding.pre_existing]
    certain = groups.group(finding for finding in current if finding.status == "certain")
    unverified = groups.group(finding for finding in current if finding.status == "unverified")
    sections = [
        _why(plan, certain, unverified),
        _asked(plan),
        _breaks(plan, certain, unverified, pictures=pictures),
        _changes(plan, pictures=pictures),
        _untouched(plan),
        _unknown(plan, unverified),
        steps.section(plan, pictures=pictures),
        _before(plan),
        _sign_off(plan),
        _made(plan),
    ]
    return ReportView(
        title=f'What "{words.command(plan)}" would do to {plan.target.name}',
        verdict=plan.verdict.value,
        headline=words.headline(plan),
        tone=_TONES[plan.verdict],
        sections=tuple(section for section in sections if section is not None),
    )


def _clipped(value: _T) -> _T:
    """The same value with every long text cut; the explanation and the artifacts are measured where they are shown.

    Most values have none: they are not made anew.
    """
    if isinstance(value, str) and type(value) is str:
        return clip(value)  # type: ignore[return-value]  # str in, str out
    if isinstance(value, tuple):
        items = tuple(map(_clipped, value))
        return value if all(map(is_, items, value)) else items  # type: ignore[return-value]  # a tuple for a tuple
    changed: dict[str, Any] = {}
    kind: type = type(value)
    for name in _parts(kind):
        part = getattr(value, name)
        clipped = _clipped(part)
        if clipped is not part:
            changed[name] = clipped
    return replace(value, **changed) if changed else value  # type: ignore[type-var]  # only structs have parts


@cache
def _parts(kind: type) -> tuple[str, ...]:
    whole = {"explanation"} if kind is Plan else {"artifacts"} if kind is Migration else set()
    return tuple(name for name in kind.__struct_fields__ if name not in whole) if issubclass(kind, Struct) else ()


def _edges(plan: Plan) -> dict[str, Edge]:
    """The edges by id; none without a solution, as in the plan document."""
    return {} if plan.outcome == "unsolvable" else {edge.id: edge for edge in plan.edges}


def _why(plan: Plan, certain: Sequence[groups.Group], unverified: Sequence[groups.Group]) -> Section:
    blocks: list[Block] = []
    weighty = [group for group in (*certain, *unverified) if group.first.severity is not groups.LIGHTEST]
    items = [groups.summary(group) for group in weighty[:_WHY]]
    if len(weighty) > _WHY:
        items.append(f"and {plural(len(weighty) - _WHY, 'more group')} of findings, all listed below")
    if items:
        blocks.append(Bullets(tuple(items), words.why_label(plan)))
    blocks.append(Paragraph(words.tally(plan)))
    if plan.outcome == "unsolvable" and plan.explanation:
        blocks.append(Paragraph(f"Why, and what {words.engine(plan)} says:"))
        blocks.append(Lines("\n".join(clip(line) for line in plan.explanation.split("\n"))))
    blocks.append(Paragraph(steps.recommendation(plan)))
    return Section("verdict", "Verdict", tuple(blocks))


def _asked(plan: Plan) -> Section:
    target, host, request = plan.target, plan.host, plan.request
    pairs = [
        ("Request", words.command(plan)),
        ("Environment", f"{target.name} at {target.prefix}"),
        ("It holds", "nothing yet: it is not made" if words.not_yet_made(plan) else words.contents(target)),
        ("Installation", plan.root),
        ("Channels", words.channels(request)),
        ("Host", f"{host.subdir}; {words.virtual_packages(host)}; {words.gpu(host)}"),
        ("Host facts are", _SOURCES[host.source]),
    ]
    return Section("asked", "What was asked", (Facts(tuple(pairs)),))


def _breaks(
    plan: Plan, certain: Sequence[groups.Group], unverified: Sequence[groups.Group], *, pictures: bool
) -> Section:
    edges = _edges(plan)
    blocks: list[Block] = []
    if pictures:
        from planner.render import figures

        radius = figures.blast_radius(plan, certain, unverified, edges)
        blocks += [] if radius is None else [radius]
    if any(group.first.basis == "request" for group in certain):
        blocks.append(Paragraph(words.request_basis(plan)))
    for group in certain:
        blocks.extend(groups.blocks(group, edges))
    if not certain:
        blocks.append(Paragraph(words.nothing_found(plan)))
    if unverified:
        number = sum(len(group.findings) for group in unverified)
        verb = "is" if number == 1 else "are"
        blocks.append(
            Paragraph(
                f"{plural(number, 'more finding')} {verb} possible but not verified: see what could not be known.",
                "unknown",
            )
        )
    return Section("breaks", "What breaks, and what to watch", tuple(blocks))


def _changes(plan: Plan, *, pictures: bool) -> Section:
    heading = "What changes, and why"
    if plan.outcome == "unsolvable":
        return Section("changes", heading, (Paragraph("Nothing: a request without a solution changes nothing."),))
    if not plan.changes:
        return Section("changes", heading, (Paragraph("No package changes."), *_held_back(plan)))
    counts = Counter(change.action for change in plan.changes)
    told = ", ".join(f"{counts[action]} {_ACTIONS[action]}" for action in _ORDER if counts[action])
    ordered = sorted(plan.changes, key=lambda change: (not change.requested, _ORDER.index(change.action), change.name))
    again = _linked_again(ordered)
    rows = tuple(_change_row(change) for change in ordered if change not in again)
    blocks: list[Block] = [Paragraph(f"{plural(len(plan.changes), 'package change')}: {told}.")]
    asked = sum(change.requested for change in plan.changes)
    if asked:
        blocks.append(
            Paragraph(
                f"{plural(asked, 'package')} marked * someone asked for, now or earlier; "
                f"{'it comes' if asked == 1 else 'they come'} first."
            )
        )
    if rows:
        blocks.append(Table(("Package", "Before", "After", "Action", "Why"), rows, below=4))
    if again:
        names = ", ".join(f"{change.name} {_version(change)}" for change in again)
        blocks.append(Paragraph(f"{len(again)} more of the same build, {again[0].reason}: {names}."))
    if pictures:
        from planner.render import figures

        picture = figures.versions(plan, ordered)
        blocks[1:1] = [] if picture is None else [picture]
    return Section("changes", heading, (*blocks, *_held_back(plan)))


def _held_back(plan: Plan) -> tuple[Block, ...]:
    """What was meant to move and stays behind; a title only where there is any."""
    items = tuple(f"{item.name} {item.version}, while {item.newest} is there: {item.reason}" for item in plan.held_back)
    return (Bullets(items, "Held back behind the newest build that the request allows"),) if items else ()


def _linked_again(changes: Sequence[PackageChange]) -> tuple[PackageChange, ...]:
    """What nobody asked for and is linked again for one and the same reason: many names and one thing to know."""
    found = [change for change in changes if change.action == "relink" and not change.requested]
    same = len({change.reason for change in found}) == 1
    return tuple(found) if same and len(found) >= _LINKED_AGAIN else ()


def _version(change: PackageChange) -> str:
    return change.after.version if change.after else ""


def _change_row(change: PackageChange) -> tuple[str, ...]:
    moved = change.before is not None and change.after is not None and change.before.channel != change.after.channel
    return (
        f"{change.name} *" if change.requested else change.name,
        _build(change.before, moved=moved),
        _build(change.after, moved=moved),
        change.action,
        change.reason,
    )


def _build(record: PackageRecord | None, *, moved: bool) -> str:
    if record is None:
        return "absent"
    text = f"{record.version} {record.build}"
    return f"{text} ({words.channel_name(record.channel)})" if moved else text


def _untouched(plan: Plan) -> Section:
    blocks: list[Block] = []
    whole = [row for row in plan.environments if not row.affected and row.readable]
    if plan.outcome == "unsolvable":
        blocks.append(Paragraph("A request without a solution changes no environment."))
    blocks.extend(_environment(row, "is untouched") for row in whole)
    unread = [row for row in plan.environments if not row.readable and not row.affected]
    if unread:
        names = ", ".join(row.name for row in unread)
        blocks.append(Paragraph(f"Not fully readable, so listed under what could not be known: {names}.", "unknown"))
    if plan.changes and plan.target.packages and not words.not_yet_made(plan):
        moved = sum(change.before is not None for change in plan.changes)
        stay = max(plan.target.packages - moved, 0)
        blocks.append(
            Paragraph(
                f"In {plan.target.name} itself, {stay} of {plural(plan.target.packages, 'conda package')} "
                "are in none of the changes above."
            )
        )
    if not [row for row in plan.environments if row.prefix != plan.target.prefix]:
        blocks.append(Paragraph("No other environment of this installation was found."))
    affected = [row for row in plan.environments if row.affected]
    if affected:
        blocks.append(Heading("Environments that the change reaches"))
        blocks.extend(_environment(row, "is reached") for row in affected)
    return Section("untouched", "What stays untouched, and how we know", tuple(blocks))


def _environment(row: EnvironmentReport, word: str) -> Block:
    via = f" by {'finding' if len(row.via) == 1 else 'findings'} {words.ids(row.via)}" if row.via else ""
    return Bullets(row.evidence or ("no evidence is on record",), f"{row.name} ({row.prefix}) {word}{via}")


def _unknown(plan: Plan, unverified: Sequence[groups.Group]) -> Section:
    blocks: list[Block] = []
    edges = _edges(plan)
    for group in unverified:
        blocks.extend(groups.blocks(group, edges))
    for row in plan.environments:
        if not row.readable:
            new = row.prefix == plan.target.prefix and words.not_yet_made(plan)
            seen = "can be foreseen" if new else "could be read"
            blocks.append(Heading(f"{row.name} ({row.prefix}): not everything {seen}", "unknown"))
            blocks.append(Bullets(row.evidence))
            by_pip = plan.migration is not None and any(step.kind == "pip" for step in plan.migration.steps)
            found_out_new = _FIND_OUT_PIP if by_pip else _FIND_OUT_NEW
            blocks.append(Paragraph(found_out_new if new else _FIND_OUT))
    if plan.solver.fidelity == "approximate":
        blocks.append(Heading("The solve is approximate", "unknown"))
        blocks.append(Paragraph(words.approximate(plan)))
        blocks.append(
            Commands(
                "To find out, run on the installation itself (a dry run changes nothing)",
                words.dry_run(plan),
                steps.continuation(plan.host.subdir),
            )
        )
    if plan.host.source == "assumed":
        blocks.append(Heading("The host is assumed", "unknown"))
        blocks.append(Paragraph(words.assumed_host(plan)))
    if not blocks:
        blocks.append(
            Paragraph("Every input was read, the solver is the tool's own, and no rule reported missing evidence.")
        )
    return Section("unknown", "What could not be known, and how to find out", tuple(blocks))


def _before(plan: Plan) -> Section | None:
    found = groups.group(finding for finding in plan.findings if finding.pre_existing)
    if not found:
        return None
    edges = _edges(plan)
    blocks: list[Block] = [Paragraph("These are so today, whatever is decided; they do not count in the verdict.")]
    for group in found:
        blocks.extend(groups.blocks(group, edges))
    return Section("pre-existing", "What was already wrong before", tuple(blocks))


def _sign_off(plan: Plan) -> Section:
    blocks = (
        Paragraph(words.signed(plan)),
        Form(("Requested by", "Reviewed by", "Decision", "Date", "Change window", "Rollback owner")),
    )
    return Section("sign-off", "Sign-off", blocks)


def _made(plan: Plan) -> Section:
    solver = plan.solver
    print_ = plan.fingerprint
    pairs = (
        ("Planner", f"{plan.planner_version}, {plan.created}"),
        ("Solver", f"{solver.name} {solver.version}, {solver.mode}, {solver.fidelity}: {solver.reason}"),
        ("Target", print_.target),
        ("Host", print_.host),
        ("Request", print_.request),
        ("Repodata", print_.repodata),
    )
    return Section("made", "How this report was made", (Facts(pairs),))
