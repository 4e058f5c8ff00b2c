"""CHG003 channel-switch: a package comes from another channel than before.

What it checks:
    Every package that changes and whose channel after the change is not the one it came from.

Why it matters:
    Channels build with different compilers, flags and pins. A mixture of libraries that were made to work together
    breaks conda's solver (`libarchive.so.19: cannot open`) or fails at import (`undefined symbol ... OPENSSL_1_1_0`).

How it decides:
    Names, URLs, tokens, credentials and mirrors of one channel are one channel, and the same file (by its hash) from
    another place is no switch. A switch is a note. It is a warning where it leaves libraries that belong together in
    different channels: libmamba with its solver and libraries, the CUDA toolkit, the C++ runtime, or openssl
    with the packages that need it and stay from the old channel.

Evidence and limits:
    Channels are read from records. Unverified: a package whose channel is not recorded. That a mixture fails is not claimed,
    only that it is one.

Example:
    openssl moves from pkgs/main to conda-forge, while cryptography, which needs it, stays from pkgs/main.

What to do:
    Name the channel in the request (`conda-forge::openssl`), or set strict channel priority.

References:
    conda/conda-libmamba-solver#442, conda/conda#14295, conda/conda#11111, pyca/cryptography#6712.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.flavour import is_toolkit
from planner.model.plan import Evidence, Severity
from planner.origin import channel_name, same_channel, switches_channel
from planner.pyabi import meta_path, split_spec
from planner.rule import Rule, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.model.installed import PackageRecord
    from planner.model.plan import Finding
    from planner.rule import RuleContext

_LIBMAMBA = frozenset({"conda-libmamba-solver", "fmt", "libarchive", "libmamba", "libmambapy", "libsolv"})
_RUNTIME = re.compile(r"^(?:libcxx|libstdcxx(?:-ng)?|libgcc(?:-ng)?|libgfortran(?:-ng|\d+)?|libgomp)$")
_STACKS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("libmamba and what it is made of", _LIBMAMBA.__contains__),
    ("the CUDA toolkit", is_toolkit),
    ("the C++ runtime", lambda name: _RUNTIME.match(name) is not None),
)
_SHOWN = 5


def check(ctx: RuleContext) -> Iterator[Finding]:
    """One finding for each package that changes channel, or whose channel before or after is not recorded."""
    for change in ctx.changes:
        before, after = change.before, change.after
        if before is None or after is None:
            continue
        switches = switches_channel(before, after)
        if switches is not False:
            yield _finding(ctx, before, after, certain=switches is True)


def _finding(ctx: RuleContext, before: PackageRecord, after: PackageRecord, *, certain: bool) -> Finding:
    old, new = (channel_name(record.channel or record.url) for record in (before, after))
    split = _split(ctx, after) if certain else None
    if certain:
        message = f"{before.name} comes from {new} instead of {old}"
    else:
        message = f"{before.name} changes, and whether it changes channel is not known: {_unrecorded(old, new)}"
    return finding(
        ctx,
        "CHG003",
        Severity.WARN if split else Severity.NOTE,
        f"conda:{before.name}",
        f"{message}; {split}" if split else message,
        f"to stay with a channel, name it in the request ({old or new or 'CHANNEL'}::{before.name}), "
        "or set strict channel priority",
        certain=certain,
        evidence=(
            Evidence("metadata", meta_path(before), f"channel: {old or 'not recorded'}"),
            Evidence("metadata", after.fn or after.dist_name, f"channel: {new or 'not recorded'}"),
        ),
    )


def _unrecorded(old: str, new: str) -> str:
    if old:
        return f"it came from {old}, and the channel of the new build is not recorded"
    return (
        f"the channel it came from is not recorded, and the new build is from {new}" if new else "neither is recorded"
    )


def _split(ctx: RuleContext, after: PackageRecord) -> str | None:
    """What the switch leaves in different channels, as the end of a sentence; None when nothing."""
    others = [record for record in ctx.after or () if record.name != after.name]
    for label, belongs in _STACKS:
        if belongs(after.name):
            elsewhere = _from_elsewhere(after, [record for record in others if belongs(record.name)])
            if elsewhere:
                return f"{label} would be from different channels: {elsewhere}"
    if after.name == "openssl":
        kept = {record.name for record in ctx.kept}
        needing = [
            record
            for record in others
            if record.name in kept and any(split_spec(spec)[0] == "openssl" for spec in record.depends)
        ]
        elsewhere = _from_elsewhere(after, needing)
        if elsewhere:
            return f"what needs openssl stays from another channel: {elsewhere}"
    return None


def _from_elsewhere(after: PackageRecord, others: list[PackageRecord]) -> str:
    found = [
        f"{record.name} ({channel_name(record.channel or record.url)})"
        for record in sorted(others, key=lambda record: record.name)
        if same_channel(record.channel or record.url, after.channel or after.url) is False
    ]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


RULE = Rule(
    id="CHG003",
    name="channel-switch",
    title="A package comes from another channel than before",
    severity=Severity.NOTE,
    check=check,
)
