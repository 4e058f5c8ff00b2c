"""Builds that no answer can hold, because the request leaves python but one minor: most of what a closure has.

A package is bound to its python by what it depends on, `python >=3.10,<3.11.0a0` or `python_abi 3.10.* *_cp310`. Where
every python that the request allows is of one minor, a build for another can be in no solution, and a solver that never
sees it answers the same in a fraction of the time. Nothing is dropped for a spec that engines might read differently:
only plain bounds and plain builds count. That an answer stays possible without what it cannot hold is a matter of logic.
That the choice among answers stays the same is one of the engine: it does with libmamba on every environment tried, which
is tested, and does not with rattler, which is never pruned for. Where there is no solution, the reasons lie in what was
dropped: then the request is put again with everything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.model.solve import Freeze, Install, Pin, Update
from planner.versions import dependency_name, matches, minor, spec_is_bare, spec_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.solve import SolveRequest

PYTHON, ABI = "python", "python_abi"
_BOUND = r"(?:[<>]=?|==|!=)\d[\w.!+]*|(?:=|==|!=)?\d[\w!+]*(?:\.[\w!+]+)*(?:\.\*)?|\*"
_PLAIN = re.compile(rf"^python(?:_abi)? +(?:{_BOUND})(?:,(?:{_BOUND}))*(?: +[\w*.]+)?$")


class AskedOfPython(Struct, frozen=True):
    """What a request says of python: `specs` that it must meet, whether there is one at all, and what is installed.

    `locked` is that the installed one stays.
    """

    specs: tuple[str, ...]
    present: bool
    locked: bool
    python: PackageRecord | None
    abi: PackageRecord | None


def asked_of_python(request: SolveRequest) -> AskedOfPython:
    """What the jobs of a request leave python to be."""
    installed = {record.name: record for record in request.installed if record.name in {PYTHON, ABI}}
    own = installed.get(PYTHON)
    specs, present, locked = [], False, False
    for job in request.jobs:
        match job:
            case Install(spec) if spec_name(spec) == PYTHON:
                specs.append(spec)
                present = True
            case Update(spec) if spec_name(spec) == PYTHON and own is not None:
                # A bare name is an update of what is there, and asks for nothing.
                if not spec_is_bare(spec):
                    specs.append(spec)
                    present = True
            case Pin(spec) if spec_name(spec) == PYTHON:
                specs.append(spec)
            case Freeze(name) if name == PYTHON and own is not None:
                present = locked = True
    return AskedOfPython(tuple(specs), present, locked, own, installed.get(ABI))


def impossible(
    asked: AskedOfPython, pythons: Sequence[PackageRecord], abis: Sequence[PackageRecord], needs: Iterable[str]
) -> tuple[frozenset[str], frozenset[PackageRecord]]:
    """The lines of `needs` that no answer can meet, and the records of python and its tag that no answer can hold.

    `pythons` and `abis` are the channels' records of `python` and `python_abi`. Both are empty where the request allows
    pythons of several minors, or none.
    """
    allowed = _allowed(asked, pythons)
    if len({minor(record.version) for record in allowed}) != 1:
        return frozenset(), frozenset()
    tags = [record for record in abis if not _excluded(record, allowed, present=asked.present)]
    dropped = {*pythons, *abis} - {*allowed, *tags}
    providers = {PYTHON: allowed, ABI: [*tags, *([asked.abi] if asked.abi is not None else [])]}
    unmet = {need for need in needs if (name := dependency_name(need)) in providers and _unmet(need, providers[name])}
    return frozenset(unmet), frozenset(dropped)


def _allowed(asked: AskedOfPython, pythons: Iterable[PackageRecord]) -> list[PackageRecord]:
    """The pythons that an answer may hold; none where the request does not say."""
    if asked.locked and asked.python is not None:
        return [asked.python]
    if not asked.specs:
        return []
    candidates = [*pythons, *([asked.python] if asked.python is not None else [])]
    return [record for record in candidates if all(matches(spec, record) is not False for spec in asked.specs)]


def _excluded(tag: PackageRecord, pythons: Collection[PackageRecord], *, present: bool) -> bool:
    """Whether a `python_abi` can stand beside none of the pythons."""
    lines = (*tag.depends, *(tag.constrains if present else ()))
    if any(dependency_name(line) == PYTHON and _unmet(line, pythons) for line in lines):
        return True
    return present and all(
        any(dependency_name(line) == ABI and _unmet(line, (tag,)) for line in python.constrains) for python in pythons
    )


def _unmet(line: str, records: Iterable[PackageRecord]) -> bool:
    """Whether a line is plain and none of the records meets it."""
    return _PLAIN.match(line) is not None and all(matches(line, record) is False for record in records)
