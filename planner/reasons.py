"""Why a package moved: the constraint that forced it, found by reading the records before and after.

Solvers do not say. Each reason is a sentence that can be checked against a `depends` line; where no constraint
explains a change, the reason says that it was the solver's choice and claims no more. Of packages that leave together
each names the one before it on the shortest way from what was asked, so that the reasons, read one after the other, lead
there. Nothing decides by these texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.origin import channel_name
from planner.versions import dependency_name, matches, minor, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.plan import PackageChange
    from planner.model.solve import Request

_HOST = "__"


def explain_changes(
    changes: Sequence[PackageChange],
    before: Sequence[PackageRecord],
    after: Sequence[PackageRecord],
    request: Request,
    *,
    kept_fresh: Iterable[str],
    candidates: Callable[[str], Sequence[PackageRecord]],
) -> tuple[PackageChange, ...]:
    """The same changes, each with its reason.

    `candidates` gives all builds of a name that the channels have; it is asked only for packages that leave.
    """
    asked = {spec_name(spec): spec for spec in request.specs}
    removing = request.operation == "remove"
    left = {record.name: record for record in before}
    present = {record.name: record for record in after}
    context = _Context(
        before=left,
        after=present,
        leaving=_ways([record for record in before if record.name not in present], present, asked if removing else ()),
        asked=asked,
        removing=removing,
        fresh=frozenset(kept_fresh),
        update_all=request.operation == "update-all",
        channels=request.channels if request.channel_priority != "disabled" else (),
        candidates=candidates,
    )
    return tuple(replace(change, reason=_reason(change, context)) for change in changes)


class _Context(Struct, frozen=True):
    """What the reasons are looked up in; `leaving` says of packages that leave through which line they do."""

    before: Mapping[str, PackageRecord]
    after: Mapping[str, PackageRecord]
    leaving: Mapping[str, str]
    asked: Mapping[str, str]
    removing: bool
    fresh: frozenset[str]
    update_all: bool
    channels: Sequence[str]
    candidates: Callable[[str], Sequence[PackageRecord]]


def _reason(change: PackageChange, context: _Context) -> str:
    if change.name in context.asked:
        verb = "removal asked for" if context.removing else "asked for"
        if change.after is not None or context.removing:
            return f"{verb}: {context.asked[change.name]}"
    if change.action == "relink":
        python = context.after.get("python")
        return f"noarch python package, linked again for python {minor(python.version)}" if python else "linked again"
    if change.before is None:
        return _needed_by(change.name, context.after) or "the solver's choice"
    if change.after is None:
        return _why_gone(change.before, context)
    return (
        _unmet(change.before, context.after)
        or _missing(change.before, context.after)
        or _demanded(change.before, context.after)
        or _preferred(change.before, change.after, context.channels)
        or _freshness(change.name, context)
    )


def _preferred(before: PackageRecord, after: PackageRecord, channels: Sequence[str]) -> str | None:
    """The order of channels, where the new build comes from one that goes before the old one's."""
    order = [channel_name(channel) for channel in channels]
    old, new = channel_name(before.channel or before.url), channel_name(after.channel or after.url)
    if old != new and old in order and new in order and order.index(new) < order.index(old):
        return f"the channel {new} goes before {old}, and has a build of it"
    return None


def _freshness(name: str, context: _Context) -> str:
    if context.update_all:
        return "everything was asked to be updated"
    if name in context.fresh:
        return "kept up to date by conda with every change"
    return "the solver's choice: no constraint forces it"


def _ways(
    leaving: Sequence[PackageRecord], after: Mapping[str, PackageRecord], asked: Collection[str]
) -> dict[str, str]:
    """For what leaves the requirement that it leaves for, breadth first from what is `asked` to go.

    Where nothing is, from what does not go with the packages after the change. What is only cleaned up is not among them.
    """
    ways: dict[str, str] = {}
    if not asked:
        ways = {record.name: unmet for record in leaving if (unmet := _unmet(record, after))}
    reached = {*asked, *ways}
    newest = reached
    while newest:
        found = {
            record.name: f"{record.label} requires {spec}, and {dependency_name(spec)} would not be there"
            for record in leaving
            if record.name not in reached
            and (spec := next((spec for spec in record.depends if dependency_name(spec) in newest), None))
        }
        ways |= found
        newest = set(found)
        reached |= newest
    return ways


def _unmet(record: PackageRecord, after: Mapping[str, PackageRecord]) -> str | None:
    """The first line of a record that the versions after the change do not meet."""
    # python first: a package that is bound to the old one leaves for that reason, whatever else leaves with it.
    for spec in sorted(record.depends, key=lambda text: dependency_name(text) != "python"):
        provider = after.get(dependency_name(spec))
        if provider is not None and matches(spec, provider) is False:
            return f"{record.label} requires {spec}, which {provider.name} {provider.version} does not meet"
    for spec in record.constrains:
        name = dependency_name(spec)
        provider = after.get(name) if name else None
        if provider is not None and matches(spec, provider) is False:
            return f"{record.label} excludes {provider.name} {provider.version} (constrains {spec})"
    return None


def _missing(record: PackageRecord, after: Mapping[str, PackageRecord]) -> str | None:
    """The first requirement of a record that nothing after the change has the name of."""
    for spec in record.depends:
        name = dependency_name(spec)
        if name and not name.startswith(_HOST) and name not in after:
            return f"{record.label} requires {spec}, and {name} would not be there"
    return None


def _demanded(record: PackageRecord, after: Mapping[str, PackageRecord]) -> str | None:
    """A record after the change that the old build would not have satisfied."""
    for other in after.values():
        for spec in (*other.depends, *other.constrains):
            if dependency_name(spec) == record.name and matches(spec, record) is False:
                return f"{other.label} requires {spec}"
    return None


def _needed_by(name: str, after: Mapping[str, PackageRecord]) -> str | None:
    for other in after.values():
        spec = next((spec for spec in other.depends if dependency_name(spec) == name), None)
        if spec is not None:
            return f"{other.label} requires {spec}"
    return None


def _why_gone(record: PackageRecord, context: _Context) -> str:
    violated = context.leaving.get(record.name)
    if violated is None:
        return _no_longer_needed(record, context) or "the solver's choice: no requirement of its own is broken"
    python = context.after.get("python")
    builds = context.candidates(record.name)
    if not builds:
        return f"{violated}; the channels have no build of {record.name}"
    if python is not None and not any(_fits_python(build, python) for build in builds):
        return f"{violated}; no build of {record.name} for python {minor(python.version)} in the channels"
    return violated


def _no_longer_needed(record: PackageRecord, context: _Context) -> str | None:
    """Both tools clean up behind what they move: what only that needed goes with it."""
    needed_by = [
        other for other in context.before.values() if record.name in {dependency_name(spec) for spec in other.depends}
    ]
    if not needed_by or _needed_by(record.name, context.after):
        return None
    whose = ", ".join(other.label for other in needed_by)
    return f"nothing that stays needs it any more; before, {whose} did"


def _fits_python(record: PackageRecord, python: PackageRecord) -> bool:
    specs = [spec for spec in record.depends if dependency_name(spec) == "python"]
    return all(matches(spec, python) is not False for spec in specs)
