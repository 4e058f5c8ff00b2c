"""The questions that tests ask of whole installations: real ones, and one that is made from a seed, each with its channels.

Nothing of the machine is in them: no variable of its environment, a home and a cache of the test's own, and a host that
is written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from planner.question import Question
from tests.bench.installation import URL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.bench.world import World

HARVESTED = ("harvested/conda-forge", "harvested/pytorch", "pytorch-2023-10", "harvested/nvidia", "harvested/main")


def about_real(data: Path, installation: str, channels: Iterable[str], folder: Path, **more: Any) -> Question:
    """What is asked of an installation in the folder of real data, of whose channels nothing but these are read."""
    question = Question(
        root=str(data / "installations" / installation),
        channels=tuple(str(data / "channels" / name) for name in channels),
        cuda="12.4",
        **_apart(folder),
    )
    return replace(question, **more)


def about_made(world: World, folder: Path, **more: Any) -> Question:
    """The next python for the base of a made installation, as mamba is asked for it."""
    question = Question(
        specs=("python=3.11",),
        tool="mamba",
        root=str(world.root),
        channels=(URL,),
        mirrors=((URL, str(world.channel)),),
        cuda="12.6",
        **_apart(folder),
    )
    return replace(question, **more)


def _apart(folder: Path) -> dict[str, Any]:
    """What keeps a question apart from the machine; its home and cache are in the folder."""
    return {
        "override_channels": True,
        "offline": True,
        "glibc": "2.36",
        "environ": {},
        "home": str(folder),
        "cache_dir": str(folder / "cache"),
        "created": "2026-11-24T00:00:00Z",
    }
