"""ABI006 numpy-capi: a module was built for another numpy than the planned one.

What it checks:
    Every extension module that stays, conda's, pip's and nobody's, and uses numpy's C API, when numpy changes.

Why it matters:
    Modules built with headers of numpy 1 do not run with numpy 2; those built with headers of numpy 2 run with older
    ones down to the version they name. Requirements seldom say so: packages of before 2024 have no upper bound, and
    wheels often state no numpy at all (ai2cm/ace#378, pytorch/pytorch#131668).

How it decides:
    By what the module itself holds: numpy's headers put "(NumPy X.Y)" into it, the oldest numpy it runs with, and it
    looks for the API in numpy._core if it was built with numpy 2. Where modules were not read: a requirement with an
    upper bound that is met holds; a build older than numpy 2.0's first beta (March 2024) was not built with it.

Evidence and limits:
    Certain where the module was read. torch before 2.3 starts all the same, with a warning ("Failed to initialize NumPy"),
    and fails at `.numpy()`: no import is foretold to fail for it. Modules that take numpy's arrays by other ways (pybind11,
    the buffer protocol) hold no such sentence and are not judged. A module that imports the API late breaks only then.

Example:
    pandas 2.0.3 stays, built with numpy 1; numpy goes from 1.26.4 to 2.0.2.

What to do:
    Let the package move to a build for numpy 2 in the same change, keep numpy below 2, or make a new environment.

References:
    numpy's guide "For downstream package authors", NumPy 2.0 ABI handling; numpy/_core/include/numpy/numpyconfig.h;
    pytorch/pytorch#107302 and #135013 for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.abi.series import held_by_requirement
from planner.model.plan import Edge, Evidence, Severity
from planner.pyabi import is_compiled, meta_path, split_spec
from planner.rule import Rule, finding
from planner.versions import compare, major, minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.abi.extensions import NumpyUse
    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SECOND = "2"
_FIRST_BETA = 1_709_251_200_000  # 2024-03-01: numpy 2.0.0b1 came on 2024-03-11; milliseconds


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each owner of modules that the planned numpy does not serve."""
    before, after = ctx.before_record("numpy"), ctx.after_record("numpy")
    if before is None or after is None or before.version == after.version:
        return
    broken: dict[str, list[tuple[str, NumpyUse]]] = {}
    for owner, path, use in ctx.binaries.numpy_users if ctx.binaries is not None else ():
        if owner.partition(":")[2] != "numpy" and not use.serves(after.version):
            broken.setdefault(owner, []).append((path, use))
    for owner, modules in sorted(broken.items()):
        yield _by_modules(ctx, owner, modules, before, after)
    yield from _by_requirements(ctx, before, after)


def _by_modules(
    ctx: RuleContext, owner: str, modules: list[tuple[str, NumpyUse]], before: PackageRecord, after: PackageRecord
) -> Finding:
    pre_existing = all(not use.serves(before.version) for _, use in modules)
    first = modules[0][1]
    if first.major == 1 and compare(major(after.version), _SECOND) >= 0:
        why = (
            f'built with numpy 1, it does not run with {after.version}: "A module that was compiled using NumPy 1.x '
            f'cannot be run in NumPy {after.version} as it may crash"'
        )
        built = "built with headers of numpy 1"
    else:
        why = (
            f'it needs numpy {first.target} or newer: "module was compiled against NumPy C-API version (NumPy '
            f'{first.target}) but the running NumPy has" an older one'
        )
        built = f"it names (NumPy {first.target})"
    stops = any(use.stops for _, use in modules)
    if not stops:
        why += "; torch starts with a warning, and fails when it needs numpy"
    evidence = tuple(Evidence("file", path, built) for path, _ in modules)
    name = owner.partition(":")[2]
    others = f" and {len(modules) - 1} more modules" if len(modules) > 1 else ""
    told = f"{modules[0][0]}{others} of {name} stays"
    return finding(
        ctx,
        "ABI006",
        Severity.BLOCK,
        owner,
        f"numpy goes from {before.version} to {after.version}, and {told} as it is; {why}",
        _remedy(name, before),
        predicts="import" if stops else None,
        evidence=evidence,
        edges=(_edge(owner, built, "broken", evidence[:1]),),
        pre_existing=pre_existing,
    )


def _by_requirements(ctx: RuleContext, before: PackageRecord, after: PackageRecord) -> Iterator[Finding]:
    """The same for packages and distributions whose modules were not read, when numpy's major changes."""
    if major(before.version) == major(after.version):
        return
    for record in ctx.kept:
        if record.name == "numpy" or not any(split_spec(line)[0] == "numpy" for line in record.depends):
            continue
        files = ctx.files(record)
        was_read = ctx.binaries is not None and ctx.binaries.was_read(record)
        if was_read or is_compiled(record, files) is False or record.noarch is not None:
            continue
        held, line = held_by_requirement(record, after)
        if held is None:
            yield _by_requirement(ctx, record, line, before, after)
    for dist in ctx.environment.pip_dists:
        reachable = dist.python is None or dist.python == ctx.python_minor_after
        line = next((text for text in dist.requires_dist if split_spec(text)[0] == "numpy"), "")
        unread = ctx.binaries is None or ctx.binaries.unread_dist(dist)
        if reachable and dist.compiled and line and unread and compare(after.version, before.version) > 0:
            yield _unread_dist(ctx, dist.name, dist.display_name, line, after)


def _by_requirement(
    ctx: RuleContext, record: PackageRecord, line: str, before: PackageRecord, after: PackageRecord
) -> Finding:
    early = record.timestamp is not None and record.timestamp < _FIRST_BETA
    why = (
        "it was built before numpy 2 was there, and states no upper bound"
        if early
        else "which numpy it was built with is not known"
    )
    evidence = (
        Evidence("metadata", meta_path(record), f"depends: {line}"),
        *([Evidence("metadata", meta_path(record), f"timestamp: {record.timestamp}")] if early else []),
    )
    return finding(
        ctx,
        "ABI006",
        Severity.BLOCK,
        f"conda:{record.name}",
        f"numpy goes from {before.version} to {after.version}, and {record.label} stays as it is; {why}",
        _remedy(record.name, before),
        certain=False,
        evidence=evidence,
        edges=(_edge(f"conda:{record.name}", line, "unverified", evidence[:1]),),
    )


def _unread_dist(ctx: RuleContext, name: str, shown: str, line: str, after: PackageRecord) -> Finding:
    evidence = (Evidence("metadata", f"pip:{name}", f"Requires-Dist: {line}"),)
    return finding(
        ctx,
        "ABI006",
        Severity.BLOCK,
        f"pip:{name}",
        f"pip's {shown} is compiled and needs numpy, which becomes {after.version}; which numpy it was built with is not "
        "known, for its files cannot be read",
        "ask again where its files can be read, or install it again after the change",
        certain=False,
        evidence=evidence,
        edges=(_edge(f"pip:{name}", line, "unverified", evidence),),
    )


def _edge(owner: str, requirement: str, status: str, evidence: tuple[Evidence, ...]) -> Edge:
    return Edge(owner, "conda:numpy", "numpy_capi", requirement, status, evidence)  # type: ignore[arg-type]  # one of its words


def _remedy(name: str, before: PackageRecord) -> str:
    return (
        f"let {name} move to a build for the planned numpy in the same change, keep numpy at {minor(before.version)}, "
        "or make a new environment"
    )


RULE = Rule(
    id="ABI006",
    name="numpy-capi",
    title="A module was built for another numpy than the planned one",
    severity=Severity.BLOCK,
    check=check,
)
