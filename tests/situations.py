"""Small hand-built situations to ask one rule about, and the packages that the tests of several rules share."""

from __future__ import annotations

from planner.diff import diff
from planner.model.installed import Environment, History, Host, Installation, PackageRecord, PipDist, RecordFiles
from planner.model.solve import Request
from planner.rule import RuleContext
from planner.versions import spec_name
from rules import rule_by_id

MAIN = "https://repo.anaconda.com/pkgs/main"
FORGE = "https://conda.anaconda.org/conda-forge"
PYTORCH = "https://conda.anaconda.org/pytorch"
SITE = "lib/python3.10/site-packages"


def pkg(name, version="1.0", build="0", *depends, **more):
    more.setdefault("channel", MAIN)
    more.setdefault("subdir", "noarch" if more.get("noarch") else "linux-64")
    return PackageRecord(name, version, build, depends=depends, **more)


def python(version, **more):
    return pkg("python", version, "h12debd9_0", **more)


def dist(name, version="1.0", *tags, extensions=(), folder="lib/python3.9/site-packages", **more):
    more.setdefault("metadata_path", f"{folder}/{name}-{version}.dist-info")
    more.setdefault("python", "3.9" if folder.startswith("lib/python3.9/") else None)
    return PipDist(name.lower(), version, name, folder, tags=tags, extensions=extensions, **more)


def torch(version, cuda="12.1", channel=PYTORCH, **more):
    build = f"py3.10_cuda{cuda}_cudnn8_0" if cuda else "py3.10_cpu_0"
    if channel == FORGE:
        build = f"cuda{cuda.replace('.', '')}_py310h1_300" if cuda else "cpu_generic_py310h1_0"
    return pkg("pytorch", version, build, "python >=3.10,<3.11.0a0", channel=channel, **more)


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
# Packages that more than one file asks about

PY = python("3.10.14")
PY310 = "python >=3.10,<3.11.0a0"
PSUTIL_36 = pkg("psutil", "5.6.3", "py36_0", "python")
CONDA = pkg("conda", "24.9.2", "py310h06a4308_0", PY310, "requests >=2.28", "conda-libmamba-solver >=23.9.1")
SOLVER = pkg("conda-libmamba-solver", "24.9.0", "pyhd3eb1b0_0", "python", "libmambapy >=1.5.6", noarch="python")
MAMBAPY = pkg("libmambapy", "1.5.8", "py310h2dafd23_3", PY310, "libgcc-ng >=11.2.0", "__glibc >=2.17")
REQUESTS = pkg("requests", "2.32.3", "pyhd8ed1ab_0", "python >=3.8", noarch="python")
LIBGCC = pkg("libgcc-ng", "11.2.0", "h1234567_1")
BASE = [PY, CONDA, SOLVER, MAMBAPY, REQUESTS, LIBGCC]
PURE = pkg("attrs", "21.2.0", "pyhd3eb1b0_0", "python", noarch="python")
PANDAS = pkg("pandas", "2.0.3", "py310h6a_0", PY310, "numpy >=1.21", "libgcc-ng >=11.2.0")
GPU_TORCH = pkg(
    "pytorch",
    "2.0.1",
    "py3.10_cuda11.8_cudnn8.7.0_0",
    "pytorch-cuda >=11.8,<11.9",
    "pytorch-mutex 1.0 cuda",
    channel=PYTORCH,
)
CPU_TORCH = pkg("pytorch", "2.0.1", "cpu_py310hdc00b08_0")
NUMPY_39 = dist(
    "numpy",
    "1.20.3",
    "cp39-cp39-manylinux2010_x86_64",
    extensions=("numpy/core/_multiarray_umath.cpython-39-x86_64-linux-gnu.so",),
)
ARGON2 = dist("argon2_cffi", "20.1.0", "cp35-abi3-manylinux1_x86_64", extensions=("argon2/_ffi.abi3.so",))
FLASK = dist("Flask", "2.0.1", "py3-none-any")
GIL = pkg("python", "3.13.5", "hec9711d_102_cp313")
FREE_THREADED = pkg("python", "3.13.5", "h71033d7_2_cp313t")


# ---------------------------------------------------------------------------------------------------------------------
# Changes that more than one file asks about


def moved(*dists, **more):
    """Base moves from 3.9 to 3.10 with these dists in it."""
    return fired("PIP001", situation([python("3.9.5")], [python("3.10.0")], "python=3.10", dists=dists, **more))


def switch(name, *, kept=(), before=MAIN, after=FORGE, **more):
    """A package comes from another channel than before, beside those that are kept."""
    old, new = pkg(name, "1.0", "h0_0", channel=before, **more), pkg(name, "1.1", "h1_0", channel=after, **more)
    return fired("CHG003", situation([old, *kept], [new, *kept]))
