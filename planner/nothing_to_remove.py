"""A removal of what conda has not installed: then there is nothing to do, and no new environment to propose either.

That the tool refuses it, or carries nothing out, is its simulation's to say. Here is what pip has under that name. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.dist_metadata import normalise
from planner.facts import dist_names
from planner.versions import matches, spec_name

if TYPE_CHECKING:
    from planner.model.installed import Environment
    from planner.model.solve import Request

# In the words of the refusal, by which a saved plan tells that there is nothing to do.
NOTHING_TO_REMOVE = "has nothing to remove"


def nothing_to_remove(environment: Environment, request: Request) -> bool:
    """Whether a removal is about nothing that is installed."""
    return request.operation == "remove" and len(_absent(environment, request)) == len(request.specs)


def pip_has(environment: Environment, request: Request) -> str:
    """What pip has of what a removal is about and conda has not, for the end of a sentence; empty where that is nothing."""
    if request.operation != "remove":
        return ""
    wanted = {dist_names().get(name, normalise(name)) for name in _absent(environment, request)}
    found = [dist for dist in environment.pip_dists if dist.name in wanted]
    told = ", ".join(f"{dist.name} {dist.version}" for dist in found)
    return f"; pip has {told} there, which pip uninstall removes" if found else ""


def _absent(environment: Environment, request: Request) -> tuple[str, ...]:
    """The names of the specs that nothing installed meets."""
    installed = {record.name: record for record in environment.records}
    return tuple(
        name
        for spec, name in ((spec, spec_name(spec)) for spec in request.specs)
        if name not in installed or matches(spec, installed[name]) is False
    )
