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
    warning. On Windows only what is bound to the old python by its wheel tag or the names of its modules fires; pure
    and abi3 ones do not. Each is told its class: pure, abi3 (the same wheel can be installed again), tagged
    (needs a wheel for the new python, or building), editable, local. Where the request has no solution but
    forces a python minor, the rule judges the request.

Evidence and limits:
    Read from WHEEL, RECORD and direct_url.json. Unverified: a distribution that has neither RECORD nor wheel tags; on
    Windows also an editable one, whose modules lie in its source tree, and an untagged `.pyd` without wheel tags.
    Whether a wheel for the new python exists is not known here. Distributions that already lie in
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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.model import Edge, Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model import EdgeStatus, Finding, PipDist, Prediction
    from planner.rule import RuleContext

_PYTHON_TAG = re.compile(r"^(?:cp|pp|jy|ip)(\d)(\d+)$")
_MODULE_TAG = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[a-z]*(?:-[^/]*)?\.(?:so|pyd)$", re.IGNORECASE)
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class _Fate:
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
        if fate is not None:
            yield _finding(ctx, dist, fate, None if leaves else planned, needed.get(dist.name))


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
    return _Fate(f"stays behind in {dist.location}, which python {planned} does not read", "gone", _class_known(dist))


def _fate_on_windows(dist: PipDist, planned: str, before: str | None) -> _Fate | None:
    if dist.kind == "editable" and not dist.extensions:
        return _Fate(
            "is editable; whether its source tree holds modules for one python is not known", "import", certain=False
        )
    if not _class_known(dist):
        return _Fate("has neither RECORD nor wheel tags: whether it is compiled is not known", "import", certain=False)
    if not dist.compiled:
        return None
    stays = f"stays visible in {dist.location}"
    if dist.kind == "abi3":
        floor = _abi3_floor(dist)
        if floor is None or _number(floor) <= _number(planned):
            return None
        text = f"{stays}, but is abi3 from python {floor} on; whether python {planned} can import it is not known"
        return _Fate(text, "import", certain=False)
    bound = _bound(dist)
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
    blocks = dist.compiled or need is not None or not _class_known(dist)
    evidence = tuple(_evidence(dist))
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
    bound = _bound(dist) if dist.kind == "tagged" else ()
    status: EdgeStatus = "broken" if certain else "unverified"
    return tuple(
        Edge(subject, "conda:python", "python_abi", f"cp{python.replace('.', '')}", status, evidence[:1])
        for python in bound[:1]
    )


def _class(dist: PipDist, planned: str | None) -> str:
    kind = dist.kind
    if not _class_known(dist):
        return "class unknown"
    if kind == "editable":
        return "editable, compiled" if dist.compiled else "editable"
    if kind == "abi3":
        floor = _abi3_floor(dist)
        reusable = planned is not None and floor is not None and _number(floor) <= _number(planned)
        return f"abi3: compiled, the same wheel serves python {planned}" if reusable else "abi3: compiled"
    if kind == "tagged":
        bound = _bound(dist)
        return f"compiled for cp{bound[0].replace('.', '')}" if bound else "compiled"
    return "local" if kind == "local" else "pure"


def _remedy(dist: PipDist, planned: str | None) -> str:
    python = f" for python {planned}" if planned else ""
    spec = f"{dist.name}=={dist.version}"
    if dist.direct_url is not None:
        how = "in editable mode " if dist.direct_url.editable else ""
        return f"install it again{python} {how}from {dist.direct_url.url}"
    if dist.kind == "tagged" and (_bound(dist) or not dist.tags):
        return f"install {spec} again{python}: it needs a wheel for that python, or building from source"
    return f"install {spec} again{python}"


def _evidence(dist: PipDist) -> Iterator[Evidence]:
    folder = dist.metadata_path
    if dist.tags:
        yield from (Evidence("metadata", f"{folder}/WHEEL", f"Tag: {tag}") for tag in dist.tags[:1])
    elif dist.files_known:
        yield Evidence("metadata", folder, "no wheel tags")
    else:
        yield Evidence("metadata", folder, "no RECORD and no wheel tags")
    if dist.extensions:
        yield Evidence("metadata", f"{folder}/RECORD", f"names {dist.extensions[0]}")
    if dist.direct_url is not None:
        what = "editable" if dist.direct_url.editable else "url"
        yield Evidence("metadata", f"{folder}/direct_url.json", f"{what}: {dist.direct_url.url}")


def _class_known(dist: PipDist) -> bool:
    return dist.files_known or bool(dist.tags) or dist.kind == "editable"


def _bound(dist: PipDist) -> tuple[str, ...]:
    """The pythons (X.Y) that a dist's tags, or the names of its modules, bind it to; empty when they name none."""
    tagged = []
    for tag in dist.tags:
        python, _, rest = tag.partition("-")
        match = _PYTHON_TAG.match(python)
        if match and not rest.startswith(("none-", "abi3-")):
            tagged.append(f"{match[1]}.{match[2]}")
    named = [f"{match[1]}.{match[2]}" for path in dist.extensions if (match := _MODULE_TAG.search(path))]
    return tuple(sorted(set(tagged or named), key=_number))


def _abi3_floor(dist: PipDist) -> str | None:
    """The oldest python that an abi3 dist's tags promise (`3.8` of `cp38-abi3-...`)."""
    found = [
        f"{match[1]}.{match[2] or '0'}"
        for tag in dist.tags
        if "-abi3-" in tag and (match := re.match(r"^cp(\d)(\d*)$", tag.partition("-")[0]))
    ]
    return min(found, key=_number, default=None)


def _number(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split(".") if part.isdigit())


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
    matches = (_REQUIREMENT.match(line) for line in dist.requires_dist if ";" not in line)
    return [re.sub(r"[-_.]+", "-", match[1]).lower() for match in matches if match]


RULE = Rule(
    id="PIP001",
    name="orphaned",
    title="What pip installed does not move with python",
    severity=Severity.WARN,
    check=check,
)
