"""The user site: packages that every python X.Y of this user reads before its own, in whatever environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from planner.dists import read_dists
from planner.reference import UserSite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.installed import PipDist
    from planner.reach.notes import Notes, Places


def user_base(places: Places) -> str:
    """`~/.local`, or what PYTHONUSERBASE says."""
    base = places.environ.get("PYTHONUSERBASE", "")
    return base if os.path.isabs(base) else os.path.join(places.home, ".local")


def user_sites(places: Places, notes: Notes) -> tuple[UserSite, ...]:
    """Each user site that has distributions in it, by its python's X.Y; that of Windows has other folders, not read here."""
    base = user_base(places)
    dists, _, problems = read_dists(base, {})
    for problem in problems:
        notes.problem(problem.path, problem.what, problem.consequence)
    by_python: dict[str, list[PipDist]] = {}
    for dist in dists:
        if dist.python is not None:
            by_python.setdefault(dist.python.rstrip("t"), []).append(dist)
    return tuple(
        UserSite(python, os.path.join(base, *found[0].location.split("/")), tuple(found))
        for python, found in sorted(by_python.items())
    )


def user_site_folders(places: Places, notes: Notes) -> list[str]:
    """Each user site, whether or not it has distributions in it: a path file needs none."""
    lib = os.path.join(user_base(places), "lib")
    entries = notes.entries(lib, "which user sites there are is not known")
    return [os.path.join(entry.path, "site-packages") for entry in entries if entry.name.startswith("python")]


def switched_off(environ_sources: Iterable[tuple[str, str]]) -> str:
    """Where PYTHONNOUSERSITE is set, of pairs of place and value: then no python reads the user site."""
    return next((place for place, value in environ_sources if value), "")
