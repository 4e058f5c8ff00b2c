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

    Of scripts and the like that run in the environment, the modules are followed that they import at once. Where these
    bring both libiomp5 and libomp into the process, which abort beside each other, that script is a block. It is
    unverified unless the script surely calls both: by what it calls under no condition, by where such a name leads to in
    the sources of the modules, and by the instructions of the compiled function there, on every way through which one
    of the runtime's functions of `rules/data/openmp.toml` is called. What the loader and the import itself run counts.

Evidence and limits:
    Whether both come into any other process depends on what is imported together. Both load beside each other, and a script
    aborts at the first call into the second of the two, if each announces itself in shared memory: seen with 13 releases of
    Intel's libiomp5 from 2021.4.0 to 2026.2.0 and with LLVM's libomp of 13, 14, 15, 16 and 19 and of pyomp 0.6.0, each with
    each, in both orders. Libiomp5 of 2018.0.0, 2019.0, 2020.0.133 and 2021.1.2 announces itself in the process's
    environment alone, and is not noticed by those: where one does not need shm_open, nothing is certain.
    KMP_DUPLICATE_LIB_OK hides it: where that is set or named in a source that takes part, nothing is certain either. Every
    call is taken to return but those that may end the process. Instructions are followed on 64-bit x86, in functions that
    the module's own table of methods names, and not in objects that catch exceptions of C++; what Cython and pybind11 make
    is not told there. What was so before is reported as pre-existing.

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

from planner.afterwards import evidence_of
from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.abi.binaries import Binaries
    from planner.facts import Facts
    from planner.imports.running import Run
    from planner.model.plan import Finding
    from planner.reference import Reference
    from planner.rule import RuleContext

_RUNTIME = re.compile(r"^lib(gomp|iomp5|omp)(?:[-.][^/]*)?\.so(?:\.[0-9.]+)?$")
_AT_ODDS = frozenset({"iomp5", "omp"})
_ANNOUNCED = "shm_open"  # needed by a runtime that announces itself in shared memory, where the others look
_ALLOWS = "KMP_DUPLICATE_LIB_OK"
_NAMES = {"gomp": "GNU's libgomp", "iomp5": "Intel's libiomp5", "omp": "LLVM's libomp"}


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for the environment in which runtimes meet, one for each script that brings two of them together."""
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
    if after.keys() >= _AT_ODDS and ctx.imports is not None:
        for reference in ctx.surroundings.to(ctx.environment.prefix):
            if reference.modules and reference.kind != "virtualenv" and not reference.broken:
                yield from _in_one_process(ctx, reference)


def _in_one_process(ctx: RuleContext, reference: Reference) -> Iterator[Finding]:
    """The script, kernel or unit that imports modules of both runtimes that abort beside each other."""
    after, calls = _loaded(ctx, reference, after=True)
    if not after.keys() >= _AT_ODDS:
        return
    before, _ = _loaded(ctx, reference, after=False)
    sure = calls.keys() >= _AT_ODDS
    evidence = [evidence_of(reference)]
    for kind in sorted(_AT_ODDS):
        evidence += [calls[kind]] if sure else []
        evidence += [Evidence("file", path, f"{_NAMES[kind]}, needed by {user}") for path, user in after[kind][:1]]
    then = "surely calls both: the first call into the second one aborts it" if sure else "a call of both may abort it"
    yield finding(
        ctx,
        "ABI010",
        Severity.BLOCK,
        f"file:{reference.source}",
        f"{reference.source} imports {', '.join(reference.modules)}, which bring LLVM's libomp and Intel's libiomp5 into "
        f'one process, and {then} ("OMP: Error #15")',
        "choose builds that share one runtime (_openmp_mutex=*=*_llvm or *_gnu)",
        predicts="run",
        certain=sure,
        evidence=evidence,
        pre_existing=before.keys() >= _AT_ODDS,
    )


def _loaded(
    ctx: RuleContext, reference: Reference, *, after: bool
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, Evidence]]:
    """The runtimes that come with what a script imports at once, and for those that it surely calls, by what."""
    if ctx.imports is None or ctx.binaries is None:
        return {}, {}
    used: dict[str, tuple[str, str]] = {}
    run = ctx.imports.run(reference, after=after)
    for module in run.objects:
        for path in ctx.binaries.pulled_in(module, after=after):
            used.setdefault(path, ("", module))
    found = _runtimes(used)
    allowed = any(setting.variable == _ALLOWS for setting in ctx.surroundings.settings)
    if not after or not found.keys() >= _AT_ODDS or allowed or ctx.imports.name(_ALLOWS, run):
        return found, {}
    return found, dict(_called(ctx.binaries, run, found, ctx.facts))


def _called(
    binaries: Binaries, run: Run, found: dict[str, list[tuple[str, str]]], facts: Facts
) -> Iterator[tuple[str, Evidence]]:
    """The first sure call into each kind of runtime, of those that the others notice."""
    names = frozenset(row.function for row in facts.openmp)
    for kind in sorted(_AT_ODDS):
        noticed = [path for path, _ in found[kind] if binaries.asks_for(path, _ANNOUNCED, after=True)]
        for module, methods in run.objects.items():
            calls = (binaries.surely_called(module, methods, path, names, after=True) for path in noticed)
            call = next((call for call in calls if call is not None), None)
            if call is not None:
                by = f"its function {call.method}" if call.method else "its import"
                yield kind, Evidence("file", module, f"{by} calls {call.function} of {_NAMES[kind]}")
                break


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
