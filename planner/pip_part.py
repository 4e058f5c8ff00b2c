"""What an environment file asks of pip, as a requirements file for the environment that is to be made from it.

Nothing of it is simulated: what pip would choose is not known. A line goes into the requirements file as it stands where
it means the same wherever that file lies, and shows no login; what does not is left to do by hand, with its reason. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.credentials import has_credentials, masked
from planner.dist_metadata import normalise
from planner.pip_layer import PipLayer, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = re.compile(r"(--extra-index-url|--index-url|--find-links|-i|-f)(?:\s+|=)(\S+)")
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?https?://[^\s;]+")


def pip_part(lines: Sequence[str], *, has_python: bool) -> PipLayer:
    """The pip layer of an environment that is not there yet, from the lines of a file's part for pip."""
    if not has_python:
        return PipLayer((), (), (), by_hand=tuple((_shown(line), "there is no python in it") for line in lines))
    faults = {line: _fault(line) for line in lines}
    by_hand = [(_shown(line), fault) for line, fault in faults.items() if fault]
    plain = [line for line, fault in faults.items() if not fault]
    if any(_INDEX.match(line) for line, fault in faults.items() if fault):
        # Without its index, a name may be anybody's elsewhere.
        by_hand += [(_shown(line), "pip has to be told of the index above") for line in plain]
        plain = []
    return PipLayer(tuple(plain), (), (), by_hand=tuple(by_hand), asked=tuple(filter(None, map(_name, plain))))


def _fault(line: str) -> str:
    """Why a line cannot be written into a requirements file elsewhere; empty where it can."""
    if not line or not line.isprintable():
        return "it is no line of text"
    option = _INDEX.fullmatch(line)
    if has_credentials(line) or (option and "?" in option[2]):
        return "a login or a token may stand in it"
    if option:
        return "" if _URL.fullmatch(option[2]) else "a place on this machine, or one that a variable names"
    if line == "--pre" or _URL.fullmatch(line) or _name(line):
        return ""
    return "an option, or a place that is found from where the file lies"


def _name(line: str) -> str:
    """The normalised name that a line asks for; empty where it is no requirement with one, or of a local file."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return ""
    return normalise(requirement.name) if requirement.url is None or _URL.fullmatch(requirement.url) else ""


def _shown(line: str) -> str:
    return one_line(masked(line))
