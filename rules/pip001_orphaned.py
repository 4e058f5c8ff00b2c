r"""PIP001 orphaned: what pip installed does not move with python.

What it checks:
    Every Python distribution that conda does not own, when the minor version of the environment's python changes (or
    python leaves).

Why it matters:
    Conda links only its own packages again for a new python. What pip installed stays in
    `lib/pythonOLD/site-packages`, which the new python does not read: on Unix all of it is gone at once, without a
    word from any tool. On Windows `Lib\site-packages` has no version in its path: everything stays visible, and
    what was compiled for the old python fails at import.

How it decides:
    On Unix by the folder a distribution lies in. It blocks where it is compiled (bound to one python by its wheel tag, or
    abi3), or where a conda package that was asked for requires it without condition (Requires-Dist); else it is a
    warning. Where the new python's folder holds a distribution of that name from an earlier time, python finds that one:
    nothing is said of the same version, and a warning of another. On Windows only what is bound to the old python by its
    wheel tag or the names of its modules fires; pure and abi3 ones do not. Each is told its class (pure, abi3, tagged
    for one python, built from source, editable, local; bound to torch or numpy) and what it takes to have it again: the
    same wheel, a wheel for the new python or building, building from source again, its source, or another version, where
    Requires-Python turns the new python away. Where the request has no solution but forces a python minor, the rule
    judges the request.

Evidence and limits:
    Read from WHEEL, RECORD and direct_url.json. Unverified: a distribution that has neither RECORD nor wheel tags; on
    Windows also an editable one, whose modules lie in its source tree, and an untagged `.pyd` without wheel tags.
    Whether a wheel for the new python exists is not known here: no index is asked. Distributions that already lie in
    the folder of another python were not importable before and are not reported.

Example:
    base moves from python 3.9 to 3.10; numpy 1.20.3 (cp39) stays behind in lib/python3.9/site-packages.

What to do:
    Install them again for the new python (the migration's requirements.txt lists them).

References:
    conda/conda-pypi#11; conda/core/solve.py (only noarch python records are linked again).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner.model.plan import Edge, Evidence, Severity
from planner.pip_classes import abi3_floor, bound_to, built_from_source, class_known, number, renewal
from planner.rule import Rule, finding
from planner.torch_extensions import bound_to_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PipDist
    from planner.model.plan import EdgeStatus, Finding, Prediction
    from planner.rule import RuleContext

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class _Fate(Struct, frozen=True):
    """What becomes of one distribution, in words and in the contract's terms."""

    text: str
    predicts: Prediction
    certain: bool = True


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each distribution that is lost."""
    planned = ctx.python_minor_after
    leaves = ctx.after is not None and ctx.environment.python is not None and ctx.after_record("python") is None
    if not leaves and (planned is None or planned == ctx.python_minor_before):
        return
    needed = _needed(ctx)
    for dist in ctx.environment.pip_dists:
        fate = _fate(ctx, dist, None if leaves else planned)
        if fate is None:
            continue
        waiting = None if leaves else _waiting(ctx, dist, planned)
        if waiting is None:
            found = _finding(ctx, dist, fate, None if leaves else planned, needed.get(dist.name))
            dead = ctx.imports is not None and ctx.imports.dead(dist)
            yield replace(found, pre_existing=dead)
        elif waiting.version != dist.version:
            yield _replaced(ctx, dist, waiting)


def _waiting(ctx: RuleContext, dist: PipDist, planned: str | None) -> PipDist | None:
    """The distribution of the same name that lies in the planned python's folder already."""
    if ctx.on_windows:
        return None
    others = (other for other in ctx.environment.pip_dists if other.name == dist.name and other is not dist)
    return next((other for other in others if other.python and other.python.rstrip("t") == planned), None)


def _replaced(ctx: RuleContext, dist: PipDist, waiting: PipDist) -> Finding:
    return finding(
        ctx,
        "PIP001",
        Severity.WARN,
        f"pip:{dist.name}",
        f"{dist.display_name} {dist.version} (pip) stays behind in {dist.location}, and python {waiting.python} finds "
        f"{waiting.version}, which lies in {waiting.location} from an earlier time",
        f"install {dist.name}=={dist.version} again for python {waiting.python}, if it is to be that version",
        evidence=(Evidence("metadata", waiting.metadata_path, f"version: {waiting.version}"),),
    )


def _fate(ctx: RuleContext, dist: PipDist, planned: str | None) -> _Fate | None:
    """What becomes of a dist under python `planned` (None: python leaves); None when nothing changes for it."""
    before = ctx.python_minor_before
    folder = dist.python.rstrip("t") if dist.python else None
    if before is not None and folder is not None and folder != before:
        return None
    if planned is None:
        return _Fate("has no python to be imported by: python itself leaves", "import")
    if ctx.on_windows:
        return _fate_on_windows(dist, planned, before)
    if folder == planned:
        return None
    lies = f"lies in {dist.location}"
    if before is None:
        # Without a python on record nothing worked before, unless its record is one of those that could not be read.
        broken = bool(ctx.environment.problems)
        return _Fate(f"{lies}, which python {planned} does not read", "gone", certain=False) if broken else None
    if folder is None:
        return _Fate(f"{lies}; whether python {planned} reads it is not known", "gone", certain=False)
    return _Fate(f"stays behind in {dist.location}, which python {planned} does not read", "gone", class_known(dist))


def _fate_on_windows(dist: PipDist, planned: str, before: str | None) -> _Fate | None:
    if dist.kind == "editable" and not dist.extensions:
        return _Fate(
            "is editable; whether its source tree holds modules for one python is not known", "import", certain=False
        )
    if not class_known(dist):
        return _Fate("has neither RECORD nor wheel tags: whether it is compiled is not known", "import", certain=False)
    if not dist.compiled:
        return None
    stays = f"stays visible in {dist.location}"
    if dist.kind == "abi3":
        floor = abi3_floor(dist)
        if floor is None or number(floor) <= number(planned):
            return None
        text = f"{stays}, but is abi3 from python {floor} on; whether python {planned} can import it is not known"
        return _Fate(text, "import", certain=False)
    bound = bound_to(dist)
    if not bound:
        if dist.tags:
            return None  # `py3-none-win_amd64` says itself that no python ABI is needed
        text = f"{stays}; its modules do not say for which python they were built"
        return _Fate(text, "import", certain=False)
    if planned in bound or (before is not None and before not in bound):
        return None
    return _Fate(f"{stays}, but python {planned} cannot import its compiled modules", "import")


def _finding(ctx: RuleContext, dist: PipDist, fate: _Fate, planned: str | None, need: str | None) -> Finding:
    subject = f"pip:{dist.name}"
    blocks = dist.compiled or need is not None or not class_known(dist)
    evidence = tuple(_evidence(dist, planned))
    why = f"; {need} requires it" if need else ""
    return finding(
        ctx,
        "PIP001",
        Severity.BLOCK if blocks else Severity.WARN,
        subject,
        f"{dist.display_name} {dist.version} (pip, {_class(dist, planned)}) {fate.text}{why}",
        _remedy(dist, planned),
        predicts=fate.predicts,
        certain=fate.certain,
        evidence=evidence,
        edges=_edges(dist, subject, evidence, certain=fate.certain),
    )


def _edges(dist: PipDist, subject: str, evidence: tuple[Evidence, ...], *, certain: bool) -> tuple[Edge, ...]:
    """The ABI edge of a dist bound to one python; a pure or abi3 dist loses its folder, not its ABI."""
    bound = bound_to(dist) if dist.kind == "tagged" else ()
    status: EdgeStatus = "broken" if certain else "unverified"
    return tuple(
        Edge(subject, "conda:python", "python_abi", f"cp{python.replace('.', '')}", status, evidence[:1])
        for python in bound[:1]
    )


def _class(dist: PipDist, planned: str | None) -> str:
    """Its class, as it stands in brackets behind its name."""
    kind = dist.kind
    if not class_known(dist):
        return "class unknown"
    if kind in {"pure", "local"}:
        return kind
    if kind == "editable":
        return "editable, compiled" if dist.compiled else "editable"
    also = [*(["built from source"] if built_from_source(dist) else []), *_bindings(dist)]
    if kind == "abi3":
        serves = planned is not None and renewal(dist, planned) == "same"
        first = f"abi3: compiled, the same wheel serves python {planned}" if serves else "abi3: compiled"
    else:
        bound = bound_to(dist)
        first = f"compiled for cp{bound[0].replace('.', '')}" if bound else "compiled"
    return ", ".join([first, *also])


def _bindings(dist: PipDist) -> list[str]:
    """What else its compiled code is made against, as far as its metadata tells."""
    names = ["torch"] if bound_to_torch(dist) else []
    if any(_named(line) == "numpy" and "extra" not in line for line in dist.requires_dist):
        names.append("numpy")
    return [f"bound to {' and '.join(names)}"] if names else []


def _remedy(dist: PipDist, planned: str | None) -> str:
    python = f" for python {planned}" if planned else ""
    spec = f"{dist.name}=={dist.version}"
    match renewal(dist, planned):
        case "refused":
            return (
                f"install another version of {dist.name}{python}: this one says Requires-Python {dist.requires_python}"
            )
        case "rebuild":
            return f"build {spec} again{python}: it was built from source, and no published wheel of it was used"
        case "wheel" if dist.compiled:
            return f"install {spec} again{python}: it needs a wheel for that python, or building from source"
        case "source" if dist.direct_url is not None:
            how = "in editable mode " if dist.direct_url.editable else ""
            return f"install it again{python} {how}from {dist.direct_url.url}"
        case _:
            where = f" from {dist.direct_url.url}" if dist.direct_url is not None else ""
            return f"install {spec} again{python}{where}"


def _evidence(dist: PipDist, planned: str | None) -> Iterator[Evidence]:
    folder = dist.metadata_path
    if dist.tags:
        yield from (Evidence("metadata", f"{folder}/WHEEL", f"Tag: {tag}") for tag in dist.tags[:1])
    elif dist.files_known:
        yield Evidence("metadata", folder, "no wheel tags")
    else:
        yield Evidence("metadata", folder, "no RECORD and no wheel tags")
    if dist.extensions:
        yield Evidence("metadata", f"{folder}/RECORD", f"names {dist.extensions[0]}")
    if dist.requires_python and renewal(dist, planned) == "refused":
        yield Evidence("metadata", f"{folder}/METADATA", f"Requires-Python: {dist.requires_python}")
    if dist.direct_url is not None:
        what = "editable" if dist.direct_url.editable else "url"
        yield Evidence("metadata", f"{folder}/direct_url.json", f"{what}: {dist.direct_url.url}")


def _needed(ctx: RuleContext) -> dict[str, str]:
    """The dists that conda packages which were asked for require without condition, each with who does."""
    environment = ctx.environment
    pip = {dist.name: dist for dist in environment.pip_dists}
    needed: dict[str, str] = {}
    for dist in environment.dists:
        if dist.owner is None or dist.owner not in ctx.requested_names:
            continue
        queue = [dist]
        while queue:
            for name in _requirements(queue.pop(0)):
                if name in pip and name not in needed:
                    needed[name] = f"{dist.owner}, which was asked for,"
                    queue.append(pip[name])
    return needed


def _requirements(dist: PipDist) -> list[str]:
    """The names of what a dist requires without a marker: with one, it depends on a python that is not ours."""
    return [name for line in dist.requires_dist if ";" not in line and (name := _named(line))]


def _named(line: str) -> str | None:
    """The normalised name that a Requires-Dist line is about."""
    match = _REQUIREMENT.match(line)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else None


RULE = Rule(
    id="PIP001",
    name="orphaned",
    title="What pip installed does not move with python",
    severity=Severity.WARN,
    check=check,
)
