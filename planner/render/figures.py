"""The pictures of a plan: what each shows, what it leaves out, and the words that stand for it.

Large graphs are reduced to what matters: findings come as the groups that the text has, links from what the findings'
own edges name, and whatever has no place is counted in the caption. Nothing is drawn that the plan does not hold: a
finding without an ABI edge hangs off the request itself, by a broken line.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from planner.render import groups, words
from planner.render.blocks import Figure
from planner.render.drawings import Bar, Bars, Box, Link, Move, Moves, Radius, Reached, Stop, Timeline
from planner.render.groups import plural, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.plan import Action, Edge, EnvironmentReport, Migration, PackageChange, Plan
    from planner.render.blocks import Tone

_SOURCES = 5  # changed packages that the blast radius names
_REACHED = 8  # groups of findings
_OTHERS = 6  # environments
_MOVES = 12  # packages before and after
_NAMES = 6  # names in the second line of a box
_MOVE_TONES: dict[Action, Tone] = {"remove": "bad", "downgrade": "warn", "channel": "warn", "install": "good"}


def blast_radius(
    plan: Plan, certain: Sequence[groups.Group], unverified: Sequence[groups.Group], edges: Mapping[str, Edge]
) -> Figure | None:
    """What the change reaches; None where it changes nothing and nothing is found."""
    weighty = [group for group in (*certain, *unverified) if group.first.severity is not groups.LIGHTEST]
    if not weighty and not plan.changes:
        return None
    providers = _providers(weighty[:_REACHED], edges)
    reached = tuple(_reached(group, providers, edges) for group in weighty[:_REACHED])
    others = [row for row in plan.environments if row.prefix != plan.target.prefix]
    # An environment that the change reaches, or that could not be read, is never the one left out.
    others.sort(key=lambda row: not row.affected and row.readable)
    drawing = Radius(
        frame=plan.target.name,
        label=_label(plan, reached),
        sources=(_request(plan), *(_source(plan, provider) for provider in providers)),
        reached=reached,
        others=tuple(_other(row) for row in others[:_OTHERS]),
    )
    left_out = _left_out(
        (len(weighty) - len(reached), "group of findings", "groups of findings"),
        (sum(len(group.findings) for group in certain) - _counted(certain), "note", "notes"),
        (
            _unnamed(plan, providers, weighty[:_REACHED]),
            "changed package that no finding here is about",
            "changed packages that no finding here is about",
        ),
        (len(others) - len(drawing.others), "other environment", "other environments"),
    )
    title = "The blast radius" if plan.outcome != "unsolvable" else "What the request would reach, if it were done"
    lines = {link.on_record for item in reached for link in item.links}
    caption = " ".join(part for part in (_legend(lines), left_out) if part)
    return Figure(title, _radius_text(drawing), drawing, caption)


def _legend(lines: set[bool]) -> str:
    """What the kinds of line mean that are there."""
    full = "A full line is an ABI edge on record" if True in lines else ""
    broken = "a broken line says only that it follows from the request" if False in lines else ""
    text = "; ".join(part for part in (full, broken) if part)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _label(plan: Plan, reached: Sequence[Reached]) -> str:
    if not reached:
        return "no finding hangs off it"
    return "what would break, if it were done" if plan.outcome == "unsolvable" else "what breaks, or needs a decision"


def _counted(some: Sequence[groups.Group]) -> int:
    return sum(len(group.findings) for group in some if group.first.severity is not groups.LIGHTEST)


def _left_out(*parts: tuple[int, str, str]) -> str:
    told = [f"{number} {one if number == 1 else many}" for number, one, many in parts if number > 0]
    return f"Left out here: {', '.join(told)}." if told else ""


def _unnamed(plan: Plan, providers: Sequence[str], shown: Sequence[groups.Group]) -> int:
    named = {finding.subject for group in shown for finding in group.findings}.union(providers)
    return sum(f"conda:{change.name}" not in named for change in plan.changes)


def _providers(some: Sequence[groups.Group], edges: Mapping[str, Edge]) -> tuple[str, ...]:
    """What the findings' edges lead to, the one with the most findings first."""
    count = Counter(
        edges[edge].provider
        for group in some
        for finding in group.findings
        for edge in finding.edge_ids
        if edge in edges
    )
    return tuple(provider for provider, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))[:_SOURCES])


def _request(plan: Plan) -> Box:
    if plan.outcome == "unsolvable":
        return Box(words.command(plan), "has no solution: nothing of this happens now", "bad")
    return Box(words.command(plan), plural(len(plan.changes), "package change"))


def _source(plan: Plan, provider: str) -> Box:
    name = groups.name_of(provider)
    change = next((change for change in plan.changes if provider == f"conda:{change.name}"), None)
    if change is None:
        return Box(name)
    before, after = _versions(change)
    return Box(name, f"{before} \u2192 {after}")


def _reached(group: groups.Group, providers: Sequence[str], edges: Mapping[str, Edge]) -> Reached:
    found = {
        edges[edge].provider for finding in group.findings for edge in finding.edge_ids if edge in edges
    }.intersection(providers)
    links = tuple(Link(index, on_record=True) for index, name in enumerate(providers, start=1) if name in found)
    several = len(group.findings) > 1
    detail = _names([groups.name_of(finding.subject) for finding in group.findings]) if several else ""
    tone: Tone = "unknown" if group.first.status == "unverified" else groups.tone(group)
    return Reached(Box(groups.heading(group), detail, tone), links or (Link(0, on_record=False),))


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"


def _other(row: EnvironmentReport) -> Box:
    if row.affected:
        return Box(row.name, "is reached", "bad")
    return Box(row.name, "untouched", "good") if row.readable else Box(row.name, "not fully readable", "unknown")


def _radius_text(drawing: Radius) -> str:
    sources = [box.title for box in drawing.sources]
    parts = [f"In {drawing.frame}: {_described(drawing.sources[0])}"]
    parts.extend(_described(box) for box in drawing.sources[1:])
    parts.extend(
        f"{item.box.title}, hanging off {' and '.join(sources[link.source] for link in item.links)}"
        for item in drawing.reached
    )
    if not drawing.reached:
        parts.append(drawing.label)
    parts.extend(f"other environment {_described(box)}" for box in drawing.others)
    return sentence("; ".join(parts))


def _described(box: Box) -> str:
    return f"{box.title} ({box.detail})" if box.detail else box.title


def versions(plan: Plan, ordered: Sequence[PackageChange]) -> Figure | None:
    """Before and after of the packages whose build changes, in the order that the table has; None without any."""
    moving = [change for change in ordered if change.action != "relink"]
    if not moving:
        return None
    rows = tuple(_move(change) for change in moving[:_MOVES])
    left_out = _left_out(
        (len(moving) - len(rows), "more package", "more packages"),
        (
            len(ordered) - len(moving),
            "package linked again, its build unchanged",
            "packages linked again, their builds unchanged",
        ),
    )
    text = "; ".join(f"{row.name}: {row.before} to {row.after}, {row.action}" for row in rows)
    return Figure(f"Before and after in {plan.target.name}", sentence(text), Moves(rows), left_out)


def _move(change: PackageChange) -> Move:
    before, after = _versions(change)
    return Move(change.name, before, after, change.action, _MOVE_TONES.get(change.action, "plain"))


def _versions(change: PackageChange) -> tuple[str, str]:
    """Version before and after; with builds, and channels, where the version alone shows no difference."""
    before, after = change.before, change.after
    if before is None or after is None or before.version != after.version:
        return _version(before), _version(after)
    if before.channel != after.channel and before.build == after.build:
        return (
            f"{before.version} {words.channel_name(before.channel)}",
            f"{after.version} {words.channel_name(after.channel)}",
        )
    return f"{before.version} {before.build}", f"{after.version} {after.build}"


def _version(record: PackageRecord | None) -> str:
    return "absent" if record is None else record.version


def timeline(migration: Migration) -> Figure:
    """The steps in their order, the sign-off before anything is moved over, and the way back."""
    stops = [
        Stop(
            str(number),
            step.title,
            "can be undone" if step.undo else "",
            "good" if step.kind == "verify-gpu" else "plain",
        )
        for number, step in enumerate(migration.steps, start=1)
    ]
    if migration.follow_up:
        stops.append(Stop("", "Sign-off", "only then:", "warn"))
        stops.extend(Stop(f"+{number}", step.title) for number, step in enumerate(migration.follow_up, start=1))
    back = tuple(step.title for step in migration.rollback)
    text = "; ".join(
        f"{f'{stop.number}. ' if stop.number else ''}{stop.title}{f' ({stop.detail})' if stop.detail else ''}"
        for stop in stops
    )
    if back:
        text += f"; the way back: {'; '.join(back)}"
    drawing = Timeline(tuple(stops), back)
    return Figure("The migration, step by step", sentence(text), drawing, "How long each step takes is not known.")


def sizes(migration: Migration, size: Mapping[str, str]) -> Figure:
    """Download and disk of the new environment; `size` has the texts of both."""
    bars = (
        Bar("Download", migration.download_bytes, size["download"]),
        Bar("On disk", migration.disk_bytes, size["disk"]),
    )
    text = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    return Figure("What the new environment takes", sentence(text), Bars(bars))
