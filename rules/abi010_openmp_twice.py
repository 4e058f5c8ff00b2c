"""ABI010 openmp-twice: two OpenMP runtimes meet in one environment.

What it checks:
    Which OpenMP runtimes the modules of the environment pull in after the change: GNU's libgomp, Intel's libiomp5,
    LLVM's libomp, from whatever package or wheel.

Why it matters:
    Two runtimes in one process keep two pools of threads and two ideas of who is in a parallel region: the process
    aborts ("OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized"), hangs, or is slow
    (ContinuumIO/anaconda-issues#13146, pytorch/pytorch#193520, #44282).

How it decides:
    By what the loader finds for modules of python, symlinks followed: libgomp.so.1 that is a link to libomp.so, as
    conda-forge's `_openmp_mutex` of LLVM's kind makes it, is one runtime with it. A runtime that lies there and that
    nothing needs does not count, and copies of one kind count once.

Evidence and limits:
    Whether both come into one process depends on what is imported together. What was so before is reported as
    pre-existing.

Example:
    A scikit-learn with libgomp beside an mkl with libiomp5.

What to do:
    Choose one: `_openmp_mutex=*=*_llvm` or `*_gnu`, and builds that go with it.

References:
    conda-forge's knowledge base on OpenMP; ContinuumIO/anaconda-issues#13146.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.model import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model import Finding
    from planner.rule import RuleContext

_RUNTIME = re.compile(r"^lib(gomp|iomp5|omp)(?:[-.][^/]*)?\.so(?:\.[0-9.]+)?$")
_NAMES = {"gomp": "GNU's libgomp", "iomp5": "Intel's libiomp5", "omp": "LLVM's libomp"}


def check(ctx: RuleContext) -> Iterator[Finding]:
    """At most one finding: the runtimes that meet, each with who brings it and who needs it."""
    if ctx.binaries is None or not ctx.changes:
        return
    before = _runtimes(ctx.binaries.used_libraries(after=False))
    after = _runtimes(ctx.binaries.used_libraries(after=True))
    if len(after) < 2:  # noqa: PLR2004 -- two is what it is about
        return
    names = [_NAMES[kind] for kind in sorted(after)]
    evidence = tuple(
        Evidence("file", path, f"{_NAMES[kind]}, needed by {user}")
        for kind in sorted(after)
        for path, user in after[kind]
    )
    yield finding(
        ctx,
        "ABI010",
        Severity.WARN,
        f"env:{ctx.environment.name}",
        f"{' and '.join(names)} meet in one environment: a process that loads both may abort "
        '("OMP: Error #15"), hang, or run slowly',
        "choose builds that share one runtime (_openmp_mutex=*=*_llvm or *_gnu)",
        evidence=evidence,
        pre_existing=set(after) <= set(before),
    )


def _runtimes(used: dict[str, tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """The runtimes by kind: of each copy its path and one object that needs it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path, (_, user) in sorted(used.items()):
        match = _RUNTIME.match(path.rpartition("/")[2])
        if match:
            found.setdefault(match[1], []).append((path, user))
    return found


RULE = Rule(
    id="ABI010",
    name="openmp-twice",
    title="Two OpenMP runtimes meet in one environment",
    severity=Severity.WARN,
    check=check,
)
