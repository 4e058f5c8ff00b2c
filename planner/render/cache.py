"""The planner's cache in words: where it lies, what is in it, how big it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.render.inventory import size

if TYPE_CHECKING:
    from planner.cache import Usage

_WORDS = {
    "entries": "read of environments and channels",
    "repodata": "fetched repodata",
    "unpacked": "unpacked repodata",
    "archives": "fetched packages",
    "pkgs": "unpacked packages",
}


def render_usage(found: Usage) -> str:
    """One line for the folder, and one for each part that is there."""
    lines = [f"{found.folder}: {_amount(found)}"]
    lines += [f"  {size(total):>8}  {_WORDS[name]} ({_files(count)})" for name, count, total in found.parts]
    return "\n".join(lines)


def render_cleared(before: Usage) -> str:
    """What is gone now."""
    return f"{before.folder}: {_amount(before)}{' removed' * bool(before.parts)}"


def _amount(found: Usage) -> str:
    if not found.parts:
        return "nothing is kept"
    count = sum(files for _, files, _ in found.parts)
    return f"{size(sum(total for _, _, total in found.parts))} in {_files(count)}"


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"
