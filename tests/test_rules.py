"""Each rule on small hand-built situations: what fires it, to the word, and what must not."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
from msgspec.structs import replace

import rules
from planner.diff import diff
from planner.flavour import flavour, is_toolkit
from planner.model import (
    DirectUrl,
    Environment,
    Evidence,
    History,
    Host,
    Installation,
    LoadProblem,
    PackageRecord,
    PipDist,
    RecordFiles,
    Request,
    Severity,
    VirtualPackage,
)
from planner.origin import channel_name, same_channel
from planner.pyabi import build_python, declared_python, is_compiled
from planner.rule import RuleContext
from planner.versions import spec_name
from rules import RULES, rule_by_id
from tests import scenario

MAIN = "https://repo.anaconda.com/pkgs/main"
FORGE = "https://conda.anaconda.org/conda-forge"


def pkg(name, version="1.0", build="0", *depends, **more):
    more.setdefault("channel", MAIN)
    more.setdefault("subdir", "noarch" if more.get("noarch") else "linux-64")
    return PackageRecord(name, version, build, depends=depends, **more)


def python(version, **more):
    return pkg("python", version, "h12debd9_0", **more)


def situation(
    before,
    after,
    *specs,
    operation="install",
    dists=(),
    history=(),
    files=None,
    base=False,
    host=None,
    subdir="linux-64",
    problems=(),
    forced=None,
):
    """A context as the pipeline makes it: `after` None is an unsolvable request that forces python `forced`."""
    records = tuple(sorted(before, key=lambda record: record.name))
    environment = Environment(
        "base" if base else "work",
        "/srv/conda" if base else "/srv/conda/envs/work",
        subdir,
        records,
        dists=tuple(dists),
        history=History(tuple((spec_name(spec), spec) for spec in history)),
        problems=tuple(problems),
    )
    result = None if after is None else tuple(sorted(after, key=lambda record: record.name))
    planned = forced
    if result is not None:
        planned = next((record.version for record in result if record.name == "python"), None)
    requested = frozenset(spec_name(spec) for spec in specs)
    paths = {name: RecordFiles(tuple(sorted(found))) for name, found in (files or {}).items()}
    return RuleContext(
        installation=Installation("/srv/conda", (environment,)),
        environment=environment,
        is_base=base,
        request=Request(operation, specs),
        host=host or Host(subdir),
        after=result,
        changes=() if result is None else diff(records, result, requested),
        planned_python=planned,
        files=lambda record: paths.get(record.name, RecordFiles((), known=False)),
    )


def fired(rule_id, ctx):
    return list(rule_by_id(rule_id).check(ctx))


def only(rule_id, ctx):
    (found,) = fired(rule_id, ctx)
    assert found.rule == rule_id
    return found


def short(found):
    return [(f.subject, f.severity.value, f.status, f.predicts) for f in found]


# ---------------------------------------------------------------------------------------------------------------------
# ABI001

PY310 = "python >=3.10,<3.11.0a0"
PSUTIL_36 = pkg("psutil", "5.6.3", "py36_0", "python")


def test_abi001_case_1_a_loose_dependency_and_an_old_build_string():
    ctx = situation([python("3.6.13"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7")
    found = only("ABI001", ctx)
    assert (found.subject, found.severity, found.status, found.predicts) == (
        "conda:psutil",
        Severity.BLOCK,
        "certain",
        "import",
    )
    assert found.message == (
        "psutil 5.6.3 py36_0 stays while python is 3.7: it was built for python 3.6 and cannot be imported"
    )
    assert found.evidence == (Evidence("metadata", "conda-meta/psutil-5.6.3-py36_0.json", "build: py36_0"),)
    (edge,) = found.edges
    assert (edge.consumer, edge.provider, edge.kind, edge.requirement, edge.status) == (
        "conda:psutil",
        "conda:python",
        "python_abi",
        "py36_0",
        "broken",
    )


def test_abi001_names_the_extension_where_files_are_known():
    module = "lib/python3.6/site-packages/psutil/_psutil_linux.cpython-36m-x86_64-linux-gnu.so"
    ctx = situation(
        [python("3.6.13"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7", files={"psutil": [module]}
    )
    found = only("ABI001", ctx)
    assert found.evidence == (Evidence("file", module, "an extension module tagged cp36"),)
    assert found.edges[0].requirement == "cp36"


def test_abi001_plain_modules_in_the_old_folder_are_gone():
    legacy = pkg("legacy", "1.0", "py36_0", "python")
    path = "lib/python3.6/site-packages/legacy/__init__.py"
    ctx = situation([python("3.6.13"), legacy], [python("3.7.11"), legacy], "python=3.7", files={"legacy": [path]})
    found = only("ABI001", ctx)
    assert (found.predicts, found.status) == ("gone", "certain")
    assert found.message == (
        "legacy 1.0 py36_0 stays while python is 3.7: its modules lie in lib/python3.6, which python 3.7 does not read"
    )


def test_abi001_an_abi3_module_in_the_old_folder_is_gone_too():
    brotli = pkg("brotlipy", "0.7.0", "py39h27cfd23_1003", "python")
    path = "lib/python3.9/site-packages/brotli/_brotli.abi3.so"
    ctx = situation([python("3.9.5"), brotli], [python("3.10.0"), brotli], "python=3.10", files={"brotlipy": [path]})
    assert short(fired("ABI001", ctx)) == [("conda:brotlipy", "block", "certain", "gone")]


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        pytest.param(pkg("six", "1.16.0", "pyhd3eb1b0_0", "python", noarch="python"), None, id="noarch python"),
        pytest.param(
            pkg("nh3", "0.2", "py310_0", "python", "cpython >=3.9", noarch="python", subdir="linux-64"),
            None,
            id="abi3 of CEP 20",
        ),
        pytest.param(pkg("zlib", "1.2.13", "h5eee18b_0", "libgcc-ng >=11.2.0"), None, id="no python"),
        pytest.param(pkg("tools", "1.0", "py36_0", "python"), ["bin/tool"], id="files show no python"),
        pytest.param(
            pkg("both", "1.0", "py36_0", "python"),
            ["lib/python3.6/site-packages/both.py", "lib/python3.7/site-packages/both.py"],
            id="files for both",
        ),
        pytest.param(pkg("pkg37", "1.0", "py37_0", "python"), None, id="built for the planned python"),
    ],
)
def test_abi001_near_misses(record, paths):
    ctx = situation(
        [python("3.6.13"), record],
        [python("3.7.11"), record],
        "python=3.7",
        files={record.name: paths} if paths else {},
    )
    assert fired("ABI001", ctx) == []


def test_abi001_a_patch_of_python_and_a_rebuilt_dependent_do_not_fire():
    old, new = pkg("numpy", "1.26", "py310h1_0", PY310), pkg("numpy", "1.26", "py312h2_0", "python >=3.12,<3.13.0a0")
    assert fired("ABI001", situation([python("3.10.1"), old], [python("3.10.9"), old])) == []
    assert fired("ABI001", situation([python("3.10.1"), old], [python("3.12.1"), new])) == []


def test_abi001_what_was_so_before_is_marked():
    ctx = situation([python("3.7.1"), PSUTIL_36], [python("3.7.11"), PSUTIL_36], "python=3.7")
    assert only("ABI001", ctx).pre_existing
    ctx = situation([python("3.7.1"), PSUTIL_36], [python("3.8.1"), PSUTIL_36], "python=3.8")
    assert only("ABI001", ctx).pre_existing


def test_abi001_a_new_package_for_another_python_fires_and_is_not_pre_existing():
    wrong = pkg("numpy", "1.26", "py310h1_0", PY310)
    found = only("ABI001", situation([python("3.11.1")], [python("3.11.1"), wrong], "numpy"))
    assert not found.pre_existing
    assert found.evidence == (Evidence("metadata", "numpy-1.26-py310h1_0", f"depends: {PY310}"),)


def test_abi001_without_a_solution_nothing_is_kept():
    assert fired("ABI001", situation([python("3.6.13"), PSUTIL_36], None, "python=3.7", forced="3.7")) == []


@pytest.mark.parametrize(
    ("depends", "paths", "expected"),
    [
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/mod.cp38-win_amd64.pyd"], ("certain", "import")),
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/brotli/_brotli.pyd"], ("unverified", "import")),
        (("python >=3.8,<3.9.0a0",), ["Lib/site-packages/pure.py"], None),
        (("python >=3.8,<3.9.0a0",), None, ("unverified", "import")),
        (("python >=3.8,<3.9.0a0", "vc >=14.1,<15.0a0"), None, ("certain", "import")),
        (("python",), ["Lib/site-packages/loose.pyd"], ("unverified", "import")),
    ],
)
def test_abi001_on_windows_only_compiled_modules_are_bound(depends, paths, expected):
    record = pkg("thing", "1.0", "py38h1_0", *depends, subdir="win-64")
    ctx = situation(
        [python("3.8.20"), record],
        [python("3.11.4"), record],
        "python=3.11",
        subdir="win-64",
        files={"thing": paths} if paths else {},
    )
    assert [(f.status, f.predicts) for f in fired("ABI001", ctx)] == ([expected] if expected else [])


# ---------------------------------------------------------------------------------------------------------------------
# BASE001

CONDA = pkg("conda", "24.9.2", "py310h06a4308_0", PY310, "requests >=2.28", "conda-libmamba-solver >=23.9.1")
SOLVER = pkg("conda-libmamba-solver", "24.9.0", "pyhd3eb1b0_0", "python", "libmambapy >=1.5.6", noarch="python")
MAMBAPY = pkg("libmambapy", "1.5.8", "py310h2dafd23_3", PY310, "libgcc-ng >=11.2.0", "__glibc >=2.17")
REQUESTS = pkg("requests", "2.32.3", "pyhd8ed1ab_0", "python >=3.8", noarch="python")
LIBGCC = pkg("libgcc-ng", "11.2.0", "h1234567_1")
BASE = [python("3.10.14"), CONDA, SOLVER, MAMBAPY, REQUESTS, LIBGCC]


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
    assert only("BASE001", situation(before, after, "python=3.11", base=True)).pre_existing


def test_base001_near_misses():
    whole = [python("3.11.9"), rebuilt(CONDA), SOLVER, rebuilt(MAMBAPY), REQUESTS, LIBGCC]
    assert fired("BASE001", situation(BASE, whole, "python=3.11", base=True)) == []
    assert fired("BASE001", situation(BASE, [python("3.11.9")], "python=3.11")) == []
    assert fired("BASE001", situation([python("3.10.1")], [python("3.11.9")], "python=3.11", base=True)) == []
    assert fired("BASE001", situation(BASE, None, "python=3.11", base=True, forced="3.11")) == []


# ---------------------------------------------------------------------------------------------------------------------
# CHG001

PURE = pkg("attrs", "21.2.0", "pyhd3eb1b0_0", "python", noarch="python")
PANDAS = pkg("pandas", "2.0.3", "py310h6a_0", PY310, "numpy >=1.21", "libgcc-ng >=11.2.0")
NUMPY = pkg("numpy", "1.26.4", "py310h5f_0", PY310)


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


def test_chg002_near_misses():
    assert downgrade("1.5.3", "2.0.3", "pandas") == []
    assert downgrade("1.9", "1.10") == []
    rebuild = situation([pkg("numpy", "1.26", "py310_0")], [pkg("numpy", "1.26.0", "py312_0")])
    assert fired("CHG002", rebuild) == []


# ---------------------------------------------------------------------------------------------------------------------
# CHG003


def switch(name, *, kept=(), before=MAIN, after=FORGE, **more):
    old, new = pkg(name, "1.0", "h0_0", channel=before, **more), pkg(name, "1.1", "h1_0", channel=after, **more)
    return fired("CHG003", situation([old, *kept], [new, *kept]))


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


# ---------------------------------------------------------------------------------------------------------------------
# GPU001 and GPU005

PYTORCH = "https://conda.anaconda.org/pytorch"
GPU_TORCH = pkg(
    "pytorch",
    "2.0.1",
    "py3.10_cuda11.8_cudnn8.7.0_0",
    "pytorch-cuda >=11.8,<11.9",
    "pytorch-mutex 1.0 cuda",
    channel=PYTORCH,
)
CPU_TORCH = pkg("pytorch", "2.0.1", "cpu_py310hdc00b08_0")
WITH_CUDA = Host("linux-64", (VirtualPackage("__cuda", "12.4"),), gpu_known=True)


def test_gpu001_case_5_the_channel_and_the_host_are_named():
    found = only("GPU001", situation([GPU_TORCH], [CPU_TORCH]))
    assert short([found]) == [("conda:pytorch", "block", "certain", None)]
    assert found.message == (
        "pytorch 2.0.1 py3.10_cuda11.8_cudnn8.7.0_0, a GPU build, is replaced by 2.0.1 cpu_py310hdc00b08_0, "
        "a CPU build (it comes from pkgs/main instead of pytorch; no __cuda was found or given for the host)"
    )
    assert found.remedy == (
        "ask for a GPU build in the same change (pytorch::pytorch=*=*cuda*), "
        "and say what GPU the target has with --cuda VERSION"
    )
    assert found.evidence[:2] == (
        Evidence(
            "metadata",
            "conda-meta/pytorch-2.0.1-py3.10_cuda11.8_cudnn8.7.0_0.json",
            "build: py3.10_cuda11.8_cudnn8.7.0_0",
        ),
        Evidence("metadata", "pytorch-2.0.1-cpu_py310hdc00b08_0", "build: cpu_py310hdc00b08_0"),
    )


def test_gpu001_names_cpuonly_and_the_mutex():
    mutex = pkg("pytorch-mutex", "1.0", "cuda", channel=PYTORCH)
    after = [
        replace(CPU_TORCH, channel=PYTORCH, build="py3.10_cpu_0"),
        pkg("cpuonly", "2.0", "0", channel=PYTORCH),
        replace(mutex, build="cpu"),
    ]
    found = only("GPU001", situation([GPU_TORCH, mutex], after, "cpuonly", host=WITH_CUDA))
    assert found.message.endswith("(cpuonly 2.0 0 chooses the CPU; pytorch-mutex 1.0 cpu chooses the CPU)")


def test_gpu001_a_framework_that_shows_neither_is_unverified():
    blank = pkg("jaxlib", "0.4", "py310h0_0", "python")
    gpu = pkg("jaxlib", "0.4", "cuda118py310h0_200", "cudatoolkit >=11.8,<12")
    found = only("GPU001", situation([gpu], [blank], host=WITH_CUDA))
    assert (found.severity, found.status) == (Severity.BLOCK, "unverified")
    assert "nothing in the records forces it" in found.message


def test_gpu001_near_misses():
    newer = replace(GPU_TORCH, version="2.1.0", build="py3.10_cuda12.1_cudnn8.9.2_0")
    assert fired("GPU001", situation([GPU_TORCH], [newer])) == []
    assert fired("GPU001", situation([CPU_TORCH], [replace(CPU_TORCH, version="2.1.0")])) == []
    assert fired("GPU001", situation([CPU_TORCH], [GPU_TORCH])) == []
    assert fired("GPU001", situation([GPU_TORCH], [])) == []
    toolkit = [pkg("cuda-nvrtc", "12.6", "h5_0", "cuda-version >=12.6,<12.7")], [pkg("cuda-nvrtc", "12.1.105", "0")]
    assert fired("GPU001", situation(*toolkit)) == []
    plain = [pkg("ucx", "1.14", "h0_0", "cudatoolkit")], [pkg("ucx", "1.15", "h1_0")]
    assert fired("GPU001", situation(*plain)) == []


@pytest.mark.parametrize(
    ("name", "build", "depends", "expected"),
    [
        ("pytorch", "cuda118_py310h8b36b8a_301", (), "gpu"),
        ("torchvision", "py310_cu121", (), "gpu"),
        ("tensorflow", "gpu_py39h8236f22_0", (), "gpu"),
        ("tensorflow", "mkl_py39h4683426_0", (), "cpu"),
        ("pytorch", "cpu_mkl_py311h30d5c41_100", (), "cpu"),
        ("pyarrow", "py311h02bbc4d_30_cpu", (), "cpu"),
        ("faiss-cpu", "py36_cuda0.0_1", (), "cpu"),
        ("py-xgboost", "py36h4d71fd4_0", ("_py-xgboost-mutex 1.0 gpu_0", "cudatoolkit >=9.2"), "gpu"),
        ("py-xgboost", "py36he6710b0_0", ("_py-xgboost-mutex 2.0 cpu_0",), "cpu"),
        ("cupy", "py310h1b77274_2", ("cuda-version >=12.0,<13.0a0",), "gpu"),
        ("jaxlib", "py310hcafebabe_0", ("__cuda",), "gpu"),
        ("numpy", "py310hcafebabe_0", ("python",), None),
    ],
)
def test_flavour(name, build, depends, expected):
    assert flavour(pkg(name, "1.0", build, *depends)) == expected


def test_toolkit_names():
    assert all(is_toolkit(name) for name in ("cuda-cudart_linux-64", "libcublas-dev", "cudnn", "libnvjitlink", "nccl"))
    assert not any(is_toolkit(name) for name in ("cupy", "libcurl", "libnuma", "pytorch", "numba"))


def test_gpu005_fires_once_for_the_host():
    before, after = [python("3.10.1")], [python("3.10.1"), GPU_TORCH, pkg("cuda-cudart", "11.8.89", "0")]
    found = only("GPU005", situation(before, after, "pytorch"))
    assert short([found]) == [("host:gpu", "warn", "unverified", None)]
    assert found.message == (
        "the change brings GPU packages (cuda-cudart 11.8.89, pytorch 2.0.1), "
        "but the GPU of the target host is not known"
    )


def test_gpu005_near_misses():
    after = [GPU_TORCH]
    assert fired("GPU005", situation([], after, host=WITH_CUDA)) == []
    assert fired("GPU005", situation([], after, host=Host("linux-64", gpu_known=True))) == []
    assert fired("GPU005", situation([GPU_TORCH, pkg("zlib")], [GPU_TORCH])) == []
    assert fired("GPU005", situation([], [CPU_TORCH])) == []
    assert fired("GPU005", situation([GPU_TORCH], None, "python=3.11", forced="3.11")) == []


# ---------------------------------------------------------------------------------------------------------------------
# PIP001


def dist(name, version="1.0", *tags, extensions=(), folder="lib/python3.9/site-packages", **more):
    more.setdefault("metadata_path", f"{folder}/{name}-{version}.dist-info")
    more.setdefault("python", "3.9" if folder.startswith("lib/python3.9/") else None)
    return PipDist(name.lower(), version, name, folder, tags=tags, extensions=extensions, **more)


NUMPY_39 = dist(
    "numpy",
    "1.20.3",
    "cp39-cp39-manylinux2010_x86_64",
    extensions=("numpy/core/_multiarray_umath.cpython-39-x86_64-linux-gnu.so",),
)
ARGON2 = dist("argon2_cffi", "20.1.0", "cp35-abi3-manylinux1_x86_64", extensions=("argon2/_ffi.abi3.so",))
FLASK = dist("Flask", "2.0.1", "py3-none-any")


def moved(*dists, **more):
    """Base moves from 3.9 to 3.10 with these dists in it."""
    return fired("PIP001", situation([python("3.9.5")], [python("3.10.0")], "python=3.10", dists=dists, **more))


def test_pip001_a_tagged_dist_stays_behind():
    (found,) = moved(NUMPY_39)
    assert short([found]) == [("pip:numpy", "block", "certain", "gone")]
    assert found.message == (
        "numpy 1.20.3 (pip, compiled for cp39) stays behind in lib/python3.9/site-packages, "
        "which python 3.10 does not read"
    )
    wheel = Evidence(
        "metadata", "lib/python3.9/site-packages/numpy-1.20.3.dist-info/WHEEL", "Tag: cp39-cp39-manylinux2010_x86_64"
    )
    assert found.evidence == (
        wheel,
        Evidence(
            "metadata",
            "lib/python3.9/site-packages/numpy-1.20.3.dist-info/RECORD",
            "names numpy/core/_multiarray_umath.cpython-39-x86_64-linux-gnu.so",
        ),
    )
    assert [(e.consumer, e.provider, e.kind, e.requirement, e.status, e.evidence) for e in found.edges] == [
        ("pip:numpy", "conda:python", "python_abi", "cp39", "broken", (wheel,))
    ]


def test_pip001_every_class_is_named():
    editable = dist("mylib", "0.1", direct_url=DirectUrl("file:///home/user/mylib", editable=True, kind="dir"))
    local = dist("patched", "0.2", "py3-none-any", direct_url=DirectUrl("file:///srv/wheels/patched.whl"))
    found = moved(ARGON2, FLASK, editable, local)
    assert [(f.subject, f.severity.value, re.search(r"\((.*?)\)", f.message)[1]) for f in found] == [
        ("pip:argon2_cffi", "block", "pip, abi3: compiled, the same wheel serves python 3.10"),
        ("pip:flask", "warn", "pip, pure"),
        ("pip:mylib", "warn", "pip, editable"),
        ("pip:patched", "warn", "pip, local"),
    ]
    assert [f.edges for f in found] == [(), (), (), ()]
    assert found[2].remedy == "install it again for python 3.10 in editable mode from file:///home/user/mylib"


def test_pip001_a_pure_dist_that_a_requested_package_requires_blocks():
    owner = dist("dash", "2.0", "py3-none-any", owner="dash", requires_dist=("Flask>=1.0", "six; python_version<'3'"))
    werkzeug, six = dist("Werkzeug", "2.0", "py3-none-any"), dist("six", "1.16", "py2.py3-none-any")
    needing = replace(FLASK, requires_dist=("Werkzeug (>=2.0)", "asgiref (>=3.2) ; extra == 'async'"))
    found = moved(owner, needing, six, werkzeug, history=["dash"])
    assert [(f.subject, f.severity.value) for f in found] == [
        ("pip:flask", "block"),
        ("pip:six", "warn"),
        ("pip:werkzeug", "block"),
    ]
    assert found[0].message.endswith("; dash, which was asked for, requires it")
    assert {f.severity.value for f in moved(owner, needing, six, werkzeug)} == {"warn"}


def test_pip001_without_record_and_tags_the_class_is_unverified():
    (found,) = moved(dist("old", files_known=False))
    assert short([found]) == [("pip:old", "block", "unverified", "gone")]
    assert found.evidence[0].what == "no RECORD and no wheel tags"


def test_pip001_judges_the_request_where_there_is_no_solution():
    ctx = situation([python("3.9.5")], None, "python=3.10", dists=[NUMPY_39, FLASK], forced="3.10")
    found = fired("PIP001", ctx)
    assert [(f.subject, f.basis) for f in found] == [("pip:numpy", "request"), ("pip:flask", "request")]
    assert fired("PIP001", situation([python("3.9.5")], None, "numpy=2", dists=[NUMPY_39])) == []


def test_pip001_near_misses():
    assert fired("PIP001", situation([python("3.9.5")], [python("3.9.7")], dists=[NUMPY_39])) == []
    assert moved(replace(NUMPY_39, owner="numpy")) == []
    assert moved(replace(NUMPY_39, python="3.8", location="lib/python3.8/site-packages")) == []
    assert moved(replace(NUMPY_39, python="3.10", location="lib/python3.10/site-packages")) == []


def test_pip001_python_leaves():
    ctx = situation([python("3.9.5")], [], "python", operation="remove", dists=[FLASK])
    found = only("PIP001", ctx)
    assert (found.predicts, found.status) == ("import", "certain")
    assert found.message == "Flask 2.0.1 (pip, pure) has no python to be imported by: python itself leaves"


def test_pip001_with_pythons_record_unreadable_it_is_unverified():
    problem = LoadProblem("conda-meta/python-3.9.5-h12debd9_4.json", "cut", "the record is left out")
    ctx = situation([], [python("3.10.0")], "python=3.10", dists=[NUMPY_39], problems=[problem])
    assert short(fired("PIP001", ctx)) == [("pip:numpy", "block", "unverified", "gone")]
    assert fired("PIP001", situation([], [python("3.10.0")], "python=3.10", dists=[NUMPY_39])) == []


WINDOWS = "Lib/site-packages"


def on_windows(*dists, to="3.11.4"):
    return fired(
        "PIP001",
        situation([python("3.8.20")], [python(to)], f"python={to[:4]}", dists=dists, subdir="win-64"),
    )


def win(name, *tags, extensions=(), **more):
    return dist(name, "1.0", *tags, extensions=extensions, folder=WINDOWS, **more)


def test_pip001_on_windows_what_is_tagged_stops_importing():
    (found,) = on_windows(win("aiohttp", "cp38-cp38-win_amd64", extensions=("aiohttp/_http.cp38-win_amd64.pyd",)))
    assert short([found]) == [("pip:aiohttp", "block", "certain", "import")]
    assert found.message == (
        "aiohttp 1.0 (pip, compiled for cp38) stays visible in Lib/site-packages, "
        "but python 3.11 cannot import its compiled modules"
    )


@pytest.mark.parametrize(
    "near",
    [
        pytest.param(win("flask", "py3-none-any"), id="pure"),
        pytest.param(win("tornado", "cp38-abi3-win_amd64", extensions=("tornado/speedups.pyd",)), id="abi3"),
        pytest.param(win("ruff", "py3-none-win_amd64", extensions=("ruff.pyd",)), id="no ABI needed"),
        pytest.param(win("new", "cp311-cp311-win_amd64", extensions=("n.cp311-win_amd64.pyd",)), id="for the new one"),
        pytest.param(win("older", "cp37-cp37m-win_amd64", extensions=("o.cp37-win_amd64.pyd",)), id="broken before"),
    ],
)
def test_pip001_on_windows_near_misses(near):
    assert on_windows(near) == []


@pytest.mark.parametrize(
    ("unclear", "severity"),
    [
        pytest.param(win("old", files_known=False), "block", id="no RECORD, no tags"),
        pytest.param(win("loose", extensions=("loose.pyd",)), "block", id="untagged module"),
        pytest.param(win("mylib", direct_url=DirectUrl("file:///c:/src", editable=True)), "warn", id="editable"),
    ],
)
def test_pip001_on_windows_what_cannot_be_told_is_unverified(unclear, severity):
    assert short(on_windows(unclear)) == [(f"pip:{unclear.name}", severity, "unverified", "import")]


def test_pip001_on_windows_abi3_promises_nothing_below_its_floor():
    tornado = win("tornado", "cp38-abi3-win_amd64", extensions=("tornado/speedups.pyd",))
    assert short(on_windows(tornado, to="3.7.9")) == [("pip:tornado", "block", "unverified", "import")]


# ---------------------------------------------------------------------------------------------------------------------
# What a build is bound to


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("python >=3.10,<3.11.0a0", "3.10"),
        ("python >=3.9.1,<3.10", "3.9"),
        ("python <3.10.0a0,>=3.9", "3.9"),
        ("python >=3.9, <3.10.0a0", "3.9"),
        ("conda-forge::python 3.9.*", "3.9"),
        ("python_abi 3.10.* *_cp310", "3.10"),
        ("python_abi 3.13 *_cp313", "3.13"),
        ("python 3.9.5", "3.9"),
        ("python >=3.6,<3.10", None),
        ("python >=3.8", None),
        ("python 3.*", None),
        ("python", None),
        ("numpy >=1.21,<1.22", None),
    ],
)
def test_declared_python(spec, expected):
    found = declared_python(pkg("thing", "1.0", "0", spec))
    assert (found[0] if found else None) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("py36_0", "3.6"),
        ("py310h1b77274_2", "3.10"),
        ("py3.10_cuda12.1_cudnn9.1.0_0", "3.10"),
        ("np112py36_0", "3.6"),
        ("cuda118py311h9433a6d_301", "3.11"),
        ("cpu_mkl_py311_h30d5c41_100", "3.11"),
        ("py27_0", "2.7"),
        ("py_0", None),
        ("pyhd8ed1ab_0", None),
        ("h6a678d5_0", None),
        ("graalpy231_310_native", None),
    ],
)
def test_build_python(build, expected):
    assert build_python(pkg("thing", "1.0", build)) == expected


def test_is_compiled_by_an_abi3_package_of_cep_20_and_by_windows_names():
    unknown = RecordFiles((), known=False)
    assert is_compiled(pkg("nh3", noarch="python", subdir="linux-64"), unknown) is True
    assert is_compiled(pkg("six", noarch="python"), unknown) is False
    assert is_compiled(pkg("zlib"), RecordFiles(("Library/bin/zlib.dll",))) is True
    assert is_compiled(pkg("pip", "1", "0", "python"), RecordFiles(("Scripts/pip.exe",))) is False
    assert is_compiled(pkg("libz"), RecordFiles(("lib/libz.so.1.2.13",))) is True


# ---------------------------------------------------------------------------------------------------------------------
# The catalogue itself

HEADINGS = (
    "What it checks:",
    "Why it matters:",
    "How it decides:",
    "Evidence and limits:",
    "Example:",
    "What to do:",
    "References:",
)


def test_the_catalogue_is_sorted_unique_and_complete():
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
    modules = sorted(info.name for info in pkgutil.iter_modules(rules.__path__))
    assert modules == sorted(rule.check.__module__.removeprefix("rules.") for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_one_file_with_its_page(rule):
    module = importlib.import_module(rule.check.__module__)
    assert module.RULE is rule
    assert module.__name__ == f"rules.{rule.id.lower()}_{rule.name.replace('-', '_')}"
    lines = rule.page.splitlines()
    assert lines[0].startswith(f"{rule.id} {rule.name}: ")
    assert tuple(line for line in lines if line in HEADINGS) == HEADINGS
    assert rule.title
    assert not rule.title.endswith(".")


def test_rule_by_id():
    assert rule_by_id("pip001") is rule_by_id("PIP001")
    assert rule_by_id("PIP001").name == "orphaned"
    assert rule_by_id("NOPE999") is None


def test_a_compiled_wheel_that_names_no_python_needs_no_new_one():
    library = "nvidia/nccl/lib/libnccl.so.2"
    (found,) = moved(dist("nvidia-nccl", "2.20.5", "py3-none-manylinux_2_17_x86_64", extensions=(library,)))
    assert found.severity.value == "block"
    assert "for that python" not in found.remedy
    assert not found.edges


GIL = pkg("python", "3.13.5", "hec9711d_102_cp313")
FREE_THREADED = pkg("python", "3.13.5", "h71033d7_2_cp313t")


@pytest.mark.parametrize(
    ("before", "after", "flips"),
    [
        ([GIL], [FREE_THREADED], ("cp313", "cp313t")),
        ([GIL], [pkg("python", "3.13.6", "h1_103_cp313")], None),
        ([GIL], [pkg("python", "3.14.0", "h1_1_cp314t")], None),
        ([pkg("python", "3.10.1", "h1_0_cpython")], [pkg("python", "3.10.2", "h1_0_73_pypy")], ("cp310", "pypy")),
        (
            [pkg("python", "3.10.1", "h1_0_cpython"), pkg("python_abi", "3.10", "4_cp310")],
            [pkg("python", "3.10.2", "h2_0_cpython"), pkg("python_abi", "3.10", "5_cp310")],
            None,
        ),
        ([pkg("python", "3.10.1", "h1_0")], [pkg("python", "3.10.1", "h1_0_cpython")], None),
    ],
)
def test_abi002_speaks_of_a_flip_at_one_minor_only(before, after, flips):
    found = fired("ABI002", situation(before, after))
    if flips is None:
        assert not found
        return
    (only,) = found
    assert (only.subject, only.severity.value, only.status) == ("conda:python", "block", "certain")
    assert f"from {flips[0]} to {flips[1]}" in only.message


def of_binaries(folder):
    """The findings of scenarios with real objects, for the rules that look into them."""
    names = ("issue-conda-libmamba-solver-442", "issue-open3d-5531", "series-left-in-name", "issue-ace-378")
    for name in (*names, "glibc-too-old", "issue-anaconda-13146"):
        case = scenario.load(scenario.FOLDER / "binaries" / f"{name}.toml")
        yield from scenario.run(case, folder / name).findings


def test_sentences_are_single_lines_without_a_final_stop(tmp_path):
    everything = [
        *moved(NUMPY_39, ARGON2, FLASK, dist("old", files_known=False)),
        *switch("openssl", kept=[pkg("curl", "1", "0", "openssl")]),
        *fired("GPU001", situation([GPU_TORCH], [CPU_TORCH])),
        *fired("GPU005", situation([], [GPU_TORCH])),
        *fired("BASE001", situation(BASE, [python("3.11.9"), LIBGCC], "python=3.11", base=True)),
        *fired("CHG001", situation(BASE, [python("3.11.9"), LIBGCC], "python=3.11", base=True)),
        *fired("CHG002", situation([pkg("pandas", "2.0")], [pkg("pandas", "1.0")])),
        *fired("ABI001", situation([python("3.6.1"), PSUTIL_36], [python("3.7.1"), PSUTIL_36])),
        *fired("ABI002", situation([GIL], [FREE_THREADED])),
        *of_binaries(tmp_path),
    ]
    assert {found.rule for found in everything} <= {rule.id for rule in RULES}
    for found in everything:
        for text in (found.message, found.remedy, *(item.what for item in found.evidence)):
            assert text == text.strip()
            assert text
            assert "\n" not in text
            assert not text.endswith(".")
        assert found.evidence
        assert found.environment in {"base", "work"}


def test_no_change_fires_nothing():
    ctx = situation([*BASE, GPU_TORCH], [*BASE, GPU_TORCH], dists=[NUMPY_39], base=True)
    assert [fired(rule.id, ctx) for rule in RULES] == [[]] * len(RULES)


def test_control_a_relink_and_a_rebuild_are_silent():
    new = [replace(PANDAS, build="py312h6a_0", depends=("python >=3.12,<3.13.0a0", "numpy >=1.21"))]
    ctx = situation([python("3.10.1"), PANDAS, PURE], [python("3.12.1"), *new, PURE], "python=3.12")
    assert [change.action for change in ctx.changes] == ["relink", "rebuild", "upgrade"]
    assert [fired(rule.id, ctx) for rule in RULES] == [[]] * len(RULES)
