"""How a python is started: what stands after its name says where it looks for modules, and what it runs.

The words are read as python itself reads them: letters may stand together (`-Es`), `-W` and `-X` have a value, `-m` and
`-c` end the options, and so does the first word that is none. Which program a first line names is `planner.reach.scripts`'.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from planner.reference import Started

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"^python(?:\d+(?:\.\d+)?t?)?$")
_WITH_VALUE = "WX"
_LAST = "cm"
_LONG_WITH_VALUE = "--check-hash-based-pycs"


def is_python(path: str) -> bool:
    """Whether a path is a python's by its name: `bin/python3.10` is, `bin/python3-config` is not."""
    return _PYTHON.match(os.path.basename(path)) is not None


def how_started(words: Sequence[str]) -> Started:
    """Where a python looks for modules that is started with these words after its name."""
    letters, _ = _options(words)
    alone = "I" in letters
    return Started(
        beside=not alone and "P" not in letters,
        user_site=not alone and "s" not in letters,
        variables=not alone and "E" not in letters,
        site="S" not in letters,
    )


def what_starts(words: Sequence[str]) -> tuple[str, str]:
    """What a python runs that is started with these words after its name: a module, or the path of a script."""
    letters, rest = _options(words)
    if "m" in letters:
        return (rest[0], "") if rest else ("", "")
    return ("", rest[0]) if rest and "c" not in letters and rest[0] != "-" else ("", "")


def _options(words: Sequence[str]) -> tuple[frozenset[str], Sequence[str]]:
    """The letters of the options, and the words from the first on that is none; of `-mX`, X is that word."""
    letters: set[str] = set()
    place = 0
    while place < len(words):
        word = words[place]
        if word == _LONG_WITH_VALUE:
            place += 2
            continue
        if not word.startswith("-") or word.startswith("--") or word == "-":
            break
        place += 1
        for number, letter in enumerate(word[1:], start=2):
            if letter in _LAST:
                attached = [word[number:]] if word[number:] else []
                return frozenset(letters | {letter}), [*attached, *words[place:]]
            if letter in _WITH_VALUE:
                place += not word[number:]
                break
            letters.add(letter)
    return frozenset(letters), words[place:]
