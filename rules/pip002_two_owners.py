"""PIP002 two-owners: conda and pip both provide one distribution, or one import name.

What it checks:
    Every distribution of pip's that python sees after the change, against what conda's packages would bring: the same
    distribution by its normalised name (pip's torch and conda's pytorch), or the same import name with the same files.

Why it matters:
    Both lie in one site-packages and write the same paths: what is imported is a mixture, or the one written last, and
    each tool believes that its own is there. The next update of either breaks the other.

How it decides:
    Conda's side is told by the dist-info in its packages, else by the mapping of names. It warns; it blocks where the
    versions differ. It is new where the change brings or changes conda's package, which then overwrites pip's files;
    where nothing of it changes it was so before. Two names of different distributions count only where both lists have
    the same file.

Evidence and limits:
    Read from records, RECORD and the hashes in both. Which one is imported today is told by Python sources that differ
    and lie there with one side's content; where none was looked at, it is not known. The files of a package that is not
    installed yet are nowhere on record, so that its import names are not compared.

Example:
    pip's torch 1.9.0 was installed over conda's pytorch 1.6.0: `import torch` gets 1.9.0, conda lists 1.6.0.

What to do:
    Choose one owner: remove pip's copy (`python -m pip uninstall NAME`) and let conda install its own again
    (`conda install --force-reinstall NAME`), or make a new environment in which only one of them provides it.

References:
    facebookresearch/detectron2#3351; conda/conda#9063.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda import pip_label
from planner.model.plan import Evidence, Severity
from planner.pip_after import environment_after
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.installed import PackageRecord, PipDist, SharedPath
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each distribution of pip's that conda provides as well."""
    if ctx.after is None:
        return
    planned = environment_after(ctx.environment, ctx.after, ctx.planned_python)
    brought: dict[str, PipDist] = {}
    for dist in planned.dists:
        if dist.owner is not None:
            brought.setdefault(dist.name, dist)
    for dist in planned.pip_dists:
        conda = brought.get(dist.name)
        if conda is not None:
            yield _same_dist(ctx, dist, conda)
        else:
            yield from _same_import(ctx, dist, [other for other in planned.dists if other.owner is not None])


def _same_dist(ctx: RuleContext, dist: PipDist, conda: PipDist) -> Finding:
    record = ctx.after_record(conda.owner or "")
    assert record is not None  # noqa: S101 -- what is brought is brought by a record after the change
    change = ctx.change(record.name)
    touched = change is not None and change.action != "relink"
    differ = not conda.version or conda.version != dist.version
    installed = ctx.before_record(record.name)
    shared = ctx.shared(installed, dist) if installed is not None else ()
    if touched:
        what = f"conda would write its files over pip's{_of_its_own(shared)}"
    else:
        what = _imported(shared, dist, record)
    return finding(
        ctx,
        "PIP002",
        Severity.BLOCK if differ else Severity.WARN,
        f"pip:{dist.name}",
        f"{pip_label(dist)} is provided by conda as well, as {record.name} {record.version}: {what}",
        f"keep one owner: remove pip's copy of {dist.name} and let conda install {record.name} again, "
        "or make a new environment with only one of them",
        # Of equal versions the files are conda's from then on, and pip's copy is none of its own any more.
        predicts="gone" if touched else None,
        evidence=(
            Evidence("metadata", dist.metadata_path, f"version: {dist.version}, not owned by conda"),
            Evidence("metadata", record.url or record.dist_name, f"version: {record.version}"),
            *_paths(shared),
        ),
        pre_existing=not touched,
    )


def _same_import(ctx: RuleContext, dist: PipDist, others: list[PipDist]) -> Iterator[Finding]:
    """Another distribution of conda's with the same import name, where both lists have the same module."""
    for other in others:
        names = set(dist.top_level) & set(other.top_level)
        record = ctx.before_record(other.owner or "") if names else None
        shared = ctx.shared(record, dist) if record is not None else ()
        modules = [item for item in shared if _is_module_of(item.path, dist.location, names)]
        if record is None or not modules:
            continue
        name = min(names)
        yield finding(
            ctx,
            "PIP002",
            Severity.WARN,
            f"pip:{dist.name}",
            f"{pip_label(dist)} and {record.name} {record.version} of conda both provide the import name {name}",
            f"keep one owner of {name}: remove one of the two",
            evidence=(
                Evidence("metadata", f"{dist.metadata_path}/RECORD", f"names {modules[0].path}"),
                *_paths(modules),
            ),
            pre_existing=True,
        )
        return


def _is_module_of(path: str, location: str, names: set[str]) -> bool:
    rest = path.removeprefix(f"{location}/")
    return any(rest in {f"{name}/__init__.py", f"{name}.py"} for name in names)


def _of_its_own(shared: tuple[SharedPath, ...]) -> str:
    return f", {len(shared)} paths are in both lists" if shared else ""


def _imported(shared: tuple[SharedPath, ...], dist: PipDist, record: PackageRecord) -> str:
    """Which of the two lies there, as far as the files looked at tell."""
    held = {item.holds for item in shared if item.holds is not None}
    if held == {"pip"}:
        return f"{len(shared)} paths are in both lists, and those looked at hold pip's {dist.version}, which is what is imported"
    if held == {"conda"}:
        return f"{len(shared)} paths are in both lists, and those looked at hold conda's {record.version}, which is what is imported"
    if held:
        return f"{len(shared)} paths are in both lists, and their content is a mixture of the two"
    if shared and all(item.same for item in shared):
        return f"{len(shared)} paths are in both lists, with the same content"
    return "which of the two is imported is not known"


def _paths(shared: tuple[SharedPath, ...] | list[SharedPath]) -> Iterator[Evidence]:
    differing = [item for item in shared if item.same is False] or list(shared)
    for item in differing[:_SHOWN]:
        holds = f", holds {item.holds}'s content" if item.holds in {"conda", "pip"} else ""
        yield Evidence("file", item.path, f"in conda's list and in pip's{holds}")


RULE = Rule(
    id="PIP002",
    name="two-owners",
    title="Conda and pip both provide one distribution or import name",
    severity=Severity.WARN,
    check=check,
)
