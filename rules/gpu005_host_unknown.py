"""GPU005 host-unknown: a GPU package is planned, and the target host's GPU is not known.

What it checks:
    Whether the change installs or changes a GPU package, while nobody said what GPU and driver the target has and
    none was found where the planner runs.

Why it matters:
    A login node, a container build or a laptop has no GPU, and the machine the plan is for may have one: a plan made
    there can choose CPU builds, or GPU builds that the target's driver cannot run.

How it decides:
    It fires once, for the host, when a package that shows itself to be a GPU build (its build string, or a need of CUDA) is
    installed or changes. A GPU that was found, or `--cuda VERSION`, `--cuda none` or `--driver VERSION`, settles it.

Evidence and limits:
    Read from records. Whether the package would run is exactly what is not known, hence unverified.

Example:
    pytorch 2.5.1 for CUDA 12.4 is planned on a login node where no driver is found.

What to do:
    Say what the target has: `--cuda VERSION` (as nvidia-smi shows it) and `--driver VERSION`, or `--host FILE`.

References:
    conda-forge/pytorch-cpu-feedstock#364; Imageomics/pybioclip#101; CEP 30 (virtual packages).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.flavour import flavour, flavour_evidence
from planner.model.plan import Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding, about the host."""
    if ctx.host.gpu_known:
        return
    planned = [
        change.after
        for change in ctx.changes
        if change.after is not None and change.action != "relink" and flavour(change.after) == "gpu"
    ]
    if not planned:
        return
    names = ", ".join(f"{record.name} {record.version}" for record in planned[:_SHOWN])
    more = f" and {len(planned) - _SHOWN} more" if len(planned) > _SHOWN else ""
    evidence = (flavour_evidence(record, record.url or record.dist_name) for record in planned)
    yield finding(
        ctx,
        "GPU005",
        Severity.WARN,
        "host:gpu",
        f"the change brings GPU packages ({names}{more}), but the GPU of the target host is not known",
        "say what the target has with --cuda VERSION and --driver VERSION, with a host file (planner host --save FILE there, "
        "--host FILE here), or --cuda none",
        certain=False,
        evidence=[item for item in evidence if item is not None],
    )


RULE = Rule(
    id="GPU005",
    name="host-unknown",
    title="A GPU package is planned, and the target host's GPU is not known",
    severity=Severity.WARN,
    check=check,
)
