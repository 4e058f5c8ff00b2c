"""ENV006 shared-inode: a file that changes is one with a file of another environment, outside the package cache's rule.

What it checks:
    The files of the packages that change: whether another environment has the very same file (one inode) under the same
    path, without a record of that build.

Why it matters:
    conda links files from its cache, so that environments with the same build share them; it never writes into one, it
    unlinks it. A link that somebody else made (`cp -al`, a backup, a container layer) is not counted by anyone: whoever
    edits such a file in place changes both, and one that is deleted in the one stays in the other without an owner.

How it decides:
    By device and inode of files with more than one link. Where the other environment has the same build on record, the
    cache explains it.

Evidence and limits:
    A note: conda's own change leaves the other file as it is. Looked at under the same path of the other environments
    alone; links elsewhere on the disk are not found.

Example:
    envs/copy was made with `cp -al` from base, and then got another numpy on record.

What to do:
    Break the link (`cp --remove-destination`), or make the other environment with `conda create --clone`.

References:
    conda/core/link.py (determine_link_type); conda/conda#6861.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.model.plan import Evidence, Severity
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Finding
    from planner.rule import RuleContext

_SHOWN = 3


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each changing package and other environment."""
    names = {environment.prefix: environment.name for environment in ctx.installation.environments}
    for change in ctx.changes:
        if change.before is None or change.action == "relink":
            continue
        by_other: dict[str, list[tuple[str, str, int]]] = {}
        for file in ctx.surroundings.shared(change.before):
            by_other.setdefault(file.other_prefix, []).append((file.path, file.other, file.links))
        for prefix, files in sorted(by_other.items()):
            number = (
                f"{len(files)} files of it are one with files" if len(files) > 1 else "a file of it is one with a file"
            )
            yield finding(
                ctx,
                "ENV006",
                Severity.NOTE,
                f"conda:{change.name}",
                f"{change.name} {change.before.version} changes, and {number} of "
                f"{names.get(prefix, prefix)}, which has no record of this build",
                "nothing needs to be done for this change: conda unlinks its files and does not write into them",
                evidence=[
                    Evidence("file", path, f"the same inode as {other}, {links} links")
                    for path, other, links in files[:_SHOWN]
                ],
            )


RULE = Rule(
    id="ENV006",
    name="shared-inode",
    title="A file that changes shares its inode with another environment",
    severity=Severity.NOTE,
    check=check,
)
