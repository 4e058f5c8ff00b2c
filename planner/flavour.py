"""GPU build or CPU build: told from a record's build string and requirements, never from its files.

Shared by the GPU rules and by the search for a new environment, which must keep a GPU build. It says None where a
record shows neither: many packages have one build for both, or none for a GPU. Driver versions and architectures are
other rules' business.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord
    from planner.model.plan import Evidence

Flavour: TypeAlias = Literal["gpu", "cpu"]

# Packages whose users care which of the two they get, whatever else a build may depend on.
FRAMEWORKS = frozenset(
    {
        "cupy",
        "faiss",
        "jaxlib",
        "libfaiss",
        "libtensorflow",
        "libtensorflow_cc",
        "libtorch",
        "libxgboost",
        "lightgbm",
        "onnxruntime",
        "py-xgboost",
        "pytorch",
        "pytorch-gpu",
        "tensorflow",
        "tensorflow-base",
        "tensorflow-gpu",
        "torchaudio",
        "torchvision",
        "xgboost",
    }
)

# Metapackages that choose a flavour for others: a reason for a change, not its victim.
SELECTORS = frozenset(
    {
        "_mutex_mxnet",
        "_py-xgboost-mutex",
        "_pytorch_select",
        "_tflow_select",
        "cpuonly",
        "cuda-version",
        "pytorch-cpu",
        "pytorch-cuda",
        "pytorch-mutex",
    }
)

_MUTEXES = frozenset({"_mutex_mxnet", "_py-xgboost-mutex", "_pytorch_select", "_tflow_select", "pytorch-mutex"})
_TOOLKIT = re.compile(
    r"^(?:cuda|cuda-.+|cudatoolkit(?:-dev)?|cudnn|cusparselt|cutensor|nccl"
    r"|libcu(?:blas|dnn|dss|fft|file|rand|solver|sparse)[a-z0-9_-]*|libnpp[a-z0-9_-]*|libnv(?:fatbin|jitlink|jpeg|ptxcompiler|shmem)[a-z0-9_-]*)$"
)
# A build string's hash is hexadecimal, so none of these letters can come from one.
_CPU_BUILD = re.compile(r"cpu|no_?cuda|cuda_?none|cuda0\.0", re.IGNORECASE)
_GPU_BUILD = re.compile(r"cuda|cu\d{2,3}|gpu|rocm", re.IGNORECASE)
_TENSORFLOW_CPU = re.compile(r"^(?:mkl|eigen)(?:_|$)")


def is_toolkit(name: str) -> bool:
    """Whether a package is part of the CUDA toolkit itself, or chooses a version of it."""
    return _TOOLKIT.match(name) is not None or name == "pytorch-cuda"


def flavour(record: PackageRecord) -> Flavour | None:
    """What a record shows itself to be; None when it shows neither."""
    found = _found(record)
    return found[0] if found else None


def flavour_evidence(record: PackageRecord, where: str) -> Evidence | None:
    """What in the record tells its flavour, for a reader to check at `where`; None when nothing does."""
    from planner.model.plan import Evidence

    found = _found(record)
    return Evidence("metadata", where, found[1]) if found else None


def _found(record: PackageRecord) -> tuple[Flavour, str] | None:
    return _shown(record.name, record.build, record.depends)


@lru_cache(maxsize=16_384)  # several rules ask of the same records
def _shown(name: str, build: str, depends: tuple[str, ...]) -> tuple[Flavour, str] | None:
    if is_toolkit(name):
        return "gpu", f"name: {name}"
    by_build = _by_build(build)
    if by_build is not None:
        return by_build, f"build: {build}"
    if name.startswith("tensorflow") and _TENSORFLOW_CPU.match(build):
        return "cpu", f"build: {build}"
    verdicts = [(_by_dependency(spec), spec) for spec in depends]
    for wanted in ("cpu", "gpu"):
        spec = next((spec for seen, spec in verdicts if seen == wanted), None)
        if spec is not None:
            return ("cpu" if wanted == "cpu" else "gpu"), f"depends: {spec}"
    return None


def _by_build(build: str) -> Flavour | None:
    if _CPU_BUILD.search(build):
        return "cpu"
    return "gpu" if _GPU_BUILD.search(build) else None


def _by_dependency(spec: str) -> Flavour | None:
    """What one `depends` line tells: a selector with its build, or the toolkit's own packages."""
    name, _, rest = spec.strip().partition(" ")
    build = rest.split()[1] if len(rest.split()) > 1 else ""
    if name == "cpuonly":
        return "cpu"
    if name in _MUTEXES:
        return _by_build(build) or ("cpu" if _TENSORFLOW_CPU.match(build) else None)
    if name == "__cuda" or is_toolkit(name):
        return "gpu"
    return _by_build(build) if name in FRAMEWORKS else None
