"""ABI007 torch-capi: an extension was compiled against another torch than the planned one.

What it checks:
    Pip's compiled distributions that are made against torch and that python still sees, and conda's compiled packages that
    stay and need torch without saying which: whether torch's minor, its CUDA or its C++ ABI would be another one.

Why it matters:
    torch promises no ABI between minors. flash-attn, xformers, torch-scatter, detectron2 and what was built in house then
    fail with "undefined symbol: _ZN3c105ErrorC2E...", at import or at the first call. abi3 in the wheel's name is about
    python alone and does not help. PyPI's torch changed its C++ ABI between 2.6 and 2.7.

How it decides:
    By the objects themselves, where they can be read: one that is linked to libtorch or libc10, or leaves C++ names of
    torch's undefined, is bound to its torch, and it blocks. One that names torch's stable ABI alone survives, one that
    needs nothing of torch is not concerned, and neither fires. Without the objects, by the wheel's own name, where it
    names a torch (`+pt23cu121`, `torch2.3cxx11abiFALSE`): another one is planned, and it blocks. Else by Requires-Dist, or
    by being one of the known extensions: it blocks unverified. torchvision and torchaudio are ABI008's.

Evidence and limits:
    Read from ELF objects, metadata, names and the table of builds. That a certain symbol will be missing is ABI004's to
    say; this rule says that the extension was made for another torch. Where two torches lie in one environment, it is
    PIP002's; where the one that comes was not looked into, whatever is made for the other is unverified.

Example:
    torch-scatter 2.1.2+pt23cu121 stays while conda moves pytorch from 2.3.1 to 2.5.1.

What to do:
    Build or install it again for the planned torch in the same change; its project's index has wheels by torch and CUDA.

References:
    Dao-AILab/flash-attention#1644, Dao-AILab/flash-attention#821; pytorch/pytorch#152790; rusty1s/pytorch_scatter#496.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda import pip_label
from planner.cuda_drivers import numbers
from planner.model.plan import Edge, Evidence, Severity
from planner.pip_after import seen_by
from planner.pip_requirements import requires
from planner.pyabi import is_compiled, split_spec
from planner.rule import Rule, finding
from planner.torch_builds import torches
from planner.torch_extensions import bound_to_torch, is_torch, made_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model.installed import PackageRecord, PipDist, TorchLink
    from planner.model.plan import EdgeStatus, Finding
    from planner.rule import RuleContext
    from planner.torch_builds import Torch

_PARTNERS = frozenset({"torchaudio", "torchvision"})
_TORCHES = frozenset({"libtorch", "pytorch"})


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each extension whose torch would be another one."""
    if ctx.after is None:
        return
    before = _torches(ctx, ctx.environment.records, ctx.environment.python)
    after = _torches(ctx, ctx.after, ctx.planned_python)
    if len(before) == 1 and len(after) > 1:
        yield from _beside(ctx, before[0], after)
    if len(before) != 1 or len(after) > 1:
        return
    old, new = before[0], after[0] if after else None
    moved = _moved(old, new)
    for dist in seen_by(seen_by(ctx.environment.pip_dists, ctx.environment.python), ctx.planned_python):
        if dist.name in _PARTNERS or is_torch(dist):
            continue
        if bound_to_torch(dist) or (moved is not None and dist.compiled and _is_linked(ctx, dist)):
            yield from _of_dist(ctx, dist, old, new)
    if moved is not None:
        yield from (_of_record(ctx, record, old, moved) for record in ctx.kept if _needs_any_torch(ctx, record))


def _beside(ctx: RuleContext, old: Torch, after: Iterable[Torch]) -> Iterator[Finding]:
    """What is made for the present torch where conda puts another one over it, or beside it, from files nobody has seen."""
    for new in after:
        moved = _moved(old, new)
        kind, _, name = new.subject.partition(":")
        if kind != "conda" or moved is None or ctx.binaries is None or ctx.binaries.listed(name):
            continue
        for dist in seen_by(seen_by(ctx.environment.pip_dists, ctx.environment.python), ctx.planned_python):
            if not is_torch(dist) and (dist.name in _PARTNERS or _is_linked(ctx, dist)):
                link = ctx.torch_link(dist)
                shown = _linked(link) or (Evidence("metadata", dist.metadata_path, "is built for one torch"),)
                text = f"is made for torch {old.version}, which lies where {name} may be put over it, {moved}"
                yield _finding(ctx, dist, text, old, shown, certain=False)


def _torches(ctx: RuleContext, records: Iterable[PackageRecord], python: str | None) -> tuple[Torch, ...]:
    dists = seen_by(ctx.environment.pip_dists, python)
    return torches(records, dists, ctx.facts, linux=ctx.environment.subdir.startswith("linux-"))


def _moved(old: Torch, new: Torch | None) -> str | None:
    """What of torch's ABI would be another, as the end of a sentence; None where nothing is known to be."""
    if new is None:
        return "and torch would not be there"
    if old.minor != new.minor:
        return f"and torch would be {new.version} instead of {old.version}"
    if old.cuda is not None and new.flavour == "cpu":
        return f"and torch would be for the CPU instead of CUDA {old.cuda}"
    if old.cuda is not None and new.cuda is not None and old.cuda != new.cuda:
        return f"and torch would be for CUDA {new.cuda} instead of {old.cuda}"
    if old.cxx11_abi is not None and new.cxx11_abi is not None and old.cxx11_abi != new.cxx11_abi:
        return f"and torch {new.version} would have the other C++ ABI"
    return None


def _of_dist(ctx: RuleContext, dist: PipDist, old: Torch, new: Torch | None) -> Iterator[Finding]:
    link = ctx.torch_link(dist)
    if link is not None and link.kind != "linked" and (new is not None or link.kind == "none"):
        return
    wheel = made_for(dist)
    moved = _moved(old, new)
    if wheel is not None:
        misfit = _misfit(wheel.torch, wheel.cuda, wheel.cxx11_abi, new)
        if misfit is not None:
            text = f"was built for torch {wheel.torch} ({wheel.text}), {misfit}"
            was_so = _misfit(wheel.torch, wheel.cuda, wheel.cxx11_abi, old) is not None
            evidence = (Evidence("metadata", dist.metadata_path, wheel.text), *_linked(link))
            yield _finding(ctx, dist, text, old, evidence, certain=True, was_so=was_so)
    elif moved is not None and link is not None:
        text = f"is linked to torch ({', '.join(link.libraries) or link.symbol}), {moved}"
        yield _finding(ctx, dist, text, old, _linked(link), certain=True)
    elif moved is not None:
        text, shown = _shown(ctx, dist)
        certain = new is None and any(row.dist == dist.name for row in ctx.facts.extensions)
        yield _finding(ctx, dist, f"{text}, {moved}", old, (shown,), certain=certain)


def _is_linked(ctx: RuleContext, dist: PipDist) -> bool:
    link = ctx.torch_link(dist)
    return link is not None and link.kind == "linked"


def _linked(link: TorchLink | None) -> tuple[Evidence, ...]:
    """What in an object shows that it is made against torch."""
    if link is None:
        return ()
    needs = [f"needs {', '.join(link.libraries)}"] if link.libraries else []
    names = [f"leaves {link.symbol} undefined"] if link.symbol else []
    return (Evidence("file", link.path, " and ".join([*needs, *names])),)


def _misfit(minor: str, cuda: str | None, abi: bool | None, torch: Torch | None) -> str | None:  # noqa: FBT001 -- a property of the wheel, not a switch
    """Why a wheel for that torch does not go with this one; a CUDA given by its major alone is compared by it alone."""
    if torch is None:
        return "and torch would not be there"
    if torch.minor != minor:
        return f"and torch would be {torch.version}"
    if cuda is not None and torch.flavour == "cpu":
        return f"and for CUDA {cuda}, and torch would be for the CPU"
    if cuda is not None and torch.cuda is not None and numbers(cuda)[0] != numbers(torch.cuda)[0]:
        return f"and for CUDA {cuda}, and torch would be for CUDA {torch.cuda}"
    if abi is not None and torch.cxx11_abi is not None and abi != torch.cxx11_abi:
        return f"and torch {torch.version} has the other C++ ABI"
    return None


def _shown(ctx: RuleContext, dist: PipDist) -> tuple[str, Evidence]:
    """What says that a distribution is made against torch."""
    required = requires(dist, "torch")
    if required is not None:
        evidence = Evidence("metadata", f"{dist.metadata_path}/METADATA", f"Requires-Dist: {required[0]}")
        return "is compiled and requires torch", evidence
    row = next(row for row in ctx.facts.extensions if row.dist == dist.name)
    return "is compiled against torch", Evidence(
        "catalogue", ctx.facts.cited(row), f"{dist.name} is made against one torch"
    )


def _needs_any_torch(ctx: RuleContext, record: PackageRecord) -> bool:
    """Whether a conda package that stays is compiled, needs torch, and does not say which minor."""
    needs = [split_spec(spec) for spec in record.depends]
    named = [constraint for name, constraint in needs if name in _TORCHES]
    return (
        bool(named)
        and set(named) <= {"", "*"}
        and record.noarch is None
        and is_compiled(record, ctx.files(record)) is True
    )


def _of_record(ctx: RuleContext, record: PackageRecord, old: Torch, moved: str) -> Finding:
    spec = next(spec for spec in record.depends if split_spec(spec)[0] in _TORCHES)
    evidence = Evidence("metadata", f"conda-meta/{record.dist_name}.json", f"depends: {spec}")
    return _made(
        ctx,
        f"conda:{record.name}",
        f"{record.label} stays, is compiled and requires torch without saying which, {moved}",
        f"ask for {record.name} in the same change, so that a build for the planned torch is chosen",
        old,
        (evidence,),
        certain=False,
    )


def _finding(
    ctx: RuleContext,
    dist: PipDist,
    text: str,
    old: Torch,
    evidence: tuple[Evidence, ...],
    *,
    certain: bool,
    was_so: bool = False,
) -> Finding:
    return _made(
        ctx,
        f"pip:{dist.name}",
        f"{pip_label(dist)} {text}",
        f"build {dist.name} again, or install a wheel of it, for the planned torch in the same change",
        old,
        evidence,
        certain=certain,
        was_so=was_so,
    )


def _made(
    ctx: RuleContext,
    subject: str,
    message: str,
    remedy: str,
    old: Torch,
    evidence: tuple[Evidence, ...],
    *,
    certain: bool,
    was_so: bool = False,
) -> Finding:
    status: EdgeStatus = "broken" if certain else "unverified"
    return finding(
        ctx,
        "ABI007",
        Severity.BLOCK,
        subject,
        message,
        remedy,
        certain=certain,
        evidence=evidence,
        edges=(Edge(subject, old.subject, "torch_capi", f"torch {old.minor}", status, evidence),),
        pre_existing=was_so,
    )


RULE = Rule(
    id="ABI007",
    name="torch-capi",
    title="An extension was compiled against another torch than the planned one",
    severity=Severity.BLOCK,
    check=check,
)
