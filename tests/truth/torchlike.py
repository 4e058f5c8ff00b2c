"""A look-alike of torch and torchvision, as conda's packages and as wheels.

Of the real one only a CPU build of one release is small enough, where it is at hand at all. The look-alike has torch's
SONAMEs and layout (everything in `torch/lib`), C++ names of which some change with the minor release, and C names of the
stable ABI which stay. What users build against a torch is `torch_sources`'s.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.truth import own_wheels
from tests.truth.channel import Package
from tests.truth.libraries import SOURCES
from tests.truth.wheels import bounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.truth.cpython import Interpreter

HERE = SOURCES / "torch"
# Built for these alone where they are among the interpreters.
PYTHONS = frozenset({"3.10", "3.11"})


@dataclass(frozen=True, slots=True)
class Torch:
    """A release of torch, and the torchvision that goes with it."""

    version: str
    vision: str

    @property
    def number(self) -> str:
        """205 for 2.5.x."""
        major, minor, _ = self.version.split(".")
        return f"{major}{int(minor):02}"


RELEASES = (Torch("2.5.0", "0.20.0"), Torch("2.5.1", "0.20.1"), Torch("2.6.0", "0.21.0"))
_INIT = """from torch import _C

__version__ = {version!r}
if not _C.initialised():
    raise ImportError("torch is not initialised")
"""
# As torchvision does: a library that does not load is passed over, and what it should have registered is missing then.
_VISION = """import ctypes
import os

import torch

try:
    ctypes.CDLL(os.path.join(os.path.dirname(__file__), "_C.so"))
except OSError:
    raise RuntimeError("operator torchvision::nms does not exist") from None
"""


def compiler() -> str | None:
    """The C++ compiler; without one the lab has no torch at all."""
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


def packages(interpreters: dict[str, Interpreter], work: Path) -> Iterator[Package]:
    """conda's `pytorch`, for the CPU and one for CUDA, and its `torchvision`."""
    for torch in RELEASES:
        objects = _build(torch, _served(interpreters), work / "objects" / torch.version)
        for interpreter in _served(interpreters):
            site = f"lib/python{interpreter.minor}/site-packages"
            bound = bounds(interpreter.minor)
            for number, kind in enumerate(("cuda12.4_cudnn9.1.0", "cpu")):  # the CPU's is preferred where nobody asks
                folder = work / f"torch-{torch.version}-{interpreter.minor}-{kind}"
                _stage_torch(torch, interpreter, objects, folder / site, cuda=kind != "cpu")
                build = f"py{interpreter.minor}_{kind}_{number}"
                yield Package("pytorch", torch.version, build, bound, build_number=number, folder=folder)
            folder = work / f"torchvision-{torch.vision}-{interpreter.minor}"
            _stage_vision(torch, interpreter, objects, folder / site)
            needs = (*bound, f"pytorch =={torch.version}")
            yield Package("torchvision", torch.vision, f"py{interpreter.minor}_cpu", needs, folder=folder)


def make_wheels(interpreters: dict[str, Interpreter], work: Path, target: Path) -> None:
    """The same as wheels, into the folder `target`."""
    for torch in RELEASES:
        objects = _build(torch, _served(interpreters), work / "objects" / torch.version)
        for interpreter in _served(interpreters):
            for name, version, stage in (
                ("torch", torch.version, _stage_torch),
                ("torchvision", torch.vision, _stage_vision),
            ):
                folder = work / f"{name}-{version}-{interpreter.minor}"
                stage(torch, interpreter, objects, folder)
                own_wheels.pack(folder, name, version, _tag(interpreter), target)


def _served(interpreters: dict[str, Interpreter]) -> list[Interpreter]:
    minors = [minor for minor in interpreters if minor in PYTHONS] or list(interpreters)
    return [interpreters[minor] for minor in minors]


def _tag(interpreter: Interpreter) -> str:
    return f"{interpreter.tag}-{interpreter.tag}-linux_x86_64"


def _module(interpreter: Interpreter) -> str:
    return f"_C.cpython-{interpreter.tag[2:]}-x86_64-linux-gnu.so"


def _build(torch: Torch, interpreters: list[Interpreter], folder: Path) -> Path:
    """All objects of a release: its libraries, one libtorch_python and `_C` for each python, and torchvision's `_C`."""
    folder.mkdir(parents=True)
    for name in ("c10", "c10_cuda", "torch_cpu"):
        _compile(torch, HERE / f"{name}.cpp", folder / f"lib{name}.so", f"-Wl,-soname,lib{name}.so")
    libraries = (f"-L{folder}", "-Wl,--no-as-needed", "-ltorch_cpu", "-lc10")
    # Without a run path, as torchvision's: torch has been imported before it is opened.
    _compile(torch, HERE / "vision.cpp", folder / "vision.so", *libraries)
    for interpreter in interpreters:
        own = folder / interpreter.minor
        own.mkdir()
        source, include = HERE / "torch_python.cpp", f"-I{interpreter.include}"
        named = ("-Wl,-soname,libtorch_python.so", "-Wl,-rpath,$ORIGIN")
        _compile(torch, source, own / "libtorch_python.so", include, *named, *libraries)
        linked = (f"-L{own}", "-Wl,-rpath,$ORIGIN/lib", "-ltorch_python")
        _compile(torch, source, own / _module(interpreter), include, "-DLAB_MODULE", *linked)
    return folder


def _stage_torch(torch: Torch, interpreter: Interpreter, objects: Path, site: Path, *, cuda: bool = False) -> None:
    libraries = site / "torch" / "lib"
    libraries.mkdir(parents=True)
    own = objects / interpreter.minor
    for path in (objects / "libc10.so", objects / "libtorch_cpu.so", own / "libtorch_python.so"):
        shutil.copy2(path, libraries)
    if cuda:
        shutil.copy2(objects / "libc10_cuda.so", libraries)
    shutil.copy2(own / _module(interpreter), site / "torch")
    (site / "torch" / "__init__.py").write_text(_INIT.format(version=torch.version))
    own_wheels.write_metadata(site, "torch", torch.version, _tag(interpreter))


def _stage_vision(torch: Torch, interpreter: Interpreter, objects: Path, site: Path) -> None:
    package = site / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_VISION)
    shutil.copy2(objects / "vision.so", package / "_C.so")
    needs = f"torch (=={torch.version})"
    own_wheels.write_metadata(site, "torchvision", torch.vision, _tag(interpreter), needs)


def _compile(torch: Torch, source: Path, target: Path, *arguments: str) -> None:
    program = compiler()
    if program is None:
        raise RuntimeError("no C++ compiler")
    command = [program, "-O1", "-std=c++17", "-shared", "-fPIC", f"-DLAB_TORCH={torch.number}", str(source)]
    subprocess.run([*command, "-o", str(target), *arguments], check=True, capture_output=True)
