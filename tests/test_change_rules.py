"""CHG001 to CHG003: what leaves without having been named, what goes back, and what comes from another channel."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from planner.model.plan import Evidence, Severity
from planner.origin import channel_name, same_channel
from tests.situations import FORGE, MAIN, PANDAS, PURE, PY310, fired, only, pkg, python, short, situation, switch

NUMPY = pkg("numpy", "1.26.4", "py310h5f_0", PY310)


# ---------------------------------------------------------------------------------------------------------------------
# CHG001


def test_chg001_a_package_from_history_leaves():
    ctx = situation([python("3.10.1"), PURE], [python("3.11.9")], "python=3.11", history=["attrs>=20", "python=3.10"])
    found = only("CHG001", ctx)
    assert short([found]) == [("conda:attrs", "block", "certain", "gone")]
    assert found.message == (
        "attrs 21.2.0 pyhd3eb1b0_0 leaves, though nobody asked to remove it; it had been asked for"
    )
    assert found.evidence == (
        Evidence(
            "metadata",
            "conda-meta/attrs-21.2.0-pyhd3eb1b0_0.json",
            "installed now, not among the packages after the change",
        ),
        Evidence("metadata", "conda-meta/history", "asked for: attrs>=20"),
    )


@pytest.mark.parametrize(
    ("record", "paths", "severity", "status"),
    [
        pytest.param(PURE, ["site-packages/attr.py"], "warn", "certain", id="pure"),
        pytest.param(PURE, None, "warn", "certain", id="noarch without files"),
        pytest.param(PANDAS, ["lib/python3.10/site-packages/pandas/x.so"], "block", "certain", id="by files"),
        pytest.param(PANDAS, None, "block", "certain", id="by requirements"),
        pytest.param(NUMPY, ["lib/python3.10/site-packages/numpy.py"], "warn", "certain", id="files show none"),
        pytest.param(NUMPY, None, "block", "unverified", id="nothing tells"),
        pytest.param(pkg("_libgcc_mutex", "0.1", "main"), None, "warn", "certain", id="metapackage"),
        pytest.param(pkg("gh", "2.0", "ha8f_0"), ["bin/gh"], "block", "unverified", id="a program"),
    ],
)
def test_chg001_weight(record, paths, severity, status):
    ctx = situation(
        [python("3.10.1"), record], [python("3.11.9")], "python=3.11", files={record.name: paths} if paths else {}
    )
    assert short(fired("CHG001", ctx)) == [(f"conda:{record.name}", severity, status, "gone")]


def test_chg001_removal_spares_what_was_named_and_says_what_goes_with_it():
    orphan = pkg("tzdata", "2024a", "h0_0", noarch="generic")
    before = [python("3.10.1"), NUMPY, PANDAS, orphan]
    found = fired("CHG001", situation(before, [python("3.10.1")], "numpy", operation="remove"))
    assert [(f.subject, f.message) for f in found] == [
        (
            "conda:pandas",
            (
                "pandas 2.0.3 py310h6a_0 leaves, since it needs numpy, whose removal was asked for; "
                "it holds compiled code, which other programs may be linked to"
            ),
        ),
        (
            "conda:tzdata",
            "tzdata 2024a h0_0 leaves, along with what was asked to be removed (numpy), though it was not named",
        ),
    ]
    new = "; or leave this environment as it is and make a new one"
    assert [f.remedy for f in found] == [  # not to name them in the same change: that would remove them
        f"leave numpy in place as long as pandas is needed{new}",
        f"if something still uses tzdata, install it again afterwards: conda install tzdata{new}",
    ]


def test_chg001_near_misses():
    new = replace(NUMPY, version="2.0", build="py311_0")
    assert fired("CHG001", situation([python("3.10.1"), NUMPY], [python("3.11.1"), new], "python=3.11")) == []
    assert fired("CHG001", situation([NUMPY], [], "numpy", operation="remove")) == []
    assert fired("CHG001", situation([python("3.10.1"), NUMPY], None, "python=3.11", forced="3.11")) == []


# ---------------------------------------------------------------------------------------------------------------------
# CHG002


def downgrade(before, after, *specs, history=(), name="pandas"):
    ctx = situation([pkg(name, before)], [pkg(name, after)], *specs, history=history)
    return [(f.severity.value, f.message) for f in fired("CHG002", ctx)]


def test_chg002_a_major_version_of_what_was_asked_for_blocks():
    assert downgrade("2.0.3", "1.5.3", "python=3.11", history=["pandas"]) == [
        ("block", "pandas goes back from 2.0.3 to 1.5.3, a major version, though it had been asked for")
    ]


@pytest.mark.parametrize(
    ("before", "after", "specs", "history", "tail"),
    [
        ("2.0.3", "1.5.3", ["python=3.11"], [], ", a major version"),
        ("2.0.3", "2.0.1", ["python=3.11"], ["pandas"], ", though it had been asked for"),
        ("2.0.3", "1.5.3", ["pandas=1.5"], ["pandas"], ", a major version, as this request asks (pandas=1.5)"),
        ("2024.8.30", "2023.7.22", ["python=3.11"], ["pandas"], ", though it had been asked for"),
        ("1!2.0", "2.9", [], [], ", a major version"),
        ("1!2.1", "1!2.0", [], [], ""),
        ("1.1.1w", "1.1.1a", [], [], ""),
    ],
)
def test_chg002_otherwise_warns(before, after, specs, history, tail):
    assert downgrade(before, after, *specs, history=history) == [
        ("warn", f"pandas goes back from {before} to {after}{tail}")
    ]


def test_chg002_blocks_when_the_request_names_it_without_asking_for_the_step_back():
    assert [severity for severity, _ in downgrade("2.0.3", "1.5.3", "pandas")] == ["block"]


def test_no_remedy_asks_for_a_package_in_a_removal():
    moved = [python("3.11.9"), replace(NUMPY, version="1.21.0")]
    for rule in ("CHG002", "CHG005"):
        found = fired(rule, situation([python("3.10.1"), NUMPY, PANDAS], moved, "pandas", operation="remove"))
        assert [f.remedy for f in found] == ["leave this environment as it is and make a new one"], rule
        found = fired(rule, situation([python("3.10.1"), NUMPY, PANDAS], moved, "pandas"))
        assert ["in the same change" in f.remedy for f in found] == [True], rule


def test_chg002_near_misses():
    assert downgrade("1.5.3", "2.0.3", "pandas") == []
    assert downgrade("1.9", "1.10") == []
    rebuild = situation([pkg("numpy", "1.26", "py310_0")], [pkg("numpy", "1.26.0", "py312_0")])
    assert fired("CHG002", rebuild) == []


# ---------------------------------------------------------------------------------------------------------------------
# CHG003


def test_chg003_a_switch_is_a_note():
    (found,) = switch("zlib")
    assert (found.severity, found.status, found.message) == (
        Severity.NOTE,
        "certain",
        "zlib comes from conda-forge instead of pkgs/main",
    )
    assert found.evidence == (
        Evidence("metadata", "conda-meta/zlib-1.0-h0_0.json", "channel: pkgs/main"),
        Evidence("metadata", "zlib-1.1-h1_0", "channel: conda-forge"),
    )


def test_chg003_case_13_openssl_leaves_its_dependents_behind():
    cryptography = pkg("cryptography", "36", "py310_0", "openssl >=1.1.1,<4")
    (found,) = switch("openssl", kept=[cryptography, pkg("unrelated")])
    assert found.severity is Severity.WARN
    assert found.message == (
        "openssl comes from conda-forge instead of pkgs/main; "
        "what needs openssl stays from another channel: cryptography (pkgs/main)"
    )
    (alone,) = switch("openssl", kept=[pkg("unrelated")])
    assert alone.severity is Severity.NOTE


def test_chg003_a_split_stack_is_a_warning():
    (found,) = switch("libarchive", kept=[pkg("libsolv"), pkg("libmamba", channel=FORGE)])
    assert (found.severity, found.message) == (
        Severity.WARN,
        (
            "libarchive comes from conda-forge instead of pkgs/main; "
            "libmamba and what it is made of would be from different channels: libsolv (pkgs/main)"
        ),
    )
    (whole,) = switch("libarchive", kept=[pkg("libsolv", channel=FORGE)])
    assert whole.severity is Severity.NOTE
    assert [f.severity.value for f in switch("cuda-cudart", kept=[pkg("libcublas")])] == ["warn"]
    assert [f.severity.value for f in switch("libstdcxx-ng", kept=[pkg("libgcc-ng")])] == ["warn"]


def test_chg003_near_misses():
    assert switch("zlib", before=FORGE, after=f"{FORGE}/") == []
    assert switch("zlib", before="conda-forge", after=f"{FORGE}/linux-64") == []
    assert switch("zlib", before="https://u:p@host.example/t/tk-123/lab", after="https://host.example/lab") == []
    assert switch("zlib", before="defaults", after=MAIN) == []
    assert switch("zlib", sha256="ab" * 32) == []


def test_chg003_an_unrecorded_channel_is_an_unverified_note():
    (found,) = switch("zlib", before="<unknown>")
    assert (found.severity, found.status) == (Severity.NOTE, "unverified")
    assert found.message == (
        "zlib changes, and whether it changes channel is not known: "
        "the channel it came from is not recorded, and the new build is from conda-forge"
    )


def test_channels_are_named_without_credentials():
    assert channel_name("https://user:secret@conda.example.org/t/tk-abc/lab/linux-64") == "conda.example.org/lab"
    assert channel_name("file:///srv/mirror/conda-forge/") == "/srv/mirror/conda-forge"
    assert same_channel("defaults", "pkgs/r") is True
    assert same_channel("", "pkgs/r") is None
