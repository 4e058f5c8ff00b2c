"""What conda's own solver tests hold, asked of `what-if` on every engine at hand.

`fixtures/solver_cases/README.md` says how a case is written.
"""

from __future__ import annotations

import sys
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from planner.run import what_if
from tests import scenario as harness

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = harness.FOLDER.parent / "solver_cases"


class Otherwise(harness.Strict):
    because: str
    state: tuple[str, ...] | Literal["unsolvable"]
    relinked: tuple[str, ...] = ()


class Case(harness.Strict):
    like: str
    state: tuple[str, ...] | Literal["unsolvable"]
    installed: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    base: bool = False
    install: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    update_all: bool = False
    options: tuple[str, ...] = ()
    channels: tuple[str, ...] | None = None
    channel_priority: Literal["strict", "flexible", "disabled"] = "flexible"
    cuda: str | None = None
    glibc: str = "2.36"
    tool: Literal["conda", "mamba"] = "conda"
    relinked: tuple[str, ...] = ()
    differs: dict[Literal["rattler", "libmamba"], Otherwise] = msgspec.field(default_factory=dict)


class Family(harness.Strict):
    packages: dict[str, harness.PackageTable]
    case: dict[str, Case]


def families():
    return {
        path.stem: msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Family)
        for path in sorted(FOLDER.glob("*.toml"))
    }


CASES = [
    pytest.param(family.packages, case, id=f"{stem}: {name}")
    for stem, family in families().items()
    for name, case in family.case.items()
]


@pytest.mark.parametrize(("packages", "case"), CASES)
def test_case(packages, case, asked_engine, tmp_path):
    plan = what_if(replace(harness.write(scenario(packages, case), tmp_path), options=case.options, **asked_engine), ())
    expected = case.differs.get(plan.solver.name, case)
    if expected.state == "unsolvable":
        assert plan.outcome == "unsolvable"
        return
    assert plan.outcome != "unsolvable", plan.explanation
    assert seen(plan.final_state, expected.state) == sorted(expected.state)
    assert sorted(change.name for change in plan.changes if change.action == "relink") == sorted(expected.relinked)


def scenario(packages, case):
    where = "base" if case.base else "work"
    asked = {key: getattr(case, key) for key in ("install", "update", "remove", "update_all", "tool")}
    return msgspec.convert(
        {
            "name": "",
            "description": "",
            "host": {"cuda": case.cuda, "glibc": case.glibc},
            "packages": packages,
            "environments": {
                where: {"installed": case.installed, "requested": case.requested, "pins": case.pins},
            },
            "change": {
                **asked,
                "environment": where,
                "channels": case.channels,
                "channel_priority": case.channel_priority,
            },
            "expected": {},
        },
        harness.Scenario,
    )


def seen(records, state):
    """The records as the expectation names them: with their builds where it does."""
    with_build = {item for item in state if item.count("-") >= 2}
    return sorted(
        record.dist_name if record.dist_name in with_build else f"{record.name}-{record.version}" for record in records
    )


def test_there_are_cases_of_every_kind():
    likes = {case.like for family in families().values() for case in family.case.values()}
    assert len(CASES) >= 60
    assert len(likes) >= 30
    for family in families().values():
        for name, case in family.case.items():
            asked = (case.install, case.update, case.remove, case.update_all)
            assert sum(map(bool, asked)) == 1, name
            assert set(case.installed) <= set(family.packages), name
