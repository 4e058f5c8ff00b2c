"""libmamba's statements about an unsolvable request, read as conda reads them to decide what to let go next.

The statements are English lines of libsolv's; conda's next attempt hangs on the words, so the words are what is read.
A line that is not known says nothing, as for conda.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.solve import Unsolvable

_NO_PROVIDER = re.compile(r"^package (\S+) requires (.+?), but none of the providers can be installed")
_NOTHING = re.compile(r"nothing provides (?:requested )?(.+?)(?: needed by (\S+))?$")
_CONSTRAINED = re.compile(r"has constraint .* conflicting with (\S+)$")
_PINS = re.compile(r"cannot install both pin-(\S+)-\d+ and pin-(\S+)-\d+")
_EXCLUDED = re.compile(r"^package (\S+) is excluded by strict repo priority")
_ABSENT = re.compile(r"^[\s│├└─]*(.+?) does not exist\b")


class Problems(Struct, frozen=True):
    """Names in conflict and names that nothing provides, each with the text it was named by."""

    conflicts: dict[str, str]
    not_found: dict[str, str]


def read_problems(unsolvable: Unsolvable) -> Problems:
    """What the statements of a failed attempt blame."""
    conflicts: list[tuple[str, str]] = []
    not_found: list[tuple[str, str]] = []
    for line in unsolvable.problems:
        if match := _NO_PROVIDER.match(line):
            conflicts += [_package(match[1]), _spec(match[2])]
        elif "nothing provides" in line and (match := _NOTHING.search(line)):
            not_found.append(_spec(match[1]))
            if match[2]:
                conflicts.append(_package(match[2]))
        elif match := _CONSTRAINED.search(line):
            conflicts.append(_package(match[1]))
        elif match := _PINS.search(line):
            conflicts += [(match[1], match[1]), (match[2], match[2])]
        elif match := _EXCLUDED.match(line):
            conflicts.append(_package(match[1]))
    if "unsupported request" in unsolvable.problems:
        not_found += _absent(unsolvable.explanation.splitlines())
    return Problems(dict(conflicts), dict(not_found))


def _absent(lines: Iterable[str]) -> list[tuple[str, str]]:
    """The first package that the explanation says does not exist; libmamba's statement about it is empty."""
    for line in lines:
        match = _ABSENT.match(line)
        if match and "which" not in line:
            return [_spec(match[1])]
    return []


def _package(text: str) -> tuple[str, str]:
    """Name and text of `name-version-build`; a text that is no such thing is a name."""
    return text.rsplit("-", 2)[0], text


def _spec(text: str) -> tuple[str, str]:
    """Name and text of a spec in words, `numpy >=1.21,<2.0a0`."""
    words = text.replace(",", ", ").split()
    return words[0].rstrip(","), text
