"""The builds of torch in an environment: from pip, from the pytorch channel or from conda-forge, and what each is made for.

Told from records and distributions, and from the table of builds that were looked into (`rules/data/torch.toml`). A
property that neither tells is None. What rests on a torch is `planner.torch_extensions`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from planner.cuda import CudaUse, cuda_of_dist, cuda_of_record, is_run_time, pip_label
from planner.flavour import flavour
from planner.model.plan import Evidence
from planner.origin import channel_name
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from planner.facts import Facts, TorchBuild
    from planner.flavour import Flavour
    from planner.model.installed import PackageRecord, PipDist


class Torch(Struct, frozen=True):
    """One torch: `origin` is "pypi" or its channel, `subject` who stands for it, `cuda` X.Y (None: CPU, or not known).

    `row` is the row of the table that speaks of it; None where none does.
    """

    version: str
    origin: str
    subject: str
    label: str
    flavour: Flavour | None
    cuda: str | None = None
    cxx11_abi: bool | None = None
    row: TorchBuild | None = None

    @property
    def minor(self) -> str:
        """X.Y of its version, without `+cu121`."""
        return minor(self.version.partition("+")[0])


def torches(
    records: Iterable[PackageRecord], dists: Iterable[PipDist], facts: Facts, *, linux: bool
) -> tuple[Torch, ...]:
    """Every torch among records and pip's dists, conda's first. `linux`: whether PyPI's wheels would be those for CUDA."""
    conda = [conda_torch(record, facts) for record in records if record.name == "pytorch"]
    pip = [pip_torch(dist, facts, linux=linux) for dist in dists if dist.owner is None and dist.name == "torch"]
    return (*conda, *pip)


def cuda_uses(
    records: Iterable[PackageRecord], dists: Iterable[PipDist], facts: Facts, *, linux: bool
) -> Iterator[CudaUse]:
    """What among records and pip's dists runs with a CUDA, PyPI's own torch by the table of its builds."""
    dists = tuple(dists)
    for record in records:
        use = cuda_of_record(record) if flavour(record) == "gpu" and is_run_time(record) else None
        if use is not None:
            yield use
    yield from (use for use in map(cuda_of_dist, dists) if use is not None)
    for torch in torches((), dists, facts, linux=linux):
        if torch.cuda is not None and torch.row is not None:
            what = f"torch {torch.row.torch} of PyPI: CUDA {torch.row.cuda}"
            yield CudaUse(torch.cuda, torch.label, Evidence("catalogue", facts.cited(torch.row), what))


def conda_torch(record: PackageRecord, facts: Facts) -> Torch:
    """The torch that a record of conda's `pytorch` is."""
    origin = channel_name(record.channel or record.url)
    use = cuda_of_record(record)
    kind = flavour(record)
    cuda = use.version if use and kind == "gpu" else None
    row = _row([row for row in facts.builds if row.origin == origin and row.cuda in {None, cuda}], record.version)
    abi = row.cxx11_abi if row else None
    return Torch(
        record.version, origin, "conda:pytorch", f"pytorch {record.version} {record.build}", kind, cuda, abi, row
    )


def pip_torch(dist: PipDist, facts: Facts, *, linux: bool) -> Torch:
    """The torch that pip installed. Without a local version it is PyPI's own, which is for CUDA on Linux alone."""
    local = dist.version.partition("+")[2]
    label = pip_label(dist)
    if local:
        use = cuda_of_dist(dist)
        kind: Flavour | None = "gpu" if use or local.startswith("rocm") else "cpu" if local.startswith("cpu") else None
        return Torch(dist.version, "pypi", "pip:torch", label, kind, use.version if use else None)
    row = _row([row for row in facts.builds if row.origin == "pypi"], dist.version) if linux else None
    if row is None or dist.direct_url is not None:
        return Torch(dist.version, "pypi", "pip:torch", label, None)
    return Torch(dist.version, "pypi", "pip:torch", label, "gpu", row.cuda, row.cxx11_abi, row)


def _row(rows: Sequence[TorchBuild], version: str) -> TorchBuild | None:
    """The row of a version, else one of its minor."""
    exact = next((row for row in rows if row.torch == version), None)
    return exact or next((row for row in rows if minor(row.torch) == minor(version)), None)
