"""Words of a command as one would type them, for the shell of the platform they are meant for."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def quoted(words: Iterable[str], subdir: str) -> tuple[str, ...]:
    """Each word in the quotes that the shell of the platform `subdir` needs, if it needs any."""
    if subdir.startswith("win-"):
        return tuple(subprocess.list2cmdline([word]) for word in words)
    return tuple(shlex.quote(word) for word in words)
