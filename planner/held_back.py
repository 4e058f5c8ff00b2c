"""Why a package that was meant to move did not move as far as the channels have it: the constraint that holds it back.

As with the reasons of changes, each sentence can be checked against a `depends` line, a pin or the order of channels.
Only what was asked to move is looked at: the names of the request, or everything where everything was to be updated.
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from planner.model.plan import HeldBack
from planner.origin import channel_name
from planner.versions import compare, dependency_name, matches, spec_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from planner.model.installed import PackageRecord
    from planner.solve.asked import Asked


def held_back(
    asked: Asked,
    after: Sequence[PackageRecord],
    candidates: Callable[[str], Sequence[PackageRecord]],
) -> tuple[HeldBack, ...]:
    """What stays behind the newest build that the request allows, by name, each with what holds it there.

    `candidates` are the channels' builds of a name.
    """
    if asked.request.operation == "remove":
        return ()
    present = {record.name: record for record in after}
    meant = present if asked.request.operation == "update-all" else asked.requested
    found = []
    for name in sorted(meant):
        record = present.get(name)
        if record is None:
            continue
        spec = asked.requested.get(name, name)
        newer = [
            build for build in candidates(name) if matches(spec, build) and compare(build.version, record.version) > 0
        ]
        if newer:
            newest = max(newer, key=cmp_to_key(_by_version))
            reasons = {build.dist_name: _holds(asked, build, record, present) for build in _of_version(newer, newest)}
            # Of several builds of one version each may be held by something else; the first that is known is told.
            reason = next((text for text in reasons.values() if text), None)
            found.append(HeldBack(name, record.version, newest.version, reason or _UNKNOWN))
    return tuple(found)


_UNKNOWN = "the solver's choice: no requirement, pin or channel order that was read explains it"


def _by_version(left: PackageRecord, right: PackageRecord) -> int:
    return compare(left.version, right.version)


def _of_version(builds: Sequence[PackageRecord], newest: PackageRecord) -> list[PackageRecord]:
    return [build for build in builds if compare(build.version, newest.version) == 0]


def _holds(
    asked: Asked, newest: PackageRecord, record: PackageRecord, after: Mapping[str, PackageRecord]
) -> str | None:
    """What excludes `newest` beside the records after the change; None when nothing that can be read does."""
    pins = (*asked.pins.values(), *([asked.python_pin] if asked.python_pin and "python" not in asked.requested else []))
    for pin in pins:
        if spec_name(pin) == newest.name and matches(pin, newest) is False:
            return f"the pin {pin}"
    for other in after.values():
        for spec in (*other.depends, *other.constrains):
            if other.name != newest.name and dependency_name(spec) == newest.name and matches(spec, newest) is False:
                return f"{other.label} requires {spec}"
    for spec in newest.depends:
        provider = after.get(dependency_name(spec))
        if provider is not None and matches(spec, provider) is False:
            return f"{newest.label} requires {spec}, and {provider.name} stays at {provider.version}"
    return _by_channel(asked, newest, record)


def _by_channel(asked: Asked, newest: PackageRecord, record: PackageRecord) -> str | None:
    if asked.request.channel_priority == "disabled":
        return None
    order = [channel_name(channel) for channel in asked.request.channels]
    theirs, ours = channel_name(newest.channel), channel_name(record.channel)
    if theirs in order and ours in order and order.index(ours) < order.index(theirs):
        return f"the channel {ours} goes before {theirs}, which has it"
    return None
