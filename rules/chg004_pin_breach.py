"""CHG004 pin-breach: the result breaks a pin, or the environment is frozen.

What it checks:
    The packages after the change against `conda-meta/pinned` and the configured `pinned_packages`, and whether
    `conda-meta/frozen` protects the environment from any change.

Why it matters:
    A pin stands for a decision ("not numpy 2", "blas from mkl"), a frozen environment for one that others rely on. Solvers
    have lost pins before, and not every tool looks at `frozen`.

How it decides:
    A pin is broken where a package of its name would be there that it does not match; the result is compared, whatever
    the solver was told. It blocks, but warns where `--no-pin` was asked for. What broke the pin before and stays is told
    as such. A frozen environment blocks every change of it.

Evidence and limits:
    Read from conda-meta and configuration. The channel part of a pin is not compared. Whether the tool that is simulated
    refuses a frozen environment by itself is not claimed: conda does from 25.5 on, unless --override-frozen is given, or from
    25.9 on CONDA_PROTECT_FROZEN_ENVS is false.

Example:
    `numpy <2` is pinned, and numpy would be 2.1.3 after the change.

What to do:
    Change the pin first, or leave the environment as it is and make a new one; ask whoever froze it.

References:
    CEP 22 (frozen); mamba-org/mamba#4112; conda/conda-libmamba-solver#265.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.pyabi import meta_path, split_spec
from planner.rule import Rule, finding
from planner.versions import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each pin that the result breaks, and one for a frozen environment."""
    if ctx.environment.frozen is not None and (ctx.after is None or ctx.changes):
        yield _frozen(ctx, ctx.environment.frozen)
    # A name that is pinned twice has the pin that comes last: an environment's own beats a configured one.
    pins = {split_spec(pin)[0]: (pin, "pinned_packages") for pin in ctx.configured_pins}
    pins |= {split_spec(pin)[0]: (pin, "conda-meta/pinned") for pin in ctx.environment.pins}
    for name, (pin, where) in sorted(pins.items()):
        yield from _broken(ctx, name, pin, where)


def _frozen(ctx: RuleContext, message: str) -> Finding:
    because = f": {' '.join(message.split())}".rstrip(".") if message.strip() else ""
    return finding(
        ctx,
        "CHG004",
        Severity.BLOCK,
        f"env:{ctx.environment.name}",
        f"the environment is frozen, so that nothing of it is to change{because}",
        "leave it as it is and make a new environment, or ask whoever froze it; --override-frozen of conda goes past it",
        evidence=(Evidence("file", "conda-meta/frozen", "is there (CEP 22)"),),
    )


def _broken(ctx: RuleContext, name: str, pin: str, where: str) -> Iterator[Finding]:
    after, before = ctx.after_record(name), ctx.before_record(name)
    if after is None or matches(pin, after) is not False:
        return
    free = "--no-pin" in ctx.request.options
    yield finding(
        ctx,
        "CHG004",
        Severity.WARN if free else Severity.BLOCK,
        f"conda:{name}",
        f"{after.label} would be there, which the pin {pin!r} does not allow{' (--no-pin was asked for)' if free else ''}",
        f"change the pin in {where} first if it no longer holds, or ask for a build of {name} that it allows",
        evidence=(
            Evidence("metadata", where, pin),
            Evidence("metadata", after.url or meta_path(after), f"version: {after.version}, build: {after.build}"),
        ),
        pre_existing=before is not None and before.same_build(after),
    )


RULE = Rule(
    id="CHG004",
    name="pin-breach",
    title="The result breaks a pin, or the environment is frozen",
    severity=Severity.BLOCK,
    check=check,
)
