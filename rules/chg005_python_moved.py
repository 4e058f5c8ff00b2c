"""CHG005 python-moved: python's minor changes, and nobody asked for it.

What it checks:
    Whether the change moves python to another X.Y, while no spec of the request names python.

Why it matters:
    Everything hangs on python's minor: compiled packages, what pip installed, virtualenvs, kernels and scripts. One more
    package was asked for, and python 3.6 became 3.7; or a package was asked for that exists for an older python only.

How it decides:
    By python's version before and after. A request that names python asked for it, whatever its spec; updating
    everything did not. It blocks.

Evidence and limits:
    Read from records. Why python moves is told as far as a requirement of the packages after the change shows it.

Example:
    `mamba install oldtool` takes a build for python 3.9, and python goes from 3.11 to 3.9 with it.

What to do:
    Ask for python's present minor in the same change (`python=3.11`), or make a new environment for the other one.

References:
    conda/conda#8391; ContinuumIO/anaconda-issues#10887, ContinuumIO/anaconda-issues#8808.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.pyabi import meta_path
from planner.rule import Rule, finding
from planner.versions import spec_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding, about python."""
    change = ctx.change("python")
    if change is None or change.before is None or change.after is None or not ctx.python_minor_moves:
        return
    if any(spec_name(spec) == "python" for spec in ctx.request.specs):
        return
    before, after = change.before, change.after
    why = f": {change.reason}" if change.reason else ""
    yield finding(
        ctx,
        "CHG005",
        Severity.BLOCK,
        "conda:python",
        f"python would move from {before.version} to {after.version}, though nobody asked for another python{why}",
        "leave this environment as it is and make a new one"
        if ctx.request.operation == "remove"  # which takes no spec to hold python by
        else f"ask for python={ctx.python_minor_before} in the same change, or make a new environment for the other python",
        evidence=(
            Evidence("metadata", meta_path(before), f"version: {before.version}"),
            Evidence("metadata", after.url or after.dist_name, f"version: {after.version}"),
        ),
    )


RULE = Rule(
    id="CHG005",
    name="python-moved",
    title="Python's minor changes, and nobody asked for it",
    severity=Severity.BLOCK,
    check=check,
)
