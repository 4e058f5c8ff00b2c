"""Which of pip's distributions hold code that was compiled against one torch, and against which.

By the table of known ones, by Requires-Dist, or by the name of the wheel: `+pt23cu121`, `+cu122torch2.3cxx11abiFALSE`. Which
torch is in an environment is `planner.torch_builds`'s; what a library is linked to only its ELF object tells.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct

from planner.facts import known_facts
from planner.pip_requirements import requires

if TYPE_CHECKING:
    from planner.model.installed import PipDist

_PYG = re.compile(r"\+pt(\d)(\d+)(?:cu(\d{2})(\d)|(cpu))", re.IGNORECASE)
_TORCH = re.compile(r"\+(?:cu(\d{2})(\d)?)?torch(\d+)\.(\d+)(?:cxx11abi(true|false))?", re.IGNORECASE)
_ITSELF = frozenset({"torch", "functorch", "torchtriton", "triton"})


class MadeFor(Struct, frozen=True):
    """The torch (X.Y) that a wheel's own name says it was built for; CUDA and the C++ ABI where it says them."""

    torch: str
    text: str
    cuda: str | None = None
    cxx11_abi: bool | None = None


def made_for(dist: PipDist) -> MadeFor | None:
    """What the wheel's name says, by the version that stayed in the metadata or by the URL it was installed from."""
    for text in (dist.version, unquote(dist.direct_url.url) if dist.direct_url is not None else ""):
        pyg = _PYG.search(text)
        if pyg is not None:
            cuda = f"{pyg[3]}.{pyg[4]}" if pyg[3] else None
            return MadeFor(f"{pyg[1]}.{pyg[2]}", pyg[0].lstrip("+"), cuda)
        named = _TORCH.search(text)
        if named is not None:
            cuda = f"{named[1]}.{named[2]}" if named[2] else named[1]
            abi = named[5].lower() == "true" if named[5] else None
            return MadeFor(f"{named[3]}.{named[4]}", named[0].lstrip("+"), cuda, abi)
    return None


def is_torch(dist: PipDist) -> bool:
    """Whether a distribution is torch itself, or a part of it that is released with it."""
    return dist.name in _ITSELF


def bound_to_torch(dist: PipDist) -> bool:
    """Whether a distribution's compiled code is, or by its requirements may well be, made against one torch."""
    if is_torch(dist) or not dist.compiled:
        return False
    known = any(row.dist == dist.name for row in known_facts().extensions)
    return known or made_for(dist) is not None or requires(dist, "torch") is not None
