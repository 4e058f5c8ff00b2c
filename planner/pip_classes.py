"""What class of distribution pip installed, and what it takes to have it for another python.

Told from wheel tags, module names, RECORD, direct_url.json and Requires-Python; no index is asked, so whether a wheel for
the other python exists is never known here, only whether this very one would serve. Shared by the rules on pip.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from planner.model.installed import PipDist

# same: this version's wheel serves, install it again; wheel: needs another wheel, or building; rebuild: was built from
# source, and has to be again; source: from where it was installed; refused: this version does not want that python.
Renewal: TypeAlias = Literal["same", "wheel", "rebuild", "source", "refused"]

_PYTHON_TAG = re.compile(r"^(?:cp|pp|jy|ip)(\d)(\d+)$")
_MODULE_TAG = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[a-z]*(?:-[^/]*)?\.(?:so|pyd)$", re.IGNORECASE)
_PUBLISHED = re.compile(r"-(?:any|manylinux[a-z0-9_]*|musllinux[a-z0-9_]*|macosx[a-z0-9_]*|win[a-z0-9_]*)$")


def class_known(dist: PipDist) -> bool:
    """Whether anything tells a distribution's class: it has a RECORD or wheel tags, or it is editable."""
    return dist.files_known or bool(dist.tags) or dist.kind == "editable"


def bound_to(dist: PipDist) -> tuple[str, ...]:
    """The pythons (X.Y) that a dist's tags, or the names of its modules, bind it to; empty when they name none."""
    tagged = []
    for tag in dist.tags:
        python, _, rest = tag.partition("-")
        match = _PYTHON_TAG.match(python)
        if match and not rest.startswith(("none-", "abi3-")):
            tagged.append(f"{match[1]}.{match[2]}")
    named = [f"{match[1]}.{match[2]}" for path in dist.extensions if (match := _MODULE_TAG.search(path))]
    return tuple(sorted(set(tagged or named), key=number))


def abi3_floor(dist: PipDist) -> str | None:
    """The oldest python that an abi3 dist's tags promise (`3.8` of `cp38-abi3-...`)."""
    found = [
        f"{match[1]}.{match[2] or '0'}"
        for tag in dist.tags
        if "-abi3-" in tag and (match := re.match(r"^cp(\d)(\d*)$", tag.partition("-")[0]))
    ]
    return min(found, key=number, default=None)


def built_from_source(dist: PipDist) -> bool:
    """Whether a compiled dist was built where it is: its wheel is of no kind that an index publishes, or it has none."""
    if not dist.compiled or dist.kind == "editable":
        return False
    if dist.direct_url is not None and dist.direct_url.kind in {"dir", "vcs"}:
        return True
    if "+" in dist.version or dist.direct_url is not None:
        return False  # from an index or a file of its own, whose wheels need no published platform
    if not dist.tags:
        return dist.metadata_path.endswith(".egg-info")
    return not any(_PUBLISHED.search(tag) for tag in dist.tags)


def renewal(dist: PipDist, planned: str | None) -> Renewal:
    """What it takes to have this very version of a distribution for python `planned` (X.Y, or a whole version)."""
    if planned is not None and accepts(dist.requires_python, planned) is False:
        return "refused"
    if dist.kind in {"editable", "local"} or (dist.direct_url is not None and dist.direct_url.kind != "archive"):
        return "source"
    if built_from_source(dist):
        return "rebuild"
    if dist.kind == "abi3":
        floor = abi3_floor(dist)
        return "same" if planned and floor and number(floor) <= number(planned)[:2] else "wheel"
    if dist.kind == "tagged":
        return "same" if dist.tags and not bound_to(dist) else "wheel"
    return "same" if class_known(dist) else "wheel"


def accepts(requires_python: str | None, planned: str) -> bool | None:
    """Whether Requires-Python admits a python; None for one that cannot be read. X.Y alone is some release of it."""
    if not requires_python:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    release = planned if planned.count(".") > 1 else f"{planned}.99"
    try:
        return SpecifierSet(requires_python).contains(release, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def number(python: str) -> tuple[int, ...]:
    """A python's version as numbers, to compare."""
    return tuple(int(part) for part in python.split(".") if part.isdigit())
