"""ABI001 python-minor: a build that stays was made for another python.

What it checks:
    Every conda package of the environment after the change that is not `noarch: python`: whether it was built for
    one python X.Y, and whether that is the planned one.

Why it matters:
    Conda may keep a package whose metadata asks for no particular python while its modules lie in
    `lib/pythonX.Y/site-packages` or carry that python's tag. Nothing is reported, and the import fails
    (conda/conda#8391: one install moved python 3.6 to 3.7 and left packages built for 3.6 behind).

How it decides:
    By the names of the installed files where they are known: an extension tagged `cpython-39` or `cp39`, or a place
    in `lib/python3.9/`. Else by metadata: `python_abi 3.9.*`, a bound such as `python >=3.9,<3.10.0a0`, or a build
    string such as `py39_0`. `noarch: python` packages are linked again for the new python and never fire; abi3
    packages (CEP 20) are such. On Windows site-packages has no version in its path: there only compiled modules fire.

Evidence and limits:
    Files and conda-meta are read, modules are not opened. Unverified: an untagged `.pyd` (it may be abi3), a build
    string alone on Windows or without any need of python, and a bound that none of the known files bears out.

Example:
    psutil 5.6 py36_0 stays while python moves from 3.6 to 3.7: its modules lie in lib/python3.6/site-packages.

What to do:
    Ask for the package in the same change, so that a build for the new python is chosen, or make a new environment.

References:
    conda/conda#8391; CEP 20 (abi3); CEP 17 (site-packages path).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Edge, Evidence, Severity
from planner.pyabi import mismatch
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.pyabi import Mismatch
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package, kept or new, that the planned python cannot use."""
    planned = ctx.python_minor_after
    if ctx.after is None or planned is None:
        return
    kept = {record.name: record for record in ctx.kept}
    for record in ctx.after:
        installed = kept.get(record.name)
        subject = installed or record
        files = ctx.files(installed) if installed else None
        wrong = mismatch(subject, planned, files, windows=ctx.on_windows)
        if wrong is not None:
            yield _finding(ctx, subject, wrong, planned, kept=installed is not None)


def _finding(ctx: RuleContext, record: PackageRecord, wrong: Mismatch, planned: str, *, kept: bool) -> Finding:
    before = ctx.python_minor_before
    was_so = (
        kept and before is not None and mismatch(record, before, ctx.files(record), windows=ctx.on_windows) is not None
    )
    subject = f"conda:{record.name}"
    evidence = wrong.evidence if kept else Evidence("metadata", record.url or record.dist_name, wrong.evidence.what)
    return finding(
        ctx,
        "ABI001",
        Severity.BLOCK,
        subject,
        f"{record.label} {'stays' if kept else 'is installed'} while python is {planned}: {_why(wrong, planned)}",
        f"ask for a build of {record.name} for python {planned} in the same change, or make a new environment",
        # What was not there before is no break of anything that worked.
        predicts=wrong.effect if ctx.before_record(record.name) is not None else None,
        certain=wrong.certain,
        evidence=(evidence,),
        edges=(
            Edge(
                subject,
                "conda:python",
                "python_abi",
                wrong.requirement,
                "broken" if wrong.certain else "unverified",
                (evidence,),
            ),
        ),
        pre_existing=was_so,
    )


def _why(wrong: Mismatch, planned: str) -> str:
    if not wrong.certain:
        return f"it looks built for python {wrong.built_for}; whether python {planned} can import it is not known"
    if wrong.effect == "gone":
        return f"its modules lie in {wrong.requirement}, which python {planned} does not read"
    return f"it was built for python {wrong.built_for} and cannot be imported"


RULE = Rule(
    id="ABI001",
    name="python-minor",
    title="A build that stays was made for another python",
    severity=Severity.BLOCK,
    check=check,
)
