"""Plans made by hand, one for each verdict, for the tests of what is written, read and rendered.

Names, versions and tags are those of a Miniconda base of 2021 (python 3.9, 66 pip dists); no test takes them as an
answer about real channels.
"""

from __future__ import annotations

from msgspec.structs import replace

from planner.model.installed import Host, PackageRecord, VirtualPackage
from planner.model.plan import (
    Alternative,
    Alternatives,
    Edge,
    EnvironmentReport,
    Evidence,
    Finding,
    Fingerprint,
    Migration,
    PackageChange,
    Plan,
    Severity,
    Step,
    Target,
    Verdict,
)
from planner.model.solve import Request, SolverInfo

MAIN = "https://repo.anaconda.com/pkgs/main"
FORGE = "https://conda.anaconda.org/conda-forge"
SITE = "lib/python3.9/site-packages"

COMPILED = (
    ("cffi", "1.14.6"),
    ("debugpy", "1.5.1"),
    ("kiwisolver", "1.3.2"),
    ("llvmlite", "0.37.0"),
    ("markupsafe", "2.0.1"),
    ("matplotlib", "3.4.3"),
    ("numba", "0.54.1"),
    ("numpy", "1.20.3"),
    ("pandas", "1.3.4"),
    ("pillow", "8.4.0"),
    ("pyrsistent", "0.18.0"),
    ("pyyaml", "6.0"),
    ("pyzmq", "22.3.0"),
    ("scipy", "1.7.2"),
)
PURE = (
    ("attrs", "21.2.0"),
    ("backcall", "0.2.0"),
    ("bleach", "4.1.0"),
    ("bokeh", "2.4.1"),
    ("cycler", "0.11.0"),
    ("decorator", "5.1.0"),
    ("defusedxml", "0.7.1"),
    ("entrypoints", "0.3"),
    ("ipykernel", "6.5.0"),
    ("ipython", "7.29.0"),
    ("ipython-genutils", "0.2.0"),
    ("jedi", "0.18.0"),
    ("jinja2", "3.0.3"),
    ("jupyter-client", "7.0.6"),
    ("notebook", "6.4.5"),
    ("prompt-toolkit", "3.0.22"),
    ("python-dateutil", "2.8.2"),
    ("pytz", "2021.3"),
    ("seaborn", "0.11.2"),
    ("traitlets", "5.1.1"),
)


def record(name: str, version: str, build: str, channel: str = MAIN, subdir: str = "linux-64") -> PackageRecord:
    return PackageRecord(
        name,
        version,
        build,
        int(build.rsplit("_", 1)[-1]) if build.rsplit("_", 1)[-1].isdigit() else 0,
        channel,
        subdir,
        f"{name}-{version}-{build}.conda",
        f"{channel}/{subdir}/{name}-{version}-{build}.conda",
        depends=("python",),
        sha256="ab" * 32,
    )


def change(action, before, after, *, requested=False, reason="") -> PackageChange:
    name = (before or after).name
    return PackageChange(name, action, before, after, requested, reason)


def pip_finding(number, name, version, tag, kind, severity) -> Finding:
    where = f"{SITE}/{name.replace('-', '_')}-{version}.dist-info/WHEEL"
    return Finding(
        "PIP001",
        severity,
        f"pip:{name}",
        f"{name} {version} (pip, {kind}) stays behind in {SITE}, where python 3.10 does not look",
        "base",
        f"install {name} {version} again for python 3.10 (requirements.txt of the migration)",
        predicts="gone",
        evidence=(Evidence("metadata", where, f"Tag: {tag}"),),
        id=f"F{number}",
    )


CONDA_EDGE = Edge(
    "conda:conda",
    "conda:python",
    "python_abi",
    "python >=3.9,<3.10.0a0",
    "removed",
    (Evidence("metadata", "conda-meta/conda-4.10.3-py39h06a4308_0.json", "depends: python >=3.9,<3.10.0a0"),),
    "E1",
)
CONDA_LOST = Finding(
    "BASE001",
    Severity.BLOCK,
    "conda:conda",
    "conda itself is removed: base would have no conda",
    "base",
    "leave base as it is and make a new environment with python 3.10",
    predicts="gone",
    evidence=(Evidence("metadata", "transaction", "conda 4.10.3 is unlinked and nothing replaces it"),),
    edges=(CONDA_EDGE,),
    id="F1",
    edge_ids=("E1",),
)
NO_GPU_FACTS = Finding(
    "GPU005",
    Severity.WARN,
    "host:gpu",
    "a CUDA build of pytorch is planned, but the GPU of the host is not known",
    "base",
    "say what the host has: --cuda 12.4, or --cuda none",
    status="unverified",
    id="F80",
)
CHANGES = (
    change(
        "remove",
        record("conda", "4.10.3", "py39h06a4308_0"),
        None,
        requested=True,
        reason="conda 4.10.3 py39h06a4308_0 requires python >=3.9,<3.10.0a0, which python 3.10.0 does not meet; "
        "no build of conda for python 3.10 in the channels",
    ),
    change(
        "rebuild",
        record("pip", "21.1.3", "py39h06a4308_0"),
        record("pip", "21.1.3", "py310h06a4308_0"),
        reason="pip 21.1.3 py39h06a4308_0 requires python >=3.9,<3.10.0a0",
    ),
    change(
        "upgrade",
        record("python", "3.9.5", "h12debd9_4"),
        record("python", "3.10.0", "h151d27f_3"),
        requested=True,
        reason="asked for: python=3.10",
    ),
    change(
        "relink",
        record("six", "1.16.0", "pyhd3eb1b0_0", subdir="noarch"),
        record("six", "1.16.0", "pyhd3eb1b0_0", subdir="noarch"),
        reason="noarch python package, linked again for python 3.10",
    ),
)
MIGRATION = Migration(
    "base-py310",
    "/opt/conda/envs/base-py310",
    (
        Step(
            "create",
            "create",
            "Create base-py310 beside base",
            (("conda", "create", "--yes", "--prefix", "/opt/conda/envs/base-py310", "--file", "explicit.txt"),),
            (("/opt/conda/envs/base-py310/bin/python", "-B", "--version"),),
            (("conda", "env", "remove", "--yes", "--prefix", "/opt/conda/envs/base-py310"),),
        ),
        Step(
            "pip",
            "pip",
            "Install the pip layer",
            (
                (
                    "/opt/conda/envs/base-py310/bin/python",
                    "-m",
                    "pip",
                    "install",
                    "--no-deps",
                    "--requirement",
                    "my requirements.txt",
                ),
            ),
        ),
        Step(
            "verify-gpu",
            "verify-gpu",
            "Verify the GPU in base-py310",
            (("planner", "verify", "/opt/conda/envs/base-py310"),),
        ),
    ),
    (("explicit.txt", "@EXPLICIT\nhttps://x/y.conda\n"), ("environment.yml", "name: base-py310\n")),
    follow_up=(Step("kernels", "cut-over", "Point the Jupyter kernels at base-py310"),),
    rollback=(Step("remove", "remove", "Remove base-py310; base was never touched"),),
    download_bytes=41_000_000,
    disk_bytes=None,
)
UNTOUCHED = EnvironmentReport(
    "py37",
    "/opt/conda/envs/py37",
    affected=False,
    readable=True,
    evidence=(
        "own interpreter: python 3.7.11 (conda-meta/python-3.7.11-h12debd9_0.json), own lib/python3.7/site-packages",
        "the change writes below /opt/conda only, and no package of this prefix is among its changes",
    ),
)
SAFE = Plan(
    planner_version="0.1.0",
    created="2026-11-23T18:00:00Z",
    fingerprint=Fingerprint("sha256:aa", "sha256:bb", "sha256:cc", "sha256:dd"),
    root="/opt/conda",
    target=Target("base", "/opt/conda", "3.9.5", 38, 66),
    request=Request("install", ("six=1.17",), "conda", (MAIN, FORGE)),
    host=Host(
        "linux-64",
        (VirtualPackage("__glibc", "2.36"), VirtualPackage("__cuda", "12.4"), VirtualPackage("__unix", "0")),
        driver="550.54.14",
        compute_capabilities=("8.0", "8.6"),
    ),
    solver=SolverInfo("libmamba", "2.8.1", "worker", "exact", "--solver-python"),
    outcome="change",
    verdict=Verdict.SAFE,
    recommendation="in-place",
    changes=(
        change(
            "channel",
            record("six", "1.16.0", "pyhd3eb1b0_0", subdir="noarch"),
            record("six", "1.16.0", "pyhd3eb1b0_0", FORGE, "noarch"),
            requested=True,
            reason="asked for: six=1.17",
        ),
    ),
    final_state=(record("six", "1.17.0", "pyhd3eb1b0_0", FORGE, "noarch"), PackageRecord("bare", "1", "0")),
    environments=(
        EnvironmentReport(
            "base", "/opt/conda", affected=True, readable=True, evidence=("1 package unlinked, 1 package linked",)
        ),
        UNTOUCHED,
    ),
    alternatives=Alternatives(complete=True),
    migration=None,
)
UNCHANGED = EnvironmentReport("base", "/opt/conda", affected=False, readable=True, evidence=("no package changes",))
NO_CHANGE = replace(
    SAFE,
    outcome="no-change",
    changes=(),
    request=Request("update-all", (), "conda", (MAIN,)),
    environments=(UNCHANGED, UNTOUCHED),
)
_PIP = (
    *(
        pip_finding(number, name, version, "cp39-cp39-manylinux_2_17_x86_64", "compiled for cp39", Severity.BLOCK)
        for number, (name, version) in enumerate(COMPILED, start=2)
    ),
    pip_finding(16, "argon2-cffi", "21.1.0", "cp35-abi3-manylinux_2_5_x86_64", "compiled, abi3", Severity.BLOCK),
    *(
        pip_finding(number, name, version, "py3-none-any", "pure python", Severity.WARN)
        for number, (name, version) in enumerate(PURE, start=17)
    ),
)
UNSAFE = replace(
    SAFE,
    request=Request("install", ("python=3.10",), "mamba", (MAIN,)),
    verdict=Verdict.UNSAFE,
    recommendation="migrate",
    changes=CHANGES,
    edges=(CONDA_EDGE,),
    findings=(
        CONDA_LOST,
        *_PIP,
        NO_GPU_FACTS,
        Finding(
            "CHG003",
            Severity.NOTE,
            "conda:six",
            "six comes from another channel",
            "base",
            "",
            pre_existing=True,
            id="F81",
        ),
    ),
    environments=(
        EnvironmentReport(
            "base",
            "/opt/conda",
            affected=True,
            readable=True,
            via=("F1", *(finding.id for finding in _PIP)),
            evidence=("4 packages unlinked, 3 packages linked",),
        ),
        UNTOUCHED,
    ),
    alternatives=Alternatives(
        complete=True, items=(Alternative(("python=3.9.7",), ("python stays on 3.9",), ("conda",), ("pip",)),)
    ),
    migration=MIGRATION,
)
REVIEW = replace(
    SAFE,
    verdict=Verdict.REVIEW,
    solver=SolverInfo("rattler", "0.28.0", "in-process", "approximate", "the engine that the planner brings along"),
    findings=tuple(replace(finding, id=f"F{number}") for number, finding in enumerate(_PIP[15:], start=1)),
)
EXPLANATION = """Cannot solve the request because of: conda 4.10.3 cannot be installed:
├─ python 3.10.* cannot be installed because there are no viable options:
│  └─ python 3.10.0 would conflict with
└─ conda 4.10.3 would require python >=3.9,<3.10.0a0"""
UNSOLVABLE = replace(
    UNSAFE,
    request=Request("install", ("python=3.10",), "conda", (MAIN,)),
    outcome="unsolvable",
    explanation=EXPLANATION,
    verdict=Verdict.UNSOLVABLE,
    changes=(),
    final_state=(),
    edges=(),
    findings=tuple(
        replace(
            finding,
            basis="request",
            id=f"F{number}",
            message=finding.message.replace("stays behind", "would be left behind"),
        )
        for number, finding in enumerate(_PIP, start=1)
    ),
    environments=(UNCHANGED, UNTOUCHED),
)
UNKNOWN = replace(
    SAFE,
    verdict=Verdict.UNKNOWN,
    recommendation="do-not-proceed",
    host=Host("win-64", (VirtualPackage("__win", "0"),), source="assumed"),
    environments=(
        EnvironmentReport(
            "base",
            "/opt/conda",
            affected=True,
            readable=False,
            evidence=(
                "conda-meta/numpy-1.json: it is cut at byte 1048576; judged without this package",
                "1 package unlinked, 1 package linked",
            ),
        ),
        replace(UNTOUCHED, readable=False, evidence=("conda-meta: permission denied; nothing of it was read",)),
    ),
)
ALL = {
    "safe": SAFE,
    "no-change": NO_CHANGE,
    "review": REVIEW,
    "unsafe": UNSAFE,
    "unsolvable": UNSOLVABLE,
    "unknown": UNKNOWN,
}
