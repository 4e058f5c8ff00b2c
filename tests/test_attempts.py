"""conda's retries, on an engine that plays back its answers: which jobs each attempt has, and when it gives up."""

import pytest

from planner.model.installed import Environment, History, PackageRecord
from planner.model.solve import Freeze, Install, Keep, Request, Solution, Unsolvable, Update
from planner.solve.asked import Asked
from planner.solve.order import dependency_first
from planner.solve.problems import read_problems
from planner.solve.simulate import simulate


def record(name, version="1.0", **more):
    return PackageRecord(name, version, "0", **more)


class Playback:
    """Answers in turn; the last one again and again. The jobs it was asked are kept."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def __call__(self, _asked, jobs):
        self.seen.append(jobs)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def conflict(*names):
    return Unsolvable(
        "tree",
        problems=tuple(
            f"package {name}-1.0-0 requires x, but none of the providers can be installed" for name in names
        ),
    )


RECORDS = tuple(record(name) for name in ("a", "b", "c", "python"))


def asked(*specs, operation="install", options=(), records=RECORDS, history=(), tool="conda", is_base=False, **more):
    environment = Environment("env", "/e", "linux-64", records=records, history=History(tuple(history)))
    request = Request(operation, specs, tool=tool, options=options)
    return Asked(environment, request, is_base, **more)


def run(question, *answers, candidates=()):
    engine = Playback(*answers)
    outcome = simulate(question, engine, lambda name: [item for item in candidates if item.name == name])
    return outcome, engine.seen


def frozen(jobs):
    return {job.name for job in jobs if isinstance(job, Freeze)}


def test_the_first_answer_is_taken():
    outcome, seen = run(asked("d"), Solution(RECORDS))
    assert outcome == Solution(RECORDS)
    assert len(seen) == 1


def test_what_conflicts_is_released_attempt_by_attempt():
    _, seen = run(asked("d"), conflict("a"), conflict("b"), Solution(RECORDS))
    assert [frozen(jobs) for jobs in seen] == [{"a", "b", "c"}, {"b", "c"}, {"c"}]


def test_python_is_released_last():
    _, seen = run(asked("d", records=RECORDS), conflict("a", "python"), conflict("python"), Solution(RECORDS))
    assert frozen(seen[1]) == {"b", "c"}


def test_a_repeated_conflict_goes_to_the_last_attempt_without_any_protection():
    history = (("b", "b 1.0 0"),)
    outcome, seen = run(asked("d", history=history), conflict("a"), conflict("a"), conflict("a"))
    assert isinstance(outcome, Unsolvable)
    assert frozen(seen[-1]) == set()
    assert not any(isinstance(job, Keep) for job in seen[-1])
    assert Install("b 1.0.*") in seen[-1]
    assert len(seen) == 3


def test_ten_new_conflicts_at_once_are_too_many():
    many = tuple(record(f"p{n}") for n in range(12))
    _, seen = run(asked("d", records=many), conflict(*(item.name for item in many)), Solution(many))
    assert len(seen) == 2
    assert frozen(seen[-1]) == set()


def test_an_update_has_one_attempt_before_the_last():
    _, seen = run(asked("a", operation="update"), conflict("b"), conflict("b"))
    assert len(seen) == 2


@pytest.mark.parametrize(("cap", "attempts"), [(1, 2), (2, 3)])
def test_conda_s_own_cap_on_attempts(cap, attempts):
    answers = [conflict(name) for name in ("a", "b", "c", "x", "y")]
    _, seen = run(asked("d", max_attempts=cap), *answers)
    assert len(seen) == attempts


def test_an_engine_without_statements_goes_to_the_last_attempt():
    _, seen = run(asked("d"), Unsolvable("no"), Solution(RECORDS))
    assert len(seen) == 2


def test_mamba_asks_once():
    outcome, seen = run(asked("d", tool="mamba"), conflict("a"), Solution(RECORDS))
    assert isinstance(outcome, Unsolvable)
    assert len(seen) == 1


@pytest.mark.parametrize(("operation", "spec"), [("update", "zlib"), ("remove", "zlib"), ("remove", "a=2")])
def test_what_is_not_there_cannot_be_updated_or_removed(operation, spec):
    outcome, seen = run(asked(spec, operation=operation), Solution(RECORDS))
    assert outcome.refused
    assert spec.split("=")[0] in outcome.explanation
    assert not seen


def test_a_request_against_a_pin_is_refused_before_any_solving():
    builds = [record("a", "1.0"), record("a", "2.0")]
    outcome, seen = run(asked("a=2", configured_pins=("a 1.*",)), Solution(RECORDS), candidates=builds)
    assert outcome.refused
    assert outcome.against == ("a 1.*",)
    assert not seen
    _, seen = run(asked("a>=1", configured_pins=("a 1.*",)), Solution(RECORDS), candidates=builds)
    assert seen


def test_conda_carries_out_nothing_that_removes_conda_from_base():
    records = (record("conda", depends=("ruamel",)), record("python"), record("ruamel"))
    gone = Solution((record("python", "3.11"),))
    outcome, _ = run(asked("python=3.11", records=records, is_base=True), gone)
    assert outcome.against == ("conda",)
    assert run(asked("python=3.11", records=records), gone)[0] == gone
    assert run(asked("python=3.11", records=records, is_base=True, tool="mamba"), gone)[0] == gone
    without = Solution((records[0], records[1]))
    outcome, _ = run(asked("ruamel", operation="remove", records=records, is_base=True), without)
    assert outcome.refused
    assert "ruamel" in outcome.explanation


AFTER = (record("a", "2.0", depends=("b >=2",)), record("b", "2.0"), record("c"), record("python"))


def versions(outcome):
    return {item.name: item.version for item in outcome.records}


def test_no_deps_changes_the_request_alone():
    outcome, _ = run(asked("a=2", options=("--no-deps",)), Solution(AFTER))
    assert versions(outcome) == {"a": "2.0", "b": "1.0", "c": "1.0", "python": "1.0"}


def test_only_deps_changes_what_the_request_needs():
    outcome, _ = run(asked("a=2", options=("--only-deps",)), Solution(AFTER))
    assert versions(outcome) == {"a": "1.0", "b": "2.0", "c": "1.0", "python": "1.0"}
    outcome, _ = run(asked("d", options=("--only-deps",)), Solution((*AFTER, record("d"))))
    assert "d" not in versions(outcome)


def test_only_deps_of_conda_leaves_out_only_what_nothing_needs():
    conda, _ = run(asked("a", "b", options=("--only-deps",)), Solution(AFTER))
    mamba, _ = run(asked("a", "b", options=("--only-deps",), tool="mamba"), Solution(AFTER))
    assert (versions(conda)["b"], versions(mamba)["b"]) == ("2.0", "1.0")


def test_update_deps_asks_again_with_all_that_is_needed_by_name():
    needs = (record("a", "2.0", depends=("b", "python")), *AFTER[1:])
    _, seen = run(
        asked("a", options=("--update-deps",), records=(*RECORDS[:3], record("python", "3.10.1"))), Solution(needs)
    )
    assert len(seen) == 2
    assert {Update("a"), Update("b"), Update("python 3.10.*")} <= set(seen[1])


def test_the_statements_are_read_as_conda_reads_them():
    problems = read_problems(
        Unsolvable(
            "└─ nope =* * does not exist (perhaps a typo or a missing channel).",
            problems=(
                "package scipy-1.0-py310_0 requires numpy >=1.2,<2.0a0, but none of the providers can be installed",
                "nothing provides requested foo 3.*",
                "nothing provides bar >=2 needed by baz-2.0-0",
                "package libzlib-1.2.11-h4 has constraint zlib 1.2.11 *_1014 conflicting with zlib-1.2.13-h9",
                "cannot install both pin-python-1 and pin-numpy-1",
                "package py-rattler-3.7-0 is excluded by strict repo priority",
                "unsupported request",
                "words that nobody knows",
            ),
        )
    )
    assert set(problems.conflicts) == {"scipy", "numpy", "baz", "zlib", "python", "py-rattler"} | {"numpy"}
    assert set(problems.not_found) == {"foo", "bar", "nope"}


def test_installed_records_go_in_dependency_first_order_whatever_the_order_of_the_input():
    records = (
        record("app", depends=("lib >=1", "python")),
        record("pip", depends=("python",)),
        record("lib", depends=("base",)),
        record("base", "not a version"),
        record("python", depends=("base", "pip")),
    )
    names = [item.name for item in dependency_first(records)]
    assert names == [item.name for item in dependency_first(reversed(records))]
    assert names.index("base") < names.index("lib") < names.index("app")
    assert names.index("python") < names.index("app")
    assert sorted(names) == sorted(item.name for item in records)
