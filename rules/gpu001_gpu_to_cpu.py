"""GPU001 gpu-to-cpu: a GPU build is replaced by a CPU build.

What it checks:
    Every package that stays by name and changes its build: whether it was a GPU build and would be a CPU build.

Why it matters:
    The version may well be the same, the installation succeeds, and the program runs: on the CPU. `update --all` has
    replaced `pytorch ... cuda10.2` by a CPU build of the same version from another channel.

How it decides:
    By the build string (`cuda118_py311`, `py310_cu121`, `cpu_mkl_py311`), else by requirements: CUDA packages,
    `__cuda`, `pytorch-mutex 1.0 cuda` or `cpu`, `cpuonly`. What speaks for the cause is named: another channel, a host
    without `__cuda`, `cpuonly` or a mutex that chooses the CPU, a higher build number of the same version.

Evidence and limits:
    Read from records; no file is opened. Unverified: a well-known framework (pytorch, tensorflow, jaxlib and the like)
    whose new build shows neither. Packages that leave altogether are CHG001's.

Example:
    pytorch 2.0.1 py3.10_cuda11.8_cudnn8.7.0_0 becomes 2.0.1 cpu_py310h... of pkgs/main.

What to do:
    Ask for a GPU build (`pytorch=*=*cuda*`) and keep its channel; on a host without a GPU, say what the target has
    with --cuda VERSION.

References:
    ContinuumIO/anaconda-issues#12302, conda/conda#11855, conda/conda#14761, pytorch/pytorch#39619.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.flavour import FRAMEWORKS, SELECTORS, flavour, flavour_evidence, is_toolkit
from planner.model.plan import Evidence, Severity
from planner.origin import channel_name, switches_channel
from planner.pyabi import meta_path
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package that goes from GPU to CPU."""
    for change in ctx.changes:
        before, after = change.before, change.after
        if before is None or after is None or change.name in SELECTORS or is_toolkit(change.name):
            continue
        if flavour(before) != "gpu":
            continue
        now = flavour(after)
        if now == "cpu" or (now is None and change.name in FRAMEWORKS):
            yield _finding(ctx, before, after, certain=now == "cpu")


def _finding(ctx: RuleContext, before: PackageRecord, after: PackageRecord, *, certain: bool) -> Finding:
    causes = [text for text, _ in _causes(ctx, before, after)]
    what = "a CPU build" if certain else "a build that does not show whether it uses a GPU"
    because = "; ".join(causes) or "nothing in the records forces it"
    at = after.url or after.dist_name
    shown = [flavour_evidence(before, meta_path(before)), flavour_evidence(after, at)]
    evidence = [item for item in shown if item is not None]
    if not certain:
        evidence.append(Evidence("metadata", at, f"build: {after.build}, no CUDA package in depends"))
    evidence += [item for _, item in _causes(ctx, before, after)]
    return finding(
        ctx,
        "GPU001",
        Severity.BLOCK,
        f"conda:{before.name}",
        f"{before.label}, a GPU build, is replaced by {after.version} {after.build}, {what} ({because})",
        _remedy(ctx, before),
        certain=certain,
        evidence=evidence,
    )


def _causes(ctx: RuleContext, before: PackageRecord, after: PackageRecord) -> Iterator[tuple[str, Evidence]]:
    """What speaks for a cause: each a fact of the records or the host."""
    if switches_channel(before, after):
        old, new = (channel_name(record.channel or record.url) for record in (before, after))
        yield (
            f"it comes from {new} instead of {old}",
            Evidence("metadata", after.fn or after.dist_name, f"channel: {new}"),
        )
    if ctx.host.virtual("__cuda") is None:
        known = "the host has no __cuda" if ctx.host.gpu_known else "no __cuda was found or given for the host"
        yield known, Evidence("metadata", "host", "virtual packages without __cuda")
    if before.version == after.version and after.build_number > before.build_number:
        yield (
            f"its build number is higher, {after.build_number} over {before.build_number}",
            Evidence("metadata", after.url or after.dist_name, f"build_number: {after.build_number}"),
        )
    for name in ("cpuonly", "pytorch-cpu", "pytorch-mutex", "_pytorch_select", "_tflow_select", "_py-xgboost-mutex"):
        chosen, was = ctx.after_record(name), ctx.before_record(name)
        if chosen is None or (was is not None and was.same_build(chosen)):
            continue
        if name in {"cpuonly", "pytorch-cpu"} or flavour(chosen) == "cpu":
            yield (
                f"{chosen.label} chooses the CPU",
                Evidence("metadata", chosen.url or chosen.dist_name, "among the packages after the change"),
            )


def _remedy(ctx: RuleContext, before: PackageRecord) -> str:
    origin = channel_name(before.channel or before.url)
    token = next((token for token in ("cuda", "cu", "gpu") if token in before.build), None)
    spec = f"{origin}::{before.name}" if origin else before.name
    wanted = f"{spec}=*=*{token}*" if token else f"{spec}, with a GPU build"
    host = "" if ctx.host.virtual("__cuda") else ", and say what GPU the target has with --cuda VERSION"
    return f"ask for a GPU build in the same change ({wanted}){host}"


RULE = Rule(
    id="GPU001",
    name="gpu-to-cpu",
    title="A GPU build is replaced by a CPU build",
    severity=Severity.BLOCK,
    check=check,
)
