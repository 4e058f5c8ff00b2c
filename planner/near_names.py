"""What a name that nothing has was perhaps meant to be: one hint for packages and environments alike."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 3
_ALIKE = 0.7  # of difflib's ratio: one letter in five may be another one, or two letters more


def hint(wanted: str, names: Iterable[str]) -> str:
    """`; is it numpy?` for the end of a sentence; empty where no name looks like it."""
    close = difflib.get_close_matches(wanted.lower(), sorted(set(names)), n=_MOST, cutoff=_ALIKE)
    return f"; is it {' or '.join(close)}?" if close else ""
