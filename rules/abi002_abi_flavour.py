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

import re
from typing import TYPE_CHECKING

from planner.model import Edge, Evidence, Severity
from planner.rule import Rule, finding
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model import Finding, PackageRecord
    from planner.rule import RuleContext

_FLAVOUR = re.compile(r"(?:^|_)(cp\d+t?|cpython|pypy\d*|graalpy\d*|native\d*_graalpy|pypy\d+_pp\d+)$")


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding when python's ABI flavour flips at the same X.Y."""
    before, after = ctx.before_record("python"), ctx.after_record("python")
    if before is None or after is None or minor(before.version) != minor(after.version):
        return
    old = _flavour(before, ctx.before_record("python_abi"))
    new = _flavour(after, ctx.after_record("python_abi"))
    if old is None or new is None or old[0] == new[0]:
        return
    requirement = f"python {minor(before.version)} with the ABI {old[0]}"
    evidence = (
        Evidence("metadata", f"conda-meta/{old[1].dist_name}.json", f"build: {old[1].build}"),
        Evidence("metadata", new[1].url or new[1].fn, f"build: {new[1].build}"),
    )
    yield finding(
        ctx,
        RULE.id,
        RULE.severity,
        "conda:python",
        f"python stays at {minor(after.version)} and changes its ABI from {old[0]} to {new[0]}: extensions built for "
        f"{old[0]} are not found any more, and installers link no noarch package again",
        f"pin the ABI in the same change (python_abi=*=*_{old[0]}), or make a new environment for {new[0]}",
        evidence=evidence,
        edges=(Edge("env:" + ctx.environment.name, "conda:python", "python_abi", requirement, "broken", evidence),),
    )


def _flavour(python: PackageRecord, python_abi: PackageRecord | None) -> tuple[str, PackageRecord] | None:
    """The flavour, with `cpython` written as the cpXY it stands for, and the record that shows it."""
    for record in (python_abi, python):
        found = _FLAVOUR.search(record.build) if record is not None else None
        if record is not None and found:
            tag = found.group(1)
            return (f"cp{minor(python.version).replace('.', '')}" if tag == "cpython" else tag), record
    return None


RULE = Rule(
    id="ABI002",
    name="abi-flavour",
    title="the ABI of python flips at the same X.Y",
    severity=Severity.BLOCK,
    check=check,
)
