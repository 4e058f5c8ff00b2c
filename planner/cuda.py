"""Which CUDA a conda build or a pip distribution is made for, as its name, version, build or requirements say.

Shared by the rules on drivers, architectures and mixed CUDA. No file is opened, and None means that nothing tells.
Whether a build is for a GPU at all is `planner.flavour`'s, what a driver supports `planner.cuda_drivers`'s.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.flavour import is_toolkit
from planner.model.plan import Evidence
from planner.versions import minor

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord, PipDist

# Packages of the toolkit whose own version is that of the toolkit.
_VERSIONED = re.compile(
    r"^(?:cuda|cuda-version|cuda-toolkit|cuda-libraries|cuda-runtime|cuda-cudart[a-z0-9_-]*|cudatoolkit|pytorch-cuda)$"
)
_IN_BUILD = re.compile(r"(?<![a-z0-9])(?:cuda|cu)_?(\d{1,2})(?:\.(\d{1,2})|(\d))?(?![0-9.])", re.IGNORECASE)
_BOUND = re.compile(r"(?:>=|==|=)?\s*(\d+)(?:\.(\d+))?")
# Of the toolkit's own packages, those that are loaded where a program runs; the rest build, describe or choose.
_RUNTIME = re.compile(
    r"^(?:cuda-(?:cudart|libraries|runtime|toolkit|nvrtc|cupti)|cudatoolkit|cudnn|cusparselt|cutensor|libcu|libnpp|libnv|nccl"
    r"|pytorch-cuda)(?!.*-(?:dev|static)(?:[_-]|$))"
)
_CUDNN = frozenset({"cudnn", "libcudnn"})
_PIP_CUDA = re.compile(r"-cu(?:da)?(\d{2})x?(?:-|$)")
_PIP_LOCAL = re.compile(r"(?:^|[^a-z])cu(\d{2})(\d)?(?![0-9])")
_PIP_RUNTIME = re.compile(r"^nvidia-cuda-runtime(?:-cu\d+)?$")
_PIP_CUDNN = re.compile(r"^nvidia-cudnn(?:-cu\d+)?$")


class CudaUse(Struct, frozen=True):
    """Who is made for which CUDA version (X.Y, or X alone), and what says so."""

    version: str
    label: str
    evidence: Evidence

    @property
    def major(self) -> str:
        """X of X.Y."""
        return self.version.split(".", maxsplit=1)[0]


def cuda_of_record(record: PackageRecord) -> CudaUse | None:
    """The CUDA a conda build is made for: its version where it is the toolkit, else its build, else what it requires."""
    found = _of_record(record)
    if found is None:
        return None
    where = record.url or record.dist_name
    return CudaUse(found[0], f"{record.name} {record.version}", Evidence("metadata", where, found[1]))


def is_run_time(record: PackageRecord) -> bool:
    """Whether a GPU package is one that programs run with: neither a tool of the toolkit's, nor a mere choice of version."""
    return not is_toolkit(record.name) or _RUNTIME.match(record.name) is not None


def cuda_of_dist(dist: PipDist) -> CudaUse | None:
    """The CUDA a pip distribution is made for: by a local version (`+cu121`), or by its name (`nvidia-...-cu12`)."""
    found = _of_dist(dist)
    if found is None:
        return None
    return CudaUse(found[0], pip_label(dist), Evidence("metadata", dist.metadata_path, found[1]))


def cudnn_of_record(record: PackageRecord) -> CudaUse | None:
    """The version of cuDNN that a conda package is; None for every other."""
    if record.name not in _CUDNN:
        return None
    where = record.url or record.dist_name
    return CudaUse(
        record.version, f"{record.name} {record.version}", Evidence("metadata", where, f"version: {record.version}")
    )


def cudnn_of_dist(dist: PipDist) -> CudaUse | None:
    """The version of cuDNN that a pip distribution is; None for every other."""
    if not _PIP_CUDNN.match(dist.name):
        return None
    return CudaUse(dist.version, pip_label(dist), Evidence("metadata", dist.metadata_path, f"version: {dist.version}"))


def pip_label(dist: PipDist) -> str:
    """A distribution of pip's, as people read it."""
    return f"{dist.display_name} {dist.version} (pip)"


def _of_record(record: PackageRecord) -> tuple[str, str] | None:
    if _VERSIONED.match(record.name):
        return minor(record.version), f"version: {record.version}"
    match = _IN_BUILD.search(record.build)
    if match is not None and not is_toolkit(record.name):
        return _version(match), f"build: {record.build}"
    for spec in record.depends:
        name, _, rest = spec.strip().partition(" ")
        bound = _BOUND.match(rest) if _VERSIONED.match(name) else None
        if bound is not None:
            return (f"{bound[1]}.{bound[2]}" if bound[2] else bound[1]), f"depends: {spec}"
    return None


def _of_dist(dist: PipDist) -> tuple[str, str] | None:
    if _PIP_RUNTIME.match(dist.name):
        return minor(dist.version), f"version: {dist.version}"
    local = _PIP_LOCAL.search(dist.version.partition("+")[2].lower())
    if local is not None:
        return (f"{local[1]}.{local[2]}" if local[2] else local[1]), f"version: {dist.version}"
    named = _PIP_CUDA.search(dist.name)
    return (named[1], f"name: {dist.name}") if named else None


def _version(match: re.Match[str]) -> str:
    """X.Y of a build: `cuda12.1`, `cuda126`, `cu118` and `cu92` have both parts, `cuda12` the major alone."""
    whole, after = match[1], match[2] or match[3]
    oldest = 60  # of two figures, 60 to 99 are those of CUDA 6 to 9
    if after is None and len(whole) > 1 and int(whole) >= oldest:
        return f"{whole[0]}.{whole[1]}"
    return f"{whole}.{after}" if after else whole
