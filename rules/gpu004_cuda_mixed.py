"""GPU004 cuda-mixed: two majors of CUDA, or of cuDNN, meet in one environment.

What it checks:
    Conda's packages after the change and pip's distributions that python still sees (`nvidia-*-cu11`, `torch 2.1+cu118`,
    `cupy-cuda12x`): the majors of CUDA and of cuDNN that they bring or are built for.

Why it matters:
    Which library a process gets is decided by who loads first. pip's torch finds NVIDIA's wheels by its own path, conda's
    packages find `lib/`: two runtimes in one process, or the wrong cuDNN ("compiled against 8.3.2, found 8.0.3").

How it decides:
    By versions, build strings and names. More than one major after the change is a warning, one for CUDA and one for
    cuDNN. It was so before where the same majors had met already.

Evidence and limits:
    Read from records and names. That the two are ever loaded into one process is not claimed. Libraries that a wheel
    brings in itself (`torchvision.libs`) are not counted, nor are libraries outside the environment.

Example:
    pip's torch 2.0.1 with nvidia-cuda-runtime-cu11 stays while conda brings cuda-cudart 12.4.

What to do:
    Keep to one: let either pip or conda provide torch and its CUDA libraries, all for one CUDA major.

References:
    pytorch/pytorch#80637, pytorch/pytorch#90673, pytorch/pytorch#152783.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda import cudnn_of_dist, cudnn_of_record
from planner.cuda_drivers import numbers
from planner.model.plan import Severity
from planner.pip_after import seen_by
from planner.rule import Rule, finding
from planner.torch_builds import cuda_uses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.cuda import CudaUse
    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 2


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding for CUDA, and one for cuDNN."""
    if ctx.after is None:
        return
    before = _majors(ctx, ctx.environment.records, ctx.environment.python)
    after = _majors(ctx, ctx.after, ctx.planned_python)
    for what, majors in after.items():
        if len(majors) > 1:
            yield _finding(ctx, what, majors, was_so=majors.keys() <= before[what].keys())


def _majors(
    ctx: RuleContext, records: Iterable[PackageRecord], python: str | None
) -> dict[str, dict[str, list[CudaUse]]]:
    """For CUDA and for cuDNN, who brings or needs which major."""
    records, dists = tuple(records), seen_by(ctx.environment.pip_dists, python)
    linux = ctx.environment.subdir.startswith("linux-")
    cudnn = (*map(cudnn_of_record, records), *map(cudnn_of_dist, dists))
    found: dict[str, dict[str, list[CudaUse]]] = {"CUDA": {}, "cuDNN": {}}
    for use in cuda_uses(records, dists, ctx.facts, linux=linux):
        found["CUDA"].setdefault(use.major, []).append(use)
    for library in cudnn:
        if library is not None:
            found["cuDNN"].setdefault(library.major, []).append(library)
    return found


def _finding(ctx: RuleContext, what: str, majors: dict[str, list[CudaUse]], *, was_so: bool) -> Finding:
    ordered = sorted(majors.items(), key=lambda item: numbers(item[0]))
    told = "; ".join(f"{what} {number} by {_names(uses)}" for number, uses in ordered)
    return finding(
        ctx,
        "GPU004",
        Severity.WARN,
        f"env:{ctx.environment.name}",
        f"two majors of {what} meet in one environment: {told}",
        f"let either conda or pip provide torch and its CUDA libraries, all for one major of {what}",
        evidence=[use.evidence for _, uses in ordered for use in uses[:_SHOWN]],
        pre_existing=was_so,
    )


def _names(uses: list[CudaUse]) -> str:
    more = f" and {len(uses) - _SHOWN} more" if len(uses) > _SHOWN else ""
    return ", ".join(use.label for use in uses[:_SHOWN]) + more


RULE = Rule(
    id="GPU004",
    name="cuda-mixed",
    title="Two majors of CUDA or cuDNN meet in one environment",
    severity=Severity.WARN,
    check=check,
)
