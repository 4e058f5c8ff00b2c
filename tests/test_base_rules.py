"""BASE001: whether conda still runs in the base it is in."""

from __future__ import annotations

from msgspec.structs import replace

from planner.model.plan import Evidence, Severity
from tests.situations import BASE, CONDA, LIBGCC, MAMBAPY, PY310, REQUESTS, SOLVER, fired, only, python, situation


def rebuilt(record, tag="py311", spec="python >=3.11,<3.12.0a0"):
    depends = tuple(spec if d.startswith("python >=3.10,") else d for d in record.depends)
    return replace(record, build=record.build.replace("py310", tag), depends=depends)


def without(records, *names):
    return [record for record in records if record.name not in names]


def test_base001_conda_is_removed():
    after = [python("3.11.9"), REQUESTS, LIBGCC]
    found = only("BASE001", situation(BASE, after, "python=3.11", base=True))
    assert (found.subject, found.severity, found.status, found.predicts) == (
        "conda:conda",
        Severity.BLOCK,
        "certain",
        "gone",
    )
    assert found.message == "conda itself is removed: base would have no conda"
    meta = "conda-meta/conda-24.9.2-py310h06a4308_0.json"
    assert found.evidence == (
        Evidence("metadata", meta, "conda 24.9.2 py310h06a4308_0 is unlinked and nothing replaces it"),
        Evidence("metadata", meta, f"depends: {PY310}"),
    )
    assert [(e.consumer, e.provider, e.kind, e.requirement, e.status) for e in found.edges] == [
        ("conda:conda", "conda:python", "python_abi", PY310, "removed")
    ]


def test_base001_the_closure_misses_a_package():
    after = [python("3.11.9"), rebuilt(CONDA), SOLVER, rebuilt(MAMBAPY), LIBGCC]
    found = only("BASE001", situation(BASE, after, "python=3.11", base=True))
    assert (found.subject, found.status, found.predicts) == ("conda:conda", "certain", "run")
    assert found.message == (
        "conda stays, but cannot run: conda requires requests >=2.28, and requests would not be there"
    )


def test_base001_a_member_of_the_closure_is_built_for_another_python():
    loose = replace(MAMBAPY, depends=("python", "libgcc-ng >=11.2.0"))
    before = [*without(BASE, "libmambapy"), loose]
    after = [python("3.11.9"), rebuilt(CONDA), SOLVER, loose, REQUESTS, LIBGCC]
    found = only("BASE001", situation(before, after, "python=3.11", base=True))
    assert found.message == (
        "conda stays, but cannot run: libmambapy 1.5.8 py310h2dafd23_3 is built for python 3.10, not 3.11"
    )
    assert [(e.consumer, e.kind, e.status) for e in found.edges] == [("conda:libmambapy", "python_abi", "broken")]


def test_base001_a_solver_that_conda_does_not_require_leaves():
    conda = replace(CONDA, depends=(PY310, "requests >=2.28"))
    before = [*without(BASE, "conda"), conda]
    after = without(before, "conda-libmamba-solver", "libmambapy")
    found = only("BASE001", situation(before, after, "conda-libmamba-solver", base=True))
    assert (found.subject, found.predicts) == ("conda:conda-libmamba-solver", "gone")


def test_base001_a_conda_without_requirements_on_record_is_unverified():
    bare = replace(CONDA, depends=())
    after = [*without(BASE, "conda", "python", "libmambapy"), replace(bare, build="0"), python("3.11.9")]
    after.append(rebuilt(MAMBAPY))
    found = only("BASE001", situation(BASE, after, "python=3.11", base=True))
    assert (found.status, found.predicts) == ("unverified", "run")
    assert found.message.startswith("whether conda can still run is not known: the record of conda 24.9.2")


def test_base001_what_was_unmet_before_is_marked():
    before = without(BASE, "requests")
    after = [python("3.11.9"), rebuilt(CONDA), SOLVER, rebuilt(MAMBAPY), LIBGCC]
    found = only("BASE001", situation(before, after, "python=3.11", base=True))
    assert (found.pre_existing, found.status) == (True, "certain")
    assert found.message == "conda cannot run as it is: conda requires requests >=2.28, and requests is not there"


def test_base001_what_is_unmet_today_is_told_where_the_change_mends_it_or_is_none():
    before = without(BASE, "requests")
    mended = [python("3.11.9"), rebuilt(CONDA), SOLVER, rebuilt(MAMBAPY), REQUESTS, LIBGCC]
    for after in (mended, None):
        found = only("BASE001", situation(before, after, "python=3.11", base=True))
        assert (found.pre_existing, found.predicts, found.severity) == (True, None, Severity.BLOCK)
        assert found.message.startswith("conda cannot run as it is: conda requires requests >=2.28")
    # What is not certain today and whole afterwards is worth no word.
    doubtful = [*without(BASE, "conda"), replace(CONDA, depends=())]
    assert fired("BASE001", situation(doubtful, mended, "python=3.11", base=True)) == []


def test_base001_near_misses():
    whole = [python("3.11.9"), rebuilt(CONDA), SOLVER, rebuilt(MAMBAPY), REQUESTS, LIBGCC]
    assert fired("BASE001", situation(BASE, whole, "python=3.11", base=True)) == []
    assert fired("BASE001", situation(BASE, [python("3.11.9")], "python=3.11")) == []
    assert fired("BASE001", situation([python("3.10.1")], [python("3.11.9")], "python=3.11", base=True)) == []
    assert fired("BASE001", situation(BASE, None, "python=3.11", base=True, forced="3.11")) == []
