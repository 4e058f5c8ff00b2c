"""GPU003 arch-dropped: a planned build has no code for the host's GPU.

What it checks:
    Every GPU package that the change installs or replaces: whether builds for its CUDA, and for torch its very build, can
    have code for the compute capabilities of the target host.

Why it matters:
    The installation succeeds, `torch.cuda.is_available()` says true, and the first kernel fails with "no kernel image
    is available for execution on the device". CUDA 13 cannot make code for Maxwell, Pascal and Volta at all.

How it decides:
    A build for a CUDA whose toolkit makes no code below a compute capability has none for a GPU below it. Where the
    architectures of a torch build are on record, the GPU needs machine code of its own major and at most its own minor,
    or PTX of at most its own compute capability, which the driver can compile only if it supports the build's own CUDA.
    It blocks.

Evidence and limits:
    The host's compute capabilities come from a host file (`planner host --save`) or a plan. Without them, a change that
    gives up GPUs which the installed build served is a warning, unverified. So is a torch build for CUDA whose
    architectures are not on record. Machine code inside of packages is not read.

Example:
    pytorch 2.10 for CUDA 13.0 is planned on a host with a V100 (compute capability 7.0).

What to do:
    Choose a build for an older CUDA (`pytorch=*=cuda126*`), or keep this environment for that GPU.

References:
    pytorch/pytorch#158700; Comfy-Org/ComfyUI#16438; llvm/llvm-project@0f49116.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda import cuda_of_record
from planner.cuda_drivers import numbers
from planner.flavour import flavour, is_toolkit
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding
from planner.torch_builds import conda_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.facts import TorchBuild
    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding for each planned GPU package."""
    for change in ctx.changes:
        before, after = change.before, change.after
        if after is None or change.action == "relink" or flavour(after) != "gpu" or is_toolkit(after.name):
            continue
        if ctx.host.compute_capabilities is None:
            yield from _given_up(ctx, before, after)
        else:
            yield from _judged(ctx, before, after, ctx.host.compute_capabilities)


def _judged(
    ctx: RuleContext, before: PackageRecord | None, after: PackageRecord, capabilities: tuple[str, ...]
) -> Iterator[Finding]:
    row = _row(ctx, after)
    for capability in capabilities:
        found = _floor(ctx, after, capability) or _listed(ctx, row, capability)
        if found is not None:
            why, evidence = found
            message = f"{after.label} {why}, and the host has a GPU of compute capability {capability}"
            was_so = before is not None and _floor(ctx, before, capability) is not None
            yield _finding(ctx, after, message, evidence, pre_existing=was_so)
            return
    if after.name == "pytorch" and (row is None or not row.architectures) and capabilities:
        yield _finding(
            ctx,
            after,
            f"{after.label} is for CUDA; whether it has code for the host's GPU (compute capability "
            f"{', '.join(capabilities)}) is not on record",
            (Evidence("metadata", after.url or after.dist_name, f"build: {after.build}"),),
            certain=False,
        )


def _given_up(ctx: RuleContext, before: PackageRecord | None, after: PackageRecord) -> Iterator[Finding]:
    """What is said of a host whose compute capabilities nobody knows: which GPUs the change gives up."""
    was, will = (_lowest(ctx, record) if record is not None else None for record in (before, after))
    if before is None or was is None or will is None or numbers(will[0]) <= numbers(was[0]):
        return
    if numbers(will[0]) <= numbers(_served(ctx)):
        return
    yield _finding(
        ctx,
        after,
        f"{after.label} has no code for compute capabilities below {will[0]}, {before.label} may have down to {was[0]}; "
        "what the host's GPU has is not known",
        (*was[1], *will[1]),
        certain=False,
    )


def _served(ctx: RuleContext) -> str:
    """The lowest compute capability that the host's GPU can have, since newer drivers no longer serve those below it."""
    supported = ctx.host.virtual("__cuda")
    driver = ctx.host.driver or next(
        (row.driver for row in reversed(ctx.facts.toolkits) if supported and numbers(row.cuda) <= numbers(supported)),
        "0",
    )
    ended = (row for row in ctx.facts.floors if row.last_driver and numbers(row.last_driver) < numbers(driver)[:1])
    return max((row.lowest for row in ended), key=numbers, default="0")


def _row(ctx: RuleContext, record: PackageRecord) -> TorchBuild | None:
    return conda_torch(record, ctx.facts).row if record.name == "pytorch" else None


def _lowest(ctx: RuleContext, record: PackageRecord) -> tuple[str, tuple[Evidence, ...]] | None:
    """The lowest compute capability that a build may have code for, with what says so; None where nothing does."""
    row = _row(ctx, record)
    if row is not None and row.architectures:
        return min(row.architectures, key=numbers), (_architectures(ctx, row),)
    use = cuda_of_record(record)
    floor = _toolkit_floor(ctx, use.version) if use else None
    return (floor[0], (use.evidence, floor[1])) if use and floor else None


def _toolkit_floor(ctx: RuleContext, cuda: str) -> tuple[str, Evidence] | None:
    wanted = numbers(cuda)
    rows = [row for row in ctx.facts.floors if numbers(row.cuda)[: len(wanted)] <= wanted]
    if not rows:
        return None
    fact = f"CUDA {rows[-1].cuda} and later: {rows[-1].lowest} is the lowest compute capability"
    return rows[-1].lowest, Evidence("catalogue", ctx.facts.cited(rows[-1]), fact)


def _architectures(ctx: RuleContext, row: TorchBuild) -> Evidence:
    fact = f"torch {row.torch} of {row.origin} for CUDA {row.cuda}: {_built(row)}"
    return Evidence("catalogue", ctx.facts.cited(row), fact)


def _built(row: TorchBuild) -> str:
    return f"{', '.join(row.architectures)}{f', and PTX of {row.ptx}' if row.ptx else ''}"


def _floor(ctx: RuleContext, record: PackageRecord, capability: str) -> tuple[str, tuple[Evidence, ...]] | None:
    """Why no build for the record's CUDA can have code for a GPU; None where one can."""
    use = cuda_of_record(record)
    floor = _toolkit_floor(ctx, use.version) if use else None
    if use is None or floor is None or numbers(floor[0]) <= numbers(capability):
        return None
    why = f"is for CUDA {use.version}, which makes no code below compute capability {floor[0]}"
    return why, (use.evidence, floor[1])


def _listed(ctx: RuleContext, row: TorchBuild | None, capability: str) -> tuple[str, tuple[Evidence, ...]] | None:
    """Why this torch build has no code for a GPU; None where it has, or where its architectures are not on record."""
    if row is None or not row.architectures:
        return None
    gpu = numbers(capability)
    if any(gpu[0] == code[0] and code <= gpu for code in map(numbers, row.architectures)):
        return None
    if row.ptx is None or numbers(row.ptx) > gpu:
        return f"has code for compute capability {_built(row)} alone", (_architectures(ctx, row),)
    supported = ctx.host.virtual("__cuda")
    if supported is None or row.cuda is None or numbers(row.cuda)[:2] <= numbers(supported)[:2]:
        return None
    why = f"has nothing but PTX of CUDA {row.cuda} for it, which a driver for CUDA {supported} cannot compile"
    return why, (_architectures(ctx, row), Evidence("metadata", "host", f"__cuda {supported}"))


def _finding(
    ctx: RuleContext,
    record: PackageRecord,
    message: str,
    evidence: tuple[Evidence, ...],
    *,
    certain: bool = True,
    pre_existing: bool = False,
) -> Finding:
    remedy = "choose a build for a CUDA that still makes code for this GPU, or keep this environment as it is for it"
    unknown = "say what GPU the host has (planner host --save FILE there, --host FILE here), or verify it on the host"
    return finding(
        ctx,
        "GPU003",
        Severity.BLOCK if certain else Severity.WARN,
        f"conda:{record.name}",
        message,
        remedy if certain else unknown,
        certain=certain,
        evidence=evidence,
        pre_existing=pre_existing,
    )


RULE = Rule(
    id="GPU003",
    name="arch-dropped",
    title="A planned build has no code for the host's GPU",
    severity=Severity.BLOCK,
    check=check,
)
