"""What outside of the environments names the old prefix, as patches that make it name the new one.

For kernels, scripts, units, cron tables and job files, after sign-off. Only lines that name the prefix are in them, so
that nothing else of those files is shown. What is of conda itself in base is left alone: conda stays there. Pure.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUT_SHORT = "\n\\ No newline at end of file\n"  # as patch(1) wants it said; Jupyter writes such kernels
_CONDAS = r"(?:envs|pkgs|condabin|shell|etc/profile\.d|bin/(?:conda|mamba|activate|deactivate))\b"


def cut_over_patches(
    texts: Iterable[tuple[str, str]], old: str, new: str, *, is_base: bool
) -> tuple[tuple[str, str], ...]:
    """For each file (absolute path, text) that has to change: its path and a unified diff, for `patch FILE DIFF`."""
    apart = f"(?!/{_CONDAS})" if is_base else ""
    named = re.compile(rf"(?<![\w./-]){re.escape(old)}(?![\w.-]){apart}")
    found = []
    for path, text in texts:
        before = text.splitlines(keepends=True)
        after = [named.sub(lambda _match: new, line) for line in before]
        if before != after and path.isprintable():  # the name is one that a diff can hold
            lines = difflib.unified_diff(before, after, path, path, n=0)
            found.append((path, "".join(line if line.endswith("\n") else line + _CUT_SHORT for line in lines)))
    return tuple(found)
