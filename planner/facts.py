"""What is known of the field beyond any one installation: CUDA's drivers, torch's pairs, names on PyPI.

The facts are data, `rules/data/*.toml`: each row names its source and the day on which somebody read it there. They are
read once, checked strictly, and reach the rules through their context. What a table does not have is not known; nothing
here guesses.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 -- msgspec resolves the annotation when it decodes
from functools import lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any, Literal

import msgspec


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row: `source` is a name in `sources.toml` or the place itself, `checked` the day on which it was read there."""

    source: str
    checked: dt.date


class Toolkit(Fact, frozen=True):
    """A CUDA toolkit (X.Y) and the driver that came with its first release, on 64-bit x86 Linux."""

    cuda: str
    driver: str


class Family(Fact, frozen=True):
    """The driver on which builds for any toolkit of one CUDA major run."""

    major: str
    driver: str


class Floor(Fact, frozen=True):
    """The lowest compute capability that toolkits can make code for, from version `cuda` on.

    `last_driver` is the last branch (the first number) of drivers for the GPUs below it.
    """

    cuda: str
    lowest: str
    last_driver: str | None = None


class Soname(Fact, frozen=True):
    """What a library of one CUDA major is called."""

    cuda: str
    soname: str


class TorchBuild(Fact, frozen=True):
    """A build of torch; `torch` is a version, or X.Y for all its patches. Fields left out are not known.

    `cxx11_abi` says whether its C++ interface is that of C++11's ABI. `ptx` is the compute capability whose PTX newer
    devices can compile.
    """

    origin: str
    torch: str
    cuda: str | None = None
    cudnn: str | None = None
    cxx11_abi: bool | None = None
    architectures: tuple[str, ...] = ()
    ptx: str | None = None


class TorchPair(Fact, frozen=True):
    """The minors (X.Y) of torchvision and torchaudio that the PyTorch project released for one minor of torch."""

    torch: str
    torchvision: str
    torchaudio: str | None = None


class StableAudio(Fact, frozen=True):
    """From this minor of torchaudio on, one build serves its own and every later torch."""

    torchaudio: str


class TorchExtension(Fact, frozen=True):
    """A distribution (normalised name) whose compiled code is made against one torch."""

    dist: str


class ChannelEnd(Fact, frozen=True):
    """The last version of a package that a channel will ever have, and the pythons (X.Y) that version was made for."""

    channel: str
    package: str
    last: str
    pythons: tuple[str, ...] = ()


class Series(Fact, frozen=True):
    """How much of a version is one ABI series: `major`, `minor`, `patch`, or `never` where newer always serves older.

    `package` is conda's name. `renamed` says that the library's file name or its symbols' versions change with the
    series, so that nothing built for another loads; elsewhere the pin may be caution. `below` restricts an entry to
    lower versions. `source` is a feedstock's recipe, named in full.
    """

    package: str
    unit: Literal["major", "minor", "patch", "never"]
    renamed: bool = False
    below: str | None = None


class OpenmpCall(Fact, frozen=True):
    """A function of the OpenMP runtimes libiomp5 and libomp whose call registers the runtime in its process.

    Where the other one is registered, the call ends the process.
    """

    function: str


class Name(Fact, frozen=True):
    """A conda package and the distribution (normalised name) that it brings."""

    conda: str
    pypi: str


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All tables, each in the order of its file. `sources` gives the text behind a row's `source`."""

    toolkits: tuple[Toolkit, ...] = ()
    families: tuple[Family, ...] = ()
    floors: tuple[Floor, ...] = ()
    sonames: tuple[Soname, ...] = ()
    builds: tuple[TorchBuild, ...] = ()
    pairs: tuple[TorchPair, ...] = ()
    stable_audio: tuple[StableAudio, ...] = ()
    extensions: tuple[TorchExtension, ...] = ()
    ended: tuple[ChannelEnd, ...] = ()
    names: tuple[Name, ...] = ()
    series: tuple[Series, ...] = ()
    openmp: tuple[OpenmpCall, ...] = ()
    sources: dict[str, str] = {}

    def tables(self) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
        """Every table with its name."""
        return tuple((name, getattr(self, name)) for name in self.__struct_fields__ if name != "sources")

    def cited(self, row: Fact) -> str:
        """Where a row was read, and when, as evidence has it."""
        return f"{self.sources.get(row.source, row.source)}, read {row.checked.isoformat()}"


def known_facts() -> Facts:
    """The facts that the planner ships. Raises `msgspec.ValidationError` for a row that does not fit its table."""
    with _ONE_AT_A_TIME:
        return _facts()


# Two threads ask, and msgspec crashes where both make it look into the same types for the first time.
_ONE_AT_A_TIME = Lock()


@lru_cache(maxsize=1)
def _facts() -> Facts:
    merged: dict[str, Any] = {}
    for entry in sorted(files("rules").joinpath("data").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            content = msgspec.toml.decode(entry.read_bytes())
            merged |= {"sources": content} if entry.name == "sources.toml" else content
    return msgspec.convert(merged, Facts)


@lru_cache(maxsize=1)
def dist_names() -> dict[str, str]:
    """Conda's name -> the normalised name of the distribution it brings, where the two differ."""
    return {row.conda: row.pypi for row in known_facts().names}
