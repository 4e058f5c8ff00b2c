"""Which CUDA an NVIDIA driver supports, and which driver a CUDA build needs, on 64-bit x86 Linux.

`__cuda` is the newest CUDA version that the driver supports. Each driver branch came with a toolkit, so that is the
newest toolkit whose first release the driver is new enough for. From CUDA 11 on, builds for any toolkit of one major run
on the driver of that major's first releases; before, each toolkit needs its own. The tables are `rules/data/cuda.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from planner.errors import InputError
from planner.facts import known_facts

if TYPE_CHECKING:
    from planner.facts import Fact, Family, Toolkit
    from planner.model.installed import Host

_COMPATIBLE_SINCE = 11  # the first CUDA major whose toolkits share one driver


class Lack(Struct, frozen=True):
    """What a host's driver lacks for a CUDA build: what would be needed, what the host has, and the row that says so."""

    needs: str
    has: str
    fact: Fact | None = None


def cuda_of_driver(driver: str, subdir: str) -> str:
    """The newest CUDA known here that a driver supports. Raises `InputError` where that cannot be told."""
    if subdir != "linux-64":
        raise InputError(
            f"which CUDA the driver {driver} supports is known here for linux-64 only, not for {subdir}: give --cuda too"
        )
    toolkits = known_facts().toolkits
    supported = [row.cuda for row in toolkits if numbers(row.driver) <= numbers(driver)]
    if not supported:
        oldest = toolkits[0]
        raise InputError(
            f"the driver {driver} is older than any that is known here ({oldest.driver}, for CUDA {oldest.cuda}): "
            "give --cuda too"
        )
    return supported[-1]


def lack(cuda: str, host: Host) -> Lack | None:
    """What the host's driver lacks to run a build for CUDA `cuda` (X.Y, or X alone); None where nothing, or not known.

    A host that is known to have no GPU lacks no driver: what is built for CUDA does not run on one there at all.
    """
    wanted, supported = numbers(cuda), host.virtual("__cuda")
    if host.driver is not None and host.subdir == "linux-64":
        row = _floor(cuda)
        if row is not None:
            enough = numbers(row.driver) <= numbers(host.driver)
            return None if enough else Lack(f"driver {row.driver} or newer", f"driver {host.driver}", row)
    if supported is None:
        return None
    depth = 1 if wanted[0] >= _COMPATIBLE_SINCE else 2
    if wanted[:depth] <= numbers(supported)[:depth]:
        return None
    needed = ".".join(str(part) for part in wanted[:depth])
    return Lack(f"a driver for CUDA {needed}", f"one for CUDA {supported} at most (__cuda {supported})")


def driver_family(cuda: str) -> str:
    """What of a CUDA version decides over drivers: its major from CUDA 11 on, else major and minor."""
    wanted = numbers(cuda)
    return str(wanted[0]) if wanted[0] >= _COMPATIBLE_SINCE else cuda


def numbers(version: str) -> tuple[int, ...]:
    """A driver's or toolkit's version as numbers, to compare; parts that are none count as nought."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _floor(cuda: str) -> Family | Toolkit | None:
    """The row that says which driver a build for a CUDA version needs at least."""
    facts, wanted = known_facts(), numbers(cuda)
    if wanted[0] >= _COMPATIBLE_SINCE:
        return next((row for row in facts.families if numbers(row.major) == wanted[:1]), None)
    return next((row for row in facts.toolkits if numbers(row.cuda) == wanted[:2]), None)
