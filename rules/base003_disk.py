"""BASE003 disk: there is not enough room for the change, or for the new environment.

What it checks:
    What the packages that come need, against the room that this user has where conda's package cache lies: for the change
    itself, and for the new environment of the migration.

Why it matters:
    conda fetches and unpacks everything before it links. With too little room it breaks off; when it breaks off while it
    links, the environment is left half changed.

How it decides:
    A package that lies unpacked in the cache needs nothing. Any other needs at least its archive and as much again unpacked:
    less room than that is a block. Archives usually unpack to three times their size and more; where only that would not
    fit, the block is unverified.

Evidence and limits:
    Sizes are those of the archives as the channel states them; how large the files are is not stated. Linked files
    need no room of their own where the cache and the environment are on one device; elsewhere they are copied, which counts
    as unpacked once more. Quotas that the file system does not report are not seen.

Example:
    pytorch with CUDA needs 2 GB fetched and 6 GB unpacked, and the home has 1 GB left.

What to do:
    Make room (`conda clean --tarballs --packages` where no environment links into the cache), or move the cache
    (`pkgs_dirs`) to a larger disk.

References:
    conda's configuration (pkgs_dirs); statvfs(3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.reference import Room
    from planner.rule import RuleContext

_USUALLY = 3  # an archive's content is about this many times its size
_MEGA = 1_000_000


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for the change and one for the new environment, where there is no room for it."""
    disk = ctx.surroundings.disk
    if ctx.host.source == "assumed":
        return  # the change is for another machine: this one's room says nothing of it
    coming = [change.after for change in ctx.changes if change.after is not None and change.action != "relink"]
    yield from _finding(ctx, coming, disk.target, "the change", "host:disk")
    yield from _finding(ctx, ctx.new_environment(), disk.new, "the new environment of the migration", "host:disk-new")


def _finding(
    ctx: RuleContext, records: Iterable[PackageRecord], prefix: Room | None, what: str, subject: str
) -> Iterator[Finding]:
    cache = ctx.surroundings.disk.cache
    if cache is None:
        return
    cached = ctx.surroundings.disk.cached
    archives = sum(record.size or 0 for record in records if record.dist_name not in cached)
    copies = 0 if prefix is None or prefix.device == cache.device else 1
    at_least, usually = archives * 2, archives * (1 + _USUALLY)
    if copies and prefix is not None and prefix.free < archives:
        cache, at_least, usually = prefix, archives, archives * _USUALLY
    if usually <= cache.free:
        return
    certain = at_least > cache.free
    verb = "needs" if certain else "probably needs"
    yield finding(
        ctx,
        "BASE003",
        Severity.BLOCK,
        subject,
        f"{what} {verb} {_size(at_least if certain else usually)}, and {cache.folder} has room for {_size(cache.free)}",
        "make room there, or move the package cache (pkgs_dirs) to a larger disk",
        certain=certain,
        evidence=(Evidence("file", cache.folder, f"{cache.free} bytes free; the archives to fetch have {archives}"),),
    )


def _size(number: int) -> str:
    return f"{number / _MEGA:,.0f} MB"


RULE = Rule(
    id="BASE003",
    name="disk",
    title="There is not enough room for the change, or for the new environment",
    severity=Severity.BLOCK,
    check=check,
    late=True,
)
