"""`--no-deps`, `--only-deps` and `--update-deps`: what a tool does to a solution before it is carried out.

conda and mamba solve as always and then leave a part of the answer out. The result may be an environment whose needs
are not met; that is what the options ask for, and what the rules then find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from planner.model.solve import Solution
from planner.versions import dependency_name, matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model.installed import PackageRecord
    from planner.solve.asked import Asked


def reduced(asked: Asked, solution: Solution) -> Solution:
    """The part of a solution that the options leave to be carried out."""
    after = {record.name: record for record in solution.records}
    if "--no-deps" in asked.request.options:
        chosen = _requested(asked, after)
        if asked.request.operation == "remove":
            return _of({name: record for name, record in asked.installed.items() if name not in asked.requested})
        return _of({**asked.installed, **chosen})
    if "--only-deps" in asked.request.options:
        return _of(_without(after, _leaves(asked, after), asked.installed))
    return solution


def with_dependencies(asked: Asked, solution: Solution) -> Asked | None:
    """The second question of `--update-deps`: the same request with all that it needs named; None without the option."""
    if asked.modifier != "update-deps" or "--no-deps" in asked.request.options:
        return None
    after = {record.name: record for record in solution.records}
    names: set[str] = set()
    open_names = [name for name in asked.requested if name in after]
    while open_names:
        needs = {dependency_name(spec) for spec in after[open_names.pop()].depends} & after.keys()
        open_names.extend(needs - names)
        names |= needs
    named = {name: name for name in sorted(names) if name not in asked.pins}
    if "python" in named:
        if asked.python_pin is None:
            named.pop("python")
        else:
            named["python"] = asked.python_pin
    specs = tuple((named | asked.requested).values())
    options = tuple(option for option in asked.request.options if option != "--update-deps")
    # conda runs the second solve as no command of its own, so that even an update may go back.
    request = replace(asked.request, operation="install", specs=specs, options=(*options, "--update-specs"))
    return replace(asked, request=request)


def _requested(asked: Asked, after: Mapping[str, PackageRecord]) -> dict[str, PackageRecord]:
    return {
        name: after[name]
        for name, spec in asked.requested.items()
        if name in after and (asked.request.tool == "mamba" or matches(spec, after[name]) is not False)
    }


def _leaves(asked: Asked, after: Mapping[str, PackageRecord]) -> set[str]:
    """What `--only-deps` leaves out: for mamba all that was asked for, for conda only what nothing else needs."""
    if asked.request.tool == "mamba":
        return set(asked.requested)
    needed = {dependency_name(spec) for record in after.values() for spec in record.depends}
    return {name for name in asked.requested if name not in needed}


def _without(
    after: Mapping[str, PackageRecord], names: set[str], installed: Mapping[str, PackageRecord]
) -> dict[str, PackageRecord]:
    kept = {name: record for name, record in after.items() if name not in names}
    return {**kept, **{name: installed[name] for name in names if name in installed}}


def _of(records: Mapping[str, PackageRecord]) -> Solution:
    return Solution(tuple(record for _, record in sorted(records.items())))
