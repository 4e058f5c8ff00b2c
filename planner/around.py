"""What lies around the target of a question: the other environments, and what refers to any of them from outside.

No engine needs it, so it is read while one works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from planner import load
from planner.belongings import Belongings, read_belongings
from planner.cache import open_cache
from planner.path_lists import PathLists
from planner.reach.notes import Places
from planner.reach.read import read_surroundings
from planner.reference import Surroundings  # noqa: TC001 -- as above

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.installed import Installation
    from planner.question import Question
    from planner.situation import Situation


class Around(Struct, frozen=True):
    """What lies around the target: all environments, what refers to them from outside, and what else is the target's.

    `files` are the path lists of the target's records, read when asked for.
    """

    installation: Installation
    surroundings: Surroundings
    belongings: Belongings
    files: PathLists


def read_around(question: Question, situation: Situation, progress: Callable[[str], None]) -> Around:
    """What lies around the target. Bad files are problems, never errors."""
    kept = open_cache(question.cache_dir, question.environ)
    installation = load.load_installation(
        situation.root,
        situation.prefixes,
        progress,
        asked=situation.target.prefix,
        kept=kept,
        known=(situation.target, *([situation.base] if situation.base is not None else [])),
    )
    places = Places(question.environ, question.home, question.system, question.scan)
    files = PathLists(situation.target.prefix, kept)
    surroundings = read_surroundings(
        installation.environments, situation.target, places, situation.settings, progress, files
    )
    return Around(installation, surroundings, read_belongings(situation.target, surroundings.references), files)
