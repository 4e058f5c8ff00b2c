"""A change to one environment of one installation, as someone would type it; and the changes written by hand.

The rest is drawn (`generator`). Cases that the present rules get wrong belong here like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.model import ChannelPriority, Operation, Tool


@dataclass(frozen=True, slots=True)
class Case:
    """`channels` are "lab" and "other", in order; `drawn` says that the generator made it."""

    installation: str
    environment: str
    specs: tuple[str, ...] = ()
    operation: Operation = "install"
    tool: Tool = "conda"
    channels: tuple[str, ...] = ("lab",)
    priority: ChannelPriority | None = None
    drawn: bool = False

    @property
    def title(self) -> str:
        """The command, with the environment it is about."""
        verb = {"install": "install", "update": "update", "remove": "remove", "update-all": "update --all"}
        channels = "" if self.channels == ("lab",) else "".join(f" -c {name}" for name in self.channels)
        priority = f" --channel-priority {self.priority}" if self.priority else ""
        words = [self.tool, verb[self.operation], "-n", self.environment, *self.specs]
        return f"{self.installation}: {' '.join(words)}{channels}{priority}"


def _install(installation: str, environment: str, *requests: str) -> list[Case]:
    return [Case(installation, environment, tuple(request.split())) for request in requests]


def _remove(installation: str, environment: str, *requests: str) -> list[Case]:
    return [Case(installation, environment, tuple(request.split()), "remove") for request in requests]


def _update(installation: str, environment: str, *requests: str) -> list[Case]:
    return [Case(installation, environment, tuple(request.split()), "update") for request in requests]


def _mamba(installation: str, environment: str, *requests: str) -> list[Case]:
    return [Case(installation, environment, tuple(request.split()), tool="mamba") for request in requests]


BY_HAND = (
    # A base that people work in, with what pip, virtualenvs, kernels and units add to it.
    *_install("workstation", "base", "python=3.11", "python=3.9", "numpy=2.0"),
    *_mamba("workstation", "base", "python=3.11", "python=3.13"),
    *_remove("workstation", "base", "psutil"),
    Case("workstation", "base", (), "update-all"),
    *_install("workstation", "ml", "python=3.11", "numpy=2.0", "pandas=2.2 numpy=2"),
    *_update("workstation", "ml", "numpy"),
    *_remove("workstation", "ml", "scipy", "numpy"),
    *_mamba("workstation", "ml", "python=3.12"),
    *_install("workstation", "web", "python=3.12", "markupsafe=3"),
    *_update("workstation", "web", "jinja2 markupsafe"),
    # CUDA look-alikes: a major version of the runtime moves under extensions of conda's, pip's and a user's.
    *_install("gpu", "train", "labcudart=12", "labgpu=2", "python=3.11"),
    *_update("gpu", "train", "labcudart"),
    *_remove("gpu", "train", "labgpu", "labcudart"),
    *_mamba("gpu", "train", "labcudart=12", "python=3.11"),
    Case("gpu", "train", ("labcudart",), "update", channels=("other", "lab")),
    *_install("gpu", "base", "python=3.12", "python=3.10", "labzip=2"),
    *_mamba("gpu", "base", "python=3.12", "python=3.10"),
    Case("gpu", "train", (), "update-all"),
    # Libraries that change within their SONAME, and records that say more or less than they need.
    *_install(
        "libraries", "calc", "labstdcxx=12", "labmoves=3.2", "labzip=1.6", "labzip=2", "labvariant==1.0.0=lite_0"
    ),
    *_install("libraries", "calc", "python=3.12", "labsafe=1.1", "labzip=1.5"),
    *_update("libraries", "calc", "labzip", "labmoves", "labstdcxx", "labgemm"),
    *_remove("libraries", "calc", "labzip", "labvariant", "labsafe"),
    Case("libraries", "calc", ("labstdcxx",), channels=("other", "lab"), priority="strict"),
    Case("libraries", "calc", ("labzip",), "update", channels=("other", "lab"), priority="strict"),
    Case("libraries", "calc", (), "update-all"),
    *_mamba("libraries", "calc", "labzip=2", "python=3.12"),
    *_install("libraries", "base", "python=3.12", "labzip=2"),
    # Binary distributions of size: arrow, lxml, cryptography; those tied to python by nothing in their records.
    *_install("data", "lake", "python=3.11", "numpy=2", "pyarrow=17", "pyarrow=17 numpy=2"),
    *_update("data", "lake", "numpy"),
    *_remove("data", "lake", "numpy", "pyarrow"),
    *_install("data", "loose", "python=3.11", "python=3.9"),
    *_mamba("data", "loose", "python=3.11"),
    Case("data", "loose", (), "update-all"),
    *_install("data", "base", "python=3.12", "pydantic-core"),
    # The same distribution from conda and from pip, editable installs, a user site.
    *_install("mixed", "base", "python=3.10", "python=3.12", "six"),
    *_install("mixed", "both", "numpy=2.0", "python=3.12", "pyyaml=6.0.2"),
    *_update("mixed", "both", "numpy", "pyyaml"),
    *_remove("mixed", "both", "numpy", "msgpack"),
    Case("mixed", "both", (), "update-all"),
    *_mamba("mixed", "both", "python=3.12", "numpy=2.1"),
    *_install("mixed", "fresh", "python=3.11", "click"),
    # The oldest and the newest python that there is.
    *_install("edges", "base", "python=3.10", "python=3.13"),
    *_mamba("edges", "base", "python=3.10", "python=3.11"),
    *_install("edges", "new", "python=3.12", "python=3.9", "markupsafe=3.0.2"),
    *_mamba("edges", "new", "python=3.12"),
    *_update("edges", "new", "greenlet"),
    # At most a handful: one import of all of torch takes a minute.
    *_install("torch", "net", "python=3.10", "numpy=2.0"),
    *_remove("torch", "net", "jinja2"),
)


def small(new: str) -> tuple[Case, ...]:
    """The part that continuous integration runs, on two pythons, of which `new` is the later."""
    return (
        *_install("small", "base", f"python={new}", "labzip=2", "labcudart=12"),
        *_install("small", "work", f"python={new}", "markupsafe=3"),
        *_remove("small", "work", "markupsafe"),
        *_install("small", "base", "labzip=1.6"),
        *_mamba("small", "work", f"python={new}"),
        *_update("small", "base", "labzip labtool"),
    )
