"""PIP004 overwritten: pip has written over files that conda owns.

What it checks:
    The file lists of pip's distributions that python sees now, against those of conda's packages that bring the same
    distribution or import name: paths in both, with another content in each.

Why it matters:
    Conda believes these files to be its own. When its package changes or leaves, it removes them by their paths, and
    pip's distribution is left with holes; a clone of the environment becomes a hybrid of the two.

How it decides:
    By the hashes in conda-meta and in RECORD. It warns. Where the change replaces or removes conda's package, what pip
    wrote is lost by it; where it does not, it was so before. Where conda's package leaves, every path in both lists
    counts, whatever its content: conda removes them all.

Evidence and limits:
    Both lists are read, and a few Python sources are looked at to see whose content lies there: a file that still holds
    conda's is not counted. Paths without a hash on either side do not count. A package whose distribution and import
    names are all others is not compared, nor are the links and scripts that hashes do not cover.

Example:
    pip upgraded numpy over conda's numpy 1.21.5; conda then removes 612 of the files that pip wrote.

What to do:
    Before the change, remove pip's copy and let conda install its own again (`conda install --force-reinstall NAME`); do
    not clone such an environment.

References:
    conda/conda#9063, conda/conda#1769, conda/conda#9943.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.cuda import pip_label
from planner.model.plan import Evidence, Severity
from planner.pip_after import dist_name, seen_by
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.model.installed import PackageRecord, PipDist, SharedPath
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each pair of a pip distribution and a conda package whose files it has overwritten."""
    environment = ctx.environment
    for dist in seen_by(environment.pip_dists, environment.python):
        for record in _candidates(ctx, dist):
            shared = ctx.shared(record, dist)
            written = [item for item in shared if item.same is False and item.holds != "conda"]
            change = ctx.change(record.name)
            if change is not None and change.after is None and any(not _is_cache(item.path) for item in shared):
                yield _lost(ctx, dist, record, shared)
            elif written:
                yield _finding(ctx, dist, record, written)


def _candidates(ctx: RuleContext, dist: PipDist) -> list[PackageRecord]:
    """The packages that bring the same distribution, by their dist-info or their name, or an import name of it."""
    owners = {
        other.owner
        for other in ctx.environment.dists
        if other.owner is not None and (other.name == dist.name or set(other.top_level) & set(dist.top_level))
    }
    return [record for record in ctx.environment.records if record.name in owners or dist_name(record) == dist.name]


def _is_cache(path: str) -> bool:
    return path.endswith((".pyc", "/INSTALLER", "/RECORD", "/REQUESTED"))


def _is_missed(path: str) -> bool:
    """Whether a module goes with a file. Without its `__init__`, a folder is a namespace; tests are nobody's module."""
    folders, _, name = path.rpartition("/")
    return name.endswith((".py", ".pyd", ".so")) and name != "__init__.py" and "tests" not in folders.split("/")


def _lost(ctx: RuleContext, dist: PipDist, record: PackageRecord, shared: tuple[SharedPath, ...]) -> Finding:
    """Conda removes by its list, and what lies there is pip's."""
    count = f"{len(shared)} path{'' if len(shared) == 1 else 's'}"
    gone = dist_name(record) == dist.name or any(_is_missed(item.path) for item in shared)
    return finding(
        ctx,
        "PIP004",
        Severity.WARN,
        f"pip:{dist.name}",
        f"{pip_label(dist)} has {count} in common with {record.name} {record.version} of conda, which leaves and takes them away",
        f"install {dist.name}=={dist.version} again by pip after the change",
        # In another python's folder it is out of sight anyway, which is PIP001's.
        predicts="gone" if gone and not ctx.python_minor_moves else None,
        evidence=_both(dist, record, shared, f"{count} are in conda-meta/{record.dist_name}.json too"),
    )


def _both(dist: PipDist, record: PackageRecord, shared: Sequence[SharedPath], what: str) -> tuple[Evidence, ...]:
    shown = (Evidence("file", item.path, f"in the list of {record.name} and in pip's") for item in shared[:_SHOWN])
    return (Evidence("metadata", f"{dist.metadata_path}/RECORD", what), *shown)


def _finding(ctx: RuleContext, dist: PipDist, record: PackageRecord, written: list[SharedPath]) -> Finding:
    # A package that is linked again for another python leaves the old folder, with whatever lies under its paths there.
    touched = ctx.change(record.name) is not None
    count = f"{len(written)} file{'' if len(written) == 1 else 's'}"
    then = f"; changing {record.name} takes them away" if touched else ""
    return finding(
        ctx,
        "PIP004",
        Severity.WARN,
        f"pip:{dist.name}",
        f"{pip_label(dist)} has overwritten {count} of {record.name} {record.version}{then}",
        f"remove pip's copy of {dist.name} and let conda install {record.name} again{' before the change' if touched else ''}",
        evidence=_both(dist, record, written, f"{count} with other hashes than in conda-meta/{record.dist_name}.json"),
        pre_existing=not touched,
    )


RULE = Rule(
    id="PIP004",
    name="overwritten",
    title="Pip has written over files that conda owns",
    severity=Severity.WARN,
    check=check,
)
