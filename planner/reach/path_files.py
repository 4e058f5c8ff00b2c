"""Folders that python reads because a file in site-packages says so: `.pth` lines, `.egg-link`s and editable installs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model.installed import Environment, PipDist
    from planner.reach.notes import Notes, Prefixes

_SMALL = 256 * 1024  # bytes
_QUOTED = re.compile(r"""['"](/[^'"\n]+)['"]""")
_NOT_KNOWN = "which folders it adds is not known"


def path_files(sites: Iterable[tuple[str, str | None]], prefixes: Prefixes, notes: Notes) -> None:
    """What in site-packages folders leads into another environment than their holder, which each comes with."""
    for folder, holder in sites:
        for entry in notes.entries(folder, _NOT_KNOWN):
            finder = entry.name.startswith("__editable__") and entry.name.endswith(".py")
            if not finder and not entry.name.endswith((".pth", ".egg-link")):
                continue
            notes.looked[holder or "", "path files"] += 1
            text = notes.text(entry.path, _NOT_KNOWN, _SMALL) or ""
            notes.references += _file(entry.path, text, holder, prefixes, finder=finder)


def editables(environments: Iterable[Environment], prefixes: Prefixes, notes: Notes) -> None:
    """What pip installed in editable mode from a folder of another environment."""
    for environment in environments:
        for dist in environment.pip_dists:
            found = _editable(environment, dist, prefixes)
            if found is not None:
                notes.references.append(found)


def site_folders(environments: Iterable[Environment]) -> Iterator[tuple[str, str]]:
    """The site-packages folders of environments, each with its prefix."""
    for environment in environments:
        locations = {*environment.sites, *(dist.location for dist in environment.dists)}
        if environment.python is not None:
            locations.add(f"lib/python{'.'.join(environment.python.split('.')[:2])}/site-packages")
        for location in sorted(locations):
            yield os.path.join(environment.prefix, *location.split("/")), environment.prefix


def _file(path: str, text: str, holder: str | None, prefixes: Prefixes, *, finder: bool) -> Iterator[Reference]:
    for number, line in enumerate(text.splitlines(), start=1):
        if finder:
            named = [match[1] for match in _QUOTED.finditer(line)]
        else:
            # `import ...` lines are code: what they do is not known, and the paths in them are not read as folders.
            named = [] if line.startswith(("#", "import ", "import\t")) else [line.strip()]
        for name in named:
            found = prefixes.locate(name)
            if found is not None and found[0] != holder:
                yield Reference(
                    "editable" if finder or path.endswith(".egg-link") else "path-file",
                    path,
                    *found,
                    line.strip()[:500],
                    line=number,
                    holder=holder,
                    broken=not os.path.exists(name),
                )


def _editable(environment: Environment, dist: PipDist, prefixes: Prefixes) -> Reference | None:
    if dist.direct_url is None or not dist.direct_url.editable or not dist.direct_url.url.startswith("file://"):
        return None
    if dist.metadata_path.endswith(".egg-link"):
        return None  # a path file, and read as one
    found = prefixes.locate(dist.direct_url.url.removeprefix("file://"))
    if found is None or found[0] == environment.prefix:
        return None
    source = os.path.join(environment.prefix, *dist.metadata_path.split("/"), "direct_url.json")
    return Reference("editable", source, *found, f"editable from {dist.direct_url.url}", holder=environment.prefix)
