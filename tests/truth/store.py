"""What the lab keeps between runs: packages, channels and truths, below one cache folder, keyed by what made them.

A change of the lab's own sources, of an interpreter or of the catalogue gives other keys, so nothing stale is ever
read. One process at a time builds; the others wait for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from tests.truth import catalogue, channel, cpython, libraries, standin, torchlike, wheels
from tests.truth.channel import Package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.truth.cpython import Interpreter

HERE = Path(__file__).parent
_TORCH = ("torchlike.py", "own_wheels.py", "clibs/torch/*")
# What the second channel holds: the same packages, of which the first may then be switched away from.
OTHER = {"labzip": ("2.0.0",), "labstdcxx": ("12.1.0",), "cuda-cudart": ("12.6.77",), "numpy": ("2.0.2", "2.1.3")}


@dataclass(frozen=True, slots=True)
class Materials:
    """What installations and cases are made from, and what could not be had on this machine."""

    pythons: dict[str, Interpreter]
    lab: str
    other: str
    wheel_folder: Path
    own_wheels: Path
    pip_wheels: tuple[wheels.Wheel, ...]
    package_cache: Path
    digest: str
    has_libraries: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Recipe:
    key: str
    make: Callable[[Path], Iterable[Package]]


def cache_folder() -> Path:
    """PLANNER_TRUTH_CACHE, else a folder of its own in the user's cache."""
    named = os.environ.get("PLANNER_TRUTH_CACHE")
    return Path(named or platformdirs.user_cache_dir("conda-upgrade-planner-truth")).absolute()


@contextmanager
def locked(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock of that name below the cache folder; waits for whoever holds it."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def materials(cache: Path, *, small: bool, say: Callable[[str], None]) -> Materials:
    """Build what is not in the cache yet. `small` is the part for continuous integration: two pythons, few dists."""
    with locked(cache, "materials"):
        pythons = cpython.find()
        if small:
            pythons = _two(pythons)
        if len(pythons) < 2:
            raise SystemExit(f"the truth lab needs two CPythons of {', '.join(cpython.WANTED)}; found: {list(pythons)}")
        missing = [f"python {minor}" for minor in cpython.WANTED if minor not in pythons and not small]
        say(f"interpreters: {', '.join(python.version for python in pythons.values())}")
        releases = [item for item in catalogue.RELEASES if not small or item.name in catalogue.SMALL]
        for_pip = [item for item in catalogue.FOR_PIP if not small or item.name in catalogue.SMALL]
        say(f"wheels of {len(releases) + len(for_pip)} releases")
        found, lacking = wheels.fetch(releases, list(pythons), cache / "wheels")
        extra, also_lacking = wheels.fetch(for_pip, list(pythons), cache / "wheels")
        runtimes, none = wheels.fetch([one.release for one in libraries.RUNTIMES], list(pythons), cache / "wheels")
        missing += lacking + also_lacking + none
        has_libraries = libraries.compiler() is not None and len(runtimes) == len(libraries.RUNTIMES)
        recipes = [*_recipes(pythons, found, runtimes if has_libraries else [])]
        if libraries.compiler() is None:
            missing.append("a C compiler: no libraries of the lab's own")
        if torchlike.compiler() is None:
            missing.append("a C++ compiler: no torch of the lab's own")
        archives = _built(recipes, cache, say)
        digest = text_digest([recipe.key for recipe in recipes], OTHER)
        lab = _channel(cache / "channels" / digest / "lab", archives)
        other = _channel(
            cache / "channels" / digest / "other",
            [item for item in archives if item[0].version in OTHER.get(item[0].name, ())],
        )
        return Materials(
            pythons,
            str(lab),
            str(other),
            cache / "wheels",
            _own_wheels(pythons, cache),
            (*found, *extra),
            cache / "pkgs",
            digest,
            has_libraries,
            tuple(missing),
        )


def text_digest(*values: Any) -> str:
    """A short digest of anything JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:20]


def source_digest(*names: str) -> str:
    """A digest of some of the lab's own sources."""
    found = hashlib.sha256()
    for name in names:
        for path in sorted(HERE.glob(name)):
            found.update(path.read_bytes())
    return found.hexdigest()[:20]


def _two(pythons: dict[str, Interpreter]) -> dict[str, Interpreter]:
    """3.10 and 3.11 where they are, else the two newest that are next to each other."""
    minors = [minor for minor in ("3.10", "3.11") if minor in pythons]
    minors = minors if len(minors) == 2 else list(pythons)[-2:]
    return {minor: pythons[minor] for minor in minors}


def _recipes(
    pythons: dict[str, Interpreter], found: list[wheels.Wheel], runtimes: list[wheels.Wheel]
) -> Iterator[_Recipe]:
    base = source_digest("channel.py", "elf.py", "cpython.py")
    yield _Recipe(text_digest("support", base), lambda _work: cpython.support())
    for interpreter in pythons.values():
        key = text_digest("python", interpreter.version, str(interpreter.prefix), base)
        yield _Recipe(key, lambda work, interpreter=interpreter: cpython.packages(interpreter, work))
    wheel_base = source_digest("wheels.py")
    for wheel in found:
        release = wheel.release
        key = text_digest("wheel", wheel.path.name, wheel.pythons, release.loose, release.also, base, wheel_base)
        yield _Recipe(key, lambda work, wheel=wheel: wheels.packages(wheel, pythons, work))
    program = libraries.compiler()
    if torchlike.compiler() is not None:
        key = text_digest(
            "torch", source_digest(*_TORCH), [interpreter.version for interpreter in pythons.values()], base
        )
        yield _Recipe(key, lambda work: torchlike.packages(pythons, work))
    if program is not None and runtimes:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        versions = [interpreter.version for interpreter in pythons.values()]
        yield _Recipe(
            text_digest("stand-in", source_digest("standin.py", "wheels.py"), list(pythons), base),
            lambda work: standin.packages(pythons, work),
        )
        key = text_digest("libraries", source_digest("libraries.py", "clibs/*.*"), versions, version, base)
        yield _Recipe(key, lambda work: libraries.packages(pythons, runtimes, work))


def _own_wheels(pythons: dict[str, Interpreter], cache: Path) -> Path:
    """The folder of the lab's own wheels; empty without a C++ compiler."""
    versions = [interpreter.version for interpreter in pythons.values()]
    folder = cache / "own-wheels" / text_digest(source_digest(*_TORCH), versions, torchlike.compiler())
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=cache / "work") as work:
            result = Path(work, "result")
            result.mkdir()
            if torchlike.compiler() is not None:
                torchlike.make_wheels(pythons, Path(work), result)
            folder.parent.mkdir(exist_ok=True)
            result.rename(folder)
    return folder


def _built(recipes: list[_Recipe], cache: Path, say: Callable[[str], None]) -> list[tuple[Package, Path]]:
    shutil.rmtree(cache / "work", ignore_errors=True)  # what a run that was cut short has left
    for name in ("packages", "work"):
        (cache / name).mkdir(exist_ok=True)
    waiting = [recipe for recipe in recipes if not (cache / "packages" / recipe.key).is_dir()]
    if waiting:
        say(f"packing {len(waiting)} of {len(recipes)} recipes")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda recipe: _build(recipe, cache), waiting))
    return [item for recipe in recipes for item in _read(cache / "packages" / recipe.key)]


def _build(recipe: _Recipe, cache: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache / "work") as work:
        result = Path(work, "result")
        result.mkdir()
        records = []
        for package in recipe.make(Path(work, "stage")):
            channel.pack(package, result / package.file_name)
            records.append(asdict(package) | {"folder": None})
        (result / "packages.json").write_text(json.dumps(records))
        result.rename(cache / "packages" / recipe.key)


def _read(folder: Path) -> list[tuple[Package, Path]]:
    found = []
    for record in json.loads((folder / "packages.json").read_text()):
        lists = {key: tuple(value) for key, value in record.items() if isinstance(value, list)}
        package = Package(**(record | lists))
        found.append((package, folder / package.file_name))
    return found


def _channel(folder: Path, archives: list[tuple[Package, Path]]) -> Path:
    if not (folder / "noarch" / "repodata.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        channel.link_into(folder, archives)
        channel.index(folder)
    return folder
