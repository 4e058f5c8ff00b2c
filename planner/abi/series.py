"""Which versions of a library are one ABI series: where files are not at hand, this and the metadata must do.

The table is `rules/data/abi_series.toml`; every entry says where it was read and when. A library that is not in it has
no known series: then only what a package's own requirements say counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from planner.facts import known_facts
from planner.model.plan import Evidence
from planner.pyabi import split_spec
from planner.versions import compare, matches

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord

_BOUNDED = re.compile(r"<|==|(?:^|,)=?\d[^|]*$|\*$")


_PARTS = {"never": 0, "major": 1, "minor": 2, "patch": 3}


class Move(Struct, frozen=True):
    """What the table says of a library that goes from one version to another.

    `fate`: it stays in its series; it leaves it in name, so that what needs it does not load; or that is not known.
    """

    fate: Literal["stays", "leaves", "unknown"]
    evidence: Evidence


def move(before: PackageRecord, after: PackageRecord) -> Move | None:
    """What becomes of those built for `before`; None where the table has no such library.

    Within a series newer serves what was built for older; going back is not known to hold.
    """
    series = next(
        (
            entry
            for entry in known_facts().series
            if entry.package == before.name and (entry.below is None or compare(before.version, entry.below) < 0)
        ),
        None,
    )
    if series is None:
        return None
    depth = _PARTS[series.unit]
    unit = f"a series is one {series.unit} version" if depth else "newer versions serve what was built for older ones"
    evidence = Evidence(
        "catalogue",
        f"rules/data/abi_series.toml: {series.package}",
        f"{unit} ({known_facts().cited(series)})",
    )
    if _head(before.version, depth) != _head(after.version, depth):
        return Move("leaves" if series.renamed else "unknown", evidence)
    return Move("stays" if compare(after.version, before.version) >= 0 else "unknown", evidence)


def held_by_requirement(consumer: PackageRecord, after: PackageRecord) -> tuple[Evidence | None, str]:
    """The requirement of a build that names what it accepts of a library and is met, and its text; else None and "".

    A requirement without an upper bound states no range of ABIs: it holds nothing.
    """
    for line in consumer.depends:
        name, constraint = split_spec(line)
        if name != after.name:
            continue
        if _BOUNDED.search(constraint) and matches(line, after):
            return Evidence("metadata", f"conda-meta/{consumer.dist_name}.json", f"depends: {line}"), line
        return None, line
    return None, ""


def _head(version: str, depth: int) -> tuple[str, ...]:
    return tuple(re.split(r"[._-]", version.rpartition("!")[2])[:depth])
