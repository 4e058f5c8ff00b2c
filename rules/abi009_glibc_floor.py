"""ABI009 glibc-floor: a package needs a newer glibc than the host has.

What it checks:
    The GLIBC_ symbol versions that the objects of the environment after the change need, against the host's glibc.

Why it matters:
    glibc is the one library that an environment never brings along. A package built on a newer system loads there and
    not on an older one, and only some say so in their metadata (`__glibc >=2.28`).

How it decides:
    By the highest GLIBC_ version that an object, or anything it pulls in, needs. The host's glibc is this machine's, or
    what --glibc or --host says.

Evidence and limits:
    Certain where the objects were read; `__glibc` requirements are the solver's, which keeps them. Objects that
    needed too much before are reported as pre-existing.

Example:
    A build of cuda-nvrtc for CUDA 13 needs GLIBC_2.28, and the host has 2.17.

What to do:
    Choose a build for an older system, or a newer host.

References:
    conda-forge's sysroot floors (linux-sysroot-feedstock); CEP 30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.abi.told import grouped, needs, owner, strongest
from planner.model.plan import Edge, Evidence, Severity
from planner.rule import Rule, finding
from planner.versions import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.abi.comparison import Break
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_FAMILY = "GLIBC_"


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each owner of objects that need more than the host's glibc."""
    if ctx.binaries is None:
        return
    above = [found for found in ctx.binaries.breaks if found.kind == "version" and found.wanted.startswith(_FAMILY)]
    for subject, breaks in grouped(above, lambda found: found.subject).items():
        yield _finding(ctx, subject, breaks)


def _finding(ctx: RuleContext, subject: str, breaks: list[Break]) -> Finding:
    highest = breaks[0].wanted
    for found in breaks:
        if compare(found.wanted.removeprefix(_FAMILY), highest.removeprefix(_FAMILY)) > 0:
            highest = found.wanted
    wanted = highest.removeprefix(_FAMILY)
    host = ctx.host.virtual("__glibc")
    evidence = tuple(
        Evidence("file", found.path, found.error)
        for found in breaks
        if found.wanted == highest or found.path not in {other.path for other in breaks if other.wanted == highest}
    )
    return finding(
        ctx,
        "ABI009",
        Severity.BLOCK,
        subject,
        f'{needs(subject, breaks)} glibc {wanted}, and the host has {host}: "{breaks[0].error}"',
        f"choose a build of {owner(subject)} for glibc {host} or older, or a host with glibc {wanted}",
        predicts=strongest(breaks),
        evidence=evidence,
        edges=(Edge(subject, "host:glibc", "glibc", highest, "broken", evidence[:1]),),
        pre_existing=all(found.pre_existing for found in breaks),
    )


RULE = Rule(
    id="ABI009",
    name="glibc-floor",
    title="A package needs a newer glibc than the host has",
    severity=Severity.BLOCK,
    check=check,
)
