"""ABI002 abi-flavour: the ABI of python flips at the same X.Y.

What it checks:
    Whether python keeps its X.Y and changes its ABI all the same: from `cp313` to the free-threaded `cp313t`, from
    cpython to pypy, or back.

Why it matters:
    Installers compare X.Y only. They do not link noarch packages again, though the site-packages folder may be another
    one, and an extension built for one flavour is not found by the other. pip's distributions stay where they were.

How it decides:
    The flavour is the last part of python_abi's build string (`8_cp313t`), else of python's (`..._102_cp313`,
    `..._cpython`, `..._pypy`). It fires once, for python, when it is known before and after, and differs at one X.Y.
    Where X.Y differs too, ABI001, PIP001 and the like speak of that.

Evidence and limits:
    Build strings of records. Which packages stop importing is not worked out one by one. Builds whose strings name no
    flavour (those of the defaults channel) are passed over: there is one flavour of them at each X.Y.

Example:
    numpy exists only for cp313t; installing it turns python 3.13.5 into the free-threaded build.

What to do:
    Pin the ABI (`python_abi=*=*_cp313`), or make a new environment for the other flavour.

References:
    conda/conda#14462; conda-forge/python-feedstock#738, #861; conda/conda-libmamba-solver#1042.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.afterwards import flips
from planner.model.plan import Edge, Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding when python's ABI flavour flips at the same X.Y."""
    flipped = flips(ctx)
    if flipped is None:
        return
    old, new = flipped
    requirement = f"python {ctx.python_minor_before} with the ABI {old[0]}"
    evidence = (
        Evidence("metadata", f"conda-meta/{old[1].dist_name}.json", f"build: {old[1].build}"),
        Evidence("metadata", new[1].url or new[1].fn, f"build: {new[1].build}"),
    )
    yield finding(
        ctx,
        RULE.id,
        RULE.severity,
        "conda:python",
        f"python stays at {ctx.python_minor_after} and changes its ABI from {old[0]} to {new[0]}: extensions built for "
        f"{old[0]} are not found any more, and installers link no noarch package again",
        f"pin the ABI in the same change (python_abi=*=*_{old[0]}), or make a new environment for {new[0]}",
        evidence=evidence,
        edges=(Edge("env:" + ctx.environment.name, "conda:python", "python_abi", requirement, "broken", evidence),),
    )


RULE = Rule(
    id="ABI002",
    name="abi-flavour",
    title="the ABI of python flips at the same X.Y",
    severity=Severity.BLOCK,
    check=check,
)
