"""GPU002 driver-too-old: what is planned is built for a CUDA that the host's driver does not support.

What it checks:
    Every GPU package after the change, and every CUDA distribution of pip that python still sees: the CUDA it is built
    for, against the driver of the target host. What only builds (cuda-nvcc, headers) runs without one.

Why it matters:
    The installation succeeds and the GPU is gone: "CUDA driver version is insufficient for CUDA runtime version", or
    torch says that the NVIDIA driver is too old. A driver is updated by the machine's owner, not by conda.

How it decides:
    Builds for CUDA 13 need driver 580.65.06, for CUDA 12 525.60.13, for CUDA 11 450.80.02: within one major, a build for
    a newer toolkit runs on an older driver. Builds for CUDA 10 and older need the driver of their own toolkit. Where the
    driver is not known, `__cuda` (the newest CUDA it supports) is compared in the same way. One finding for each CUDA
    that the driver cannot run; it was so before where something installed already needs the same.

Evidence and limits:
    The CUDA of a package is read from its version, build string or requirements; the floors are facts with a source.
    With NVIDIA's forward compatibility package (cuda-compat) among the packages it is unverified: that works on some
    GPUs only. PTX of a newer toolkit than the driver's is not compiled by it: which builds have nothing else for a GPU is
    GPU003's. A host without any GPU is not this rule's.

Example:
    pytorch-cuda 12.4 is planned on a host with driver 470.82.01.

What to do:
    Choose a build for a CUDA that the driver supports, or have the driver updated first.

References:
    sgl-project/sglang#11395; pangeo-data/pangeo-docker-images#652; NVIDIA, CUDA Compatibility.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda_drivers import driver_family, lack, numbers
from planner.model.plan import Evidence, Severity
from planner.pip_after import seen_by
from planner.rule import Rule, finding
from planner.torch_builds import cuda_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.cuda import CudaUse
    from planner.cuda_drivers import Lack
    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each CUDA that the host's driver cannot run."""
    if ctx.after is None:
        return
    before = _families(ctx, ctx.environment.records, ctx.environment.python)
    after = _families(ctx, ctx.after, ctx.planned_python)
    for family, uses in sorted(after.items(), key=lambda item: numbers(item[0])):
        lacking = lack(family, ctx.host)
        if lacking is not None:
            yield _finding(ctx, family, uses, lacking, was_so=family in before)


def _families(ctx: RuleContext, records: Iterable[PackageRecord], python: str | None) -> dict[str, list[CudaUse]]:
    """Who is built for which CUDA, by what of its version decides over drivers."""
    families: dict[str, list[CudaUse]] = {}
    dists = seen_by(ctx.environment.pip_dists, python)
    for use in cuda_uses(records, dists, ctx.facts, linux=ctx.environment.subdir.startswith("linux-")):
        families.setdefault(driver_family(use.version), []).append(use)
    return families


def _finding(ctx: RuleContext, family: str, uses: list[CudaUse], lacking: Lack, *, was_so: bool) -> Finding:
    names = ", ".join(use.label for use in uses[:_SHOWN])
    more = f" and {len(uses) - _SHOWN} more" if len(uses) > _SHOWN else ""
    compat = ctx.after_record("cuda-compat")
    hedge = f"; {compat.label} helps on some GPUs only" if compat else ""
    evidence = [use.evidence for use in uses]
    if lacking.fact is not None:
        evidence.append(Evidence("catalogue", ctx.facts.cited(lacking.fact), f"CUDA {family}: {lacking.needs}"))
    return finding(
        ctx,
        "GPU002",
        Severity.BLOCK,
        "host:driver",
        f"CUDA {family} ({names}{more}) needs {lacking.needs}, and the host has {lacking.has}{hedge}",
        "choose builds for a CUDA that the host's driver supports, or have the driver updated before the change",
        certain=compat is None,
        evidence=evidence,
        pre_existing=was_so,
    )


RULE = Rule(
    id="GPU002",
    name="driver-too-old",
    title="What is planned is built for a CUDA that the host's driver does not support",
    severity=Severity.BLOCK,
    check=check,
)
