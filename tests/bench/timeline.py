"""The history that a generated channel tells: pythons, pinned libraries and packages with their releases, by day.

One timeline from 2017 to 2025, as conda-forge lived it: packages are released against the pythons and pins of their
day, a pin that moves and a python that appears have what is alive rebuilt, and packages depend on more popular ones
alone. So old and new builds fit together where the field's do, and an environment of any day has a solution. All draws
come from a seed and a name: the same on every machine, whatever the hash seed.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["library", "extension", "pure", "data"]

LAST = 3073  # days from 2017-01-01: 2025-06-01
EPOCH_MS = 1_483_228_800_000
DAY_MS = 86_400_000

# Minor, the day from which builds for it exist, and the day from which none is made any more.
PYTHONS = (
    ("3.6", 0, 1800),
    ("3.7", 570, 2390),
    ("3.8", 1060, 2850),
    ("3.9", 1400, LAST + 1),
    ("3.10", 1780, LAST + 1),
    ("3.11", 2140, LAST + 1),
    ("3.12", 2490, LAST + 1),
    ("3.13", 2860, LAST + 1),
)

# Libraries on whose ABI others are pinned, and how many days one ABI lives.
PINNED = (
    ("openssl", 900),
    ("icu", 420),
    ("libboost", 400),
    ("hdf5", 460),
    ("libcurl", 1200),
    ("libpng", 1500),
    ("libtiff", 800),
    ("libjpeg-turbo", 1300),
    ("libprotobuf", 240),
    ("libarrow", 150),
    ("re2", 330),
    ("libabseil", 240),
    ("libgdal", 200),
    ("libxml2", 900),
    ("krb5", 1400),
    ("fmt", 350),
    ("spdlog", 380),
    ("ffmpeg", 500),
    ("geos", 320),
    ("proj", 420),
)
CORE = ("libgcc", "libstdcxx", "zlib", "bzip2", "xz", "ncurses", "readline", "tk", "libsqlite", "libffi", "libuuid")
CUDA = (("11.8", 2110), ("12.1", 2290), ("12.4", 2670), ("12.6", 2800))
_CUDA_LIBRARIES = ("cuda-cudart", "libcublas", "libcufft", "cudnn", "nccl")


@dataclass(frozen=True, slots=True)
class Package:
    """One name. `releases` are (day, version), oldest first; `needs` are (first day, names), one entry an era."""

    name: str
    kind: Kind
    releases: tuple[tuple[int, str], ...]
    pins: tuple[str, ...] = ()
    needs: tuple[tuple[int, tuple[str, ...]], ...] = ()
    numpy: bool = False
    tended: bool = True  # rebuilt when a pin moves
    cuda: bool = False
    follows: str | None = None  # needs the release of that package of the same day

    def version_at(self, day: int) -> str:
        """The newest version of a day; before the first one, the first."""
        place = bisect_right(self.releases, (day, "~"))
        return self.releases[max(0, place - 1)][1]

    def needs_at(self, day: int) -> tuple[str, ...]:
        """The names that a build of that day depends on."""
        found: tuple[str, ...] = ()
        for first, names in self.needs:
            if first <= day:
                found = names
        return found


@lru_cache(maxsize=1 << 16)
def pin(package: Package, day: int) -> str:
    """The requirement on a pinned library, of a build made on that day."""
    major, small, _ = package.version_at(day).split(".")
    return f"{package.name} >={major}.{small}.0,<{major}.{int(small) + 1}.0a0"


def moves(package: Package) -> tuple[int, ...]:
    """The days on which the ABI of a pinned library moves."""
    days, last = [], None
    for day, version in package.releases:
        abi = version.rsplit(".", 1)[0]
        if last is not None and abi != last:
            days.append(day)
        last = abi
    return tuple(days)


def draw(seed: int, name: str) -> random.Random:
    """The draws of one name, which depend on nothing else."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 -- a benchmark's data, no secret


def core(seed: int) -> list[Package]:
    """What every channel has, however small: the families whose members must fit together."""
    found = [_steady(seed, name, 300) for name in CORE]
    found += [_abi(seed, name, every) for name, every in PINNED]
    found += [
        Package("ca-certificates", "data", _calendar(60)),
        Package("tzdata", "data", _calendar(120)),
        Package("python", "extension", _python_releases(), pins=("openssl",), needs=((0, _PYTHON_NEEDS),)),
        Package("python_abi", "extension", ((0, "3.0"),)),
        _steady(seed, "setuptools", 50, kind="pure"),
        _steady(seed, "wheel", 250, kind="pure"),
        _steady(seed, "pip", 70, kind="pure", needs=("setuptools", "wheel")),
        *(_steady(seed, name, 400, needs=("libgcc",)) for name in ("libgfortran", "libopenblas")),
        _steady(seed, "libblas", 400, needs=("libopenblas",)),
        Package("cuda-version", "data", tuple((day, version) for version, day in CUDA)),
        *(_steady(seed, name, 220, first=2110, needs=("libgcc", "cuda-version")) for name in _CUDA_LIBRARIES),
        _numpy(seed),
    ]
    torch = _steady(seed, "pytorch", 75, first=800, kind="extension", cuda=True, numpy=True, needs=_TORCH_NEEDS)
    found.append(torch)
    found += [
        Package(name, "extension", torch.releases, needs=((0, ("pytorch",)),), cuda=True, follows="pytorch")
        for name in ("torchvision", "torchaudio")
    ]
    return found


_PYTHON_NEEDS = (*CORE[1:], "libgcc", "tzdata", "ca-certificates")
_TORCH_NEEDS = ("libblas", "libstdcxx", "libgcc")


def drawn(seed: int, rank: int, expected: int, before: Sequence[Package], pinned: Sequence[Package]) -> Package:
    """The package of that rank among about `expected` names; it depends on packages of `before` alone."""
    dice = draw(seed, f"package {rank}")
    popularity = 1.0 - min(1.0, rank / max(1, expected))
    kind: Kind = "pure"
    if dice.random() < 0.36:
        kind = "extension" if dice.random() < 0.38 else "library"
    elif dice.random() < 0.06:
        kind = "data"
    first = 0 if popularity > 0.97 else int(dice.random() ** 1.4 * (LAST - 200))
    tended = popularity > 0.85 or dice.random() < 0.45
    last = LAST if tended else first + 100 + int(dice.random() * (LAST - first - 100))
    wanted = {"pure": 8.5, "data": 4.0, "library": 16.0, "extension": 7.5}[kind] * dice.lognormvariate(0, 0.85)
    wanted *= 0.8 + popularity
    days = sorted({dice.randint(first, last) for _ in range(min(190, max(1, round(wanted))))})
    name = _NAMES[kind].format(rank, dice.choice(_SYLLABLES) + dice.choice(_SYLLABLES))
    pins: tuple[str, ...] = ()
    if kind in {"library", "extension"}:
        number = min(len(pinned), int(dice.expovariate(1.1)))
        pins = tuple(sorted({pinned[int(dice.random() ** 1.5 * len(pinned))].name for _ in range(number)}))
    return Package(
        name,
        kind,
        _versions(dice, days),
        pins=pins,
        needs=_eras(dice, kind, before),
        numpy=kind == "extension" and dice.random() < 0.4,
        tended=tended,
    )


_NAMES: dict[Kind, str] = {"pure": "{1}-{0}", "data": "{1}-data-{0}", "library": "lib{1}{0}", "extension": "py{1}{0}"}
_SYLLABLES = tuple("ka mo ri ten sol va lu per dox ni mar qui zed ba fro gim hes yor jal wex".split())
_NEEDED = {"pure": 3.4, "data": 0.0, "library": 4.0, "extension": 4.5}
_FIT: dict[Kind, frozenset[Kind]] = {
    "pure": frozenset({"pure", "extension", "data"}),
    "extension": frozenset({"pure", "extension", "library"}),
    "library": frozenset({"library"}),
    "data": frozenset(),
}


def _eras(dice: random.Random, kind: Kind, before: Sequence[Package]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """What is needed, in up to three eras: some needs come and go."""
    number = min(30, round(dice.expovariate(1 / _NEEDED[kind]))) if _NEEDED[kind] else 0
    always = _some(dice, number, kind, before)
    eras = []
    for first in (0, 1300, 2300):
        extra = _some(dice, int(dice.random() * 1.6), kind, before)
        eras.append((first, tuple(sorted({*always, *extra}))))
    return tuple(eras)


def _some(dice: random.Random, number: int, kind: Kind, before: Sequence[Package]) -> list[str]:
    found: list[str] = []
    for _ in range(4 * number):  # most of what is drawn fits; what does not is drawn again
        package = before[int(dice.random() ** 4 * len(before))]
        if package.kind in _FIT[kind] and package.name not in {"python", "python_abi"} and not package.cuda:
            found.append(package.name)
        if len(found) == number:
            break
    return found


def _versions(dice: random.Random, days: Sequence[int]) -> tuple[tuple[int, str], ...]:
    major, small, patch = dice.choice((0, 0, 1, 2)), dice.randint(0, 5), 0
    found = []
    for day in days:
        found.append((day, f"{major}.{small}.{patch}"))
        step = dice.random()
        if step < 0.04:
            major, small, patch = major + 1, 0, 0
        elif step < 0.45:
            small, patch = small + 1, 0
        else:
            patch += 1
    return tuple(found)


def _steady(
    seed: int,
    name: str,
    every: int,
    *,
    first: int = 0,
    kind: Kind = "library",
    needs: tuple[str, ...] = (),
    cuda: bool = False,
    numpy: bool = False,
) -> Package:
    """A package that is released at even intervals and never goes stale."""
    dice = draw(seed, name)
    days = [first + step for step in range(0, LAST - first, every)]
    releases = tuple((day, f"{1 + n // 12}.{n % 12}.0") for n, day in enumerate(d + dice.randint(0, 9) for d in days))
    return Package(name, kind, releases, needs=((0, needs),), cuda=cuda, numpy=numpy)


def _abi(seed: int, name: str, every: int) -> Package:
    """A library that others are pinned to: its second number is its ABI, the third its patches."""
    dice = draw(seed, name)
    releases: list[tuple[int, str]] = []
    for small, start in enumerate(range(0, LAST, every)):
        patches = sorted({start, *(start + dice.randint(20, every - 10) for _ in range(3))})
        releases += [(day, f"1.{small}.{n}") for n, day in enumerate(patches)]
    return Package(name, "library", tuple(releases), needs=((0, ("libgcc", "libstdcxx", "zlib")),))


def _numpy(seed: int) -> Package:
    dice = draw(seed, "numpy")
    days = [day + dice.randint(0, 20) for day in range(0, LAST - 40, 75)]
    releases = tuple(
        (day, f"1.{11 + n // 3}.{n % 3}" if day < NUMPY_2 else f"2.{(day - NUMPY_2) // 180}.{n % 3}")
        for n, day in enumerate(days)
    )
    return Package("numpy", "extension", releases, needs=((0, ("libblas", "libgcc")),))


NUMPY_2 = 2720


def _python_releases() -> tuple[tuple[int, str], ...]:
    return tuple(
        sorted(
            (day, f"{minor}.{patch}")
            for minor, first, last in PYTHONS
            for patch, day in enumerate(range(first, min(last, LAST), 80))
        )
    )


def _calendar(days: int) -> tuple[tuple[int, str], ...]:
    return tuple((day, f"{2017 + day // 365}.{1 + day % 365 // days}.1") for day in range(0, LAST, days))
