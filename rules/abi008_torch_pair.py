"""ABI008 torch-pair: torch, torchvision and torchaudio do not pair after the change.

What it checks:
    Every torchvision and torchaudio, conda's or pip's, against the torch that would be there after the change.

Why it matters:
    Each is compiled against one minor of torch. With another, torchvision's operators do not load ("operator
    torchvision::nms does not exist"), or it refuses at import, since the two were made for different CUDA versions.

How it decides:
    Conda's packages say themselves which torch they were built with, and are believed: conda-forge pairs versions that
    the PyTorch project does not. pip's say so by Requires-Dist, else by the project's table of pairs; a difference in the
    patch alone is PIP003's. From torchaudio 2.11 on one build serves every later torch. torchvision and torch for two
    CUDA majors do not pair, up to torchvision 0.15 not for two minors either. It blocks.

Evidence and limits:
    Read from records, metadata and the table. Where two torches lie in one environment, only what pairs with neither
    fires (PIP002 tells of the two). Unverified: torchvision for CUDA beside a torch for the CPU.

Example:
    pip's torchvision 0.15.2 stays, and conda moves pytorch from 2.0.1 to 2.2.2.

What to do:
    Change them together, all from one place: `pytorch torchvision torchaudio` in one conda command, or all three by pip.

References:
    facebookresearch/detectron2#3351; pytorch/vision, README.md; deforum/deforum-stable-diffusion#348.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from planner.cuda import cuda_of_dist, cuda_of_record, pip_label
from planner.cuda_drivers import numbers
from planner.flavour import flavour
from planner.model.plan import Edge, Evidence, Severity
from planner.pip_after import seen_by
from planner.pip_requirements import requires
from planner.pyabi import split_spec
from planner.rule import Rule, finding
from planner.torch_builds import torches
from planner.versions import matches, minor, version_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model.installed import PackageRecord, PipDist
    from planner.model.plan import EdgeStatus, Finding
    from planner.rule import RuleContext
    from planner.torch_builds import Torch

_PARTNERS = ("torchaudio", "torchvision")
_ANY_MINOR_OF_CUDA = (0, 16)  # the first torchvision that compares no more than CUDA's major


class _Partner(Struct, frozen=True):
    """A torchvision or torchaudio: from conda (its record) or from pip (its dist)."""

    name: str
    version: str
    label: str
    record: PackageRecord | None = None
    dist: PipDist | None = None

    @property
    def subject(self) -> str:
        return f"{'conda' if self.record else 'pip'}:{self.name}"

    @property
    def minor(self) -> str:
        return minor(self.version.partition("+")[0])


class _Misfit(Struct, frozen=True):
    """Why a partner does not go with a torch, as the end of a sentence; `requirement` is what it needs of it."""

    why: str
    requirement: str
    evidence: Evidence
    certain: bool = True


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each torchvision or torchaudio that pairs with no torch after the change."""
    if ctx.after is None:
        return
    before = set(_misfits(ctx, ctx.environment.records, ctx.environment.python))
    after = _misfits(ctx, ctx.after, ctx.planned_python)
    for partner, torch, misfit in after:
        was_so = any((old.label, of.label) == (partner.label, torch.label) for old, of, _ in before)
        yield _finding(ctx, partner, torch, misfit, was_so=was_so)


def _misfits(
    ctx: RuleContext, records: Iterable[PackageRecord], python: str | None
) -> list[tuple[_Partner, Torch, _Misfit]]:
    records, dists = tuple(records), seen_by(ctx.environment.pip_dists, python)
    there = torches(records, dists, ctx.facts, linux=ctx.environment.subdir.startswith("linux-"))
    pytorch = next((record for record in records if record.name == "pytorch"), None)
    found = []
    for partner in _partners(records, dists):
        against = [(torch, _misfit(ctx, partner, torch, pytorch)) for torch in there]
        wrong = [(torch, misfit) for torch, misfit in against if misfit is not None]
        if wrong and len(wrong) == len(against):
            found.append((partner, *wrong[0]))
    return found


def _partners(records: Iterable[PackageRecord], dists: Iterable[PipDist]) -> Iterator[_Partner]:
    for record in records:
        if record.name in _PARTNERS:
            yield _Partner(record.name, record.version, record.label, record=record)
    for dist in dists:
        if dist.owner is None and dist.name in _PARTNERS:
            yield _Partner(dist.name, dist.version, pip_label(dist), dist=dist)


def _misfit(ctx: RuleContext, partner: _Partner, torch: Torch, pytorch: PackageRecord | None) -> _Misfit | None:
    if partner.record is not None:
        own = _by_record(partner.record, torch, pytorch if torch.subject == "conda:pytorch" else None)
    else:
        own = _by_dist(ctx, partner, torch)
    return own or _by_cuda(partner, torch)


def _by_record(record: PackageRecord, torch: Torch, pytorch: PackageRecord | None) -> _Misfit | None:
    """What a conda record requires of torch; of pip's torch only the version can be compared."""
    for spec in record.depends:
        name, constraint = split_spec(spec)
        if name != "pytorch":
            continue
        met = matches(spec, pytorch) if pytorch else version_matches(constraint or "*", torch.version.partition("+")[0])
        if met is False:
            where = record.url or record.dist_name
            return _Misfit(f"it was built for {spec}", spec, Evidence("metadata", where, f"depends: {spec}"))
    return None


def _by_dist(ctx: RuleContext, partner: _Partner, torch: Torch) -> _Misfit | None:
    dist = partner.dist
    assert dist is not None  # noqa: S101 -- the caller has looked
    required = requires(dist, "torch")
    if required is not None:
        text, specifier = required
        exact = next((item.version for item in specifier if item.operator == "=="), None)
        if exact is None or minor(exact) == torch.minor:
            return None
        evidence = Evidence("metadata", f"{dist.metadata_path}/METADATA", f"Requires-Dist: {text}")
        return _Misfit(f"it requires {text}", text, evidence)
    return _by_table(ctx, partner, torch)


def _by_table(ctx: RuleContext, partner: _Partner, torch: Torch) -> _Misfit | None:
    for stable in ctx.facts.stable_audio if partner.name == "torchaudio" else ():
        if min(numbers(partner.minor), numbers(torch.minor)) >= numbers(stable.torchaudio):
            return None
    rows = {row.torchvision if partner.name == "torchvision" else row.torchaudio: row for row in ctx.facts.pairs}
    row = rows.get(partner.minor)
    if row is None or row.torch == torch.minor:
        return None
    fact = f"{partner.name} {partner.minor} goes with torch {row.torch}"
    return _Misfit(
        f"it goes with torch {row.torch}", f"torch {row.torch}", Evidence("catalogue", ctx.facts.cited(row), fact)
    )


def _by_cuda(partner: _Partner, torch: Torch) -> _Misfit | None:
    """Whether torchvision and torch are for CUDA versions that torchvision refuses to mix."""
    record, dist = partner.record, partner.dist
    use = cuda_of_record(record) if record and flavour(record) == "gpu" else cuda_of_dist(dist) if dist else None
    if use is None or partner.name != "torchvision":
        return None
    requirement = f"CUDA {use.version}"
    if torch.flavour == "cpu":
        return _Misfit(
            f"it is for CUDA {use.version}, and that torch for the CPU", requirement, use.evidence, certain=False
        )
    if torch.cuda is None:
        return None
    depth = 1 if numbers(partner.minor) >= _ANY_MINOR_OF_CUDA else 2
    ours, its = numbers(use.version)[:depth], numbers(torch.cuda)[:depth]
    if ours == its[: len(ours)]:
        return None
    return _Misfit(f"it is for CUDA {use.version}, and that torch for CUDA {torch.cuda}", requirement, use.evidence)


def _finding(ctx: RuleContext, partner: _Partner, torch: Torch, misfit: _Misfit, *, was_so: bool) -> Finding:
    status: EdgeStatus = "broken" if misfit.certain else "unverified"
    verb = "does not pair with" if misfit.certain else "may not pair with"
    return finding(
        ctx,
        "ABI008",
        Severity.BLOCK,
        partner.subject,
        f"{partner.label} {verb} {torch.label}: {misfit.why}",
        f"change torch and {partner.name} together, both from one place and for one CUDA",
        certain=misfit.certain,
        evidence=(misfit.evidence,),
        edges=(Edge(partner.subject, torch.subject, "torch_pair", misfit.requirement, status, (misfit.evidence,)),),
        pre_existing=was_so,
    )


RULE = Rule(
    id="ABI008",
    name="torch-pair",
    title="torch, torchvision and torchaudio do not pair after the change",
    severity=Severity.BLOCK,
    check=check,
)
