"""Drivers, architectures, mixed CUDA, torch's pairs and extensions, pins and ended channels, on small situations."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from planner.cuda import cuda_of_dist, cuda_of_record
from planner.cuda_drivers import lack
from planner.facts import known_facts
from planner.model.installed import Host, PipDist, VirtualPackage
from planner.package_cache import is_cached
from planner.torch_builds import conda_torch, pip_torch
from tests.situations import FORGE, PY, PYTORCH, SITE, fired, only, pkg, python, short, situation, torch


def host(cuda=None, driver=None, capabilities=None):
    packages = (VirtualPackage("__cuda", cuda),) if cuda else ()
    return Host("linux-64", packages, driver, capabilities, source="given", gpu_known=True)


def pip(name, version, *requires, compiled=True, **more):
    extensions = (f"{name}/_C.so",) if compiled else ()
    tags = ("cp310-cp310-linux_x86_64",) if compiled else ("py3-none-any",)
    folder = f"{SITE}/{name}-{version}.dist-info"
    return PipDist(
        name,
        version,
        name,
        SITE,
        folder,
        python="3.10",
        tags=tags,
        requires_dist=requires,
        extensions=extensions,
        **more,
    )


# ---------------------------------------------------------------------------------------------------------------------
# CUDA and drivers


@pytest.mark.parametrize(
    ("record", "version"),
    [
        (pkg("pytorch", "2.5.1", "py3.10_cuda12.1_cudnn9.1.0_0"), "12.1"),
        (pkg("pytorch", "2.5.1", "cuda126_mkl_py312_hdbe889e_310"), "12.6"),
        (pkg("pytorch", "1.10", "cuda112py310h1_0"), "11.2"),
        (pkg("torchvision", "0.20.1", "py310_cu121"), "12.1"),
        (pkg("pytorch", "0.4", "py36_cuda92_cudnn7"), "9.2"),
        (pkg("cudf", "24.10", "cuda12_py310_241009"), "12"),
        (pkg("cupy", "13.3", "py310h1_2", "cuda-version >=12.0,<13.0a0"), "12.0"),
        (pkg("tensorflow", "2.10", "gpu_py310h1_0", "cudatoolkit 11.3.*"), "11.3"),
        (pkg("cuda-version", "12.9", "h1_3"), "12.9"),
        (pkg("zlib", "1.3", "hcu1118a_0"), None),
        (pkg("numpy", "1.26", "py310h1_0", "libcblas >=3.9"), None),
    ],
    ids=lambda item: getattr(item, "build", None),
)
def test_the_cuda_of_a_build(record, version):
    found = cuda_of_record(record)
    assert (found.version if found else None) == version


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("torch", "2.1.0+cu118", "11.8"),
        ("nvidia-cuda-runtime-cu12", "12.4.127", "12.4"),
        ("nvidia-cuda-runtime", "13.0.96", "13.0"),
        ("nvidia-cublas-cu11", "11.10.3.66", "11"),
        ("cupy-cuda12x", "13.0", "12"),
        ("torch-scatter", "2.1.2+pt23cu121", "12.1"),
        ("torch", "2.5.1", None),
        ("nvidia-ml-py", "12.5", None),
    ],
)
def test_the_cuda_of_a_distribution(name, text, version):
    found = cuda_of_dist(pip(name, text))
    assert (found.version if found else None) == version


@pytest.mark.parametrize(
    ("cuda", "machine", "lacks"),
    [
        ("12.9", host(driver="525.60.13"), False),
        ("12.0", host(driver="520.61.05"), True),
        ("13.0", host(driver="580.65.06"), False),
        ("13.1", host(driver="575.57.08"), True),
        ("11.8", host(driver="450.80.02"), False),
        ("11.0", host(driver="450.51.06"), True),
        ("10.2", host(driver="418.39"), True),
        ("10.1", host(driver="418.39"), False),
        ("12.9", host(cuda="12.0"), False),
        ("13", host(cuda="12.9"), True),
        ("10.2", host(cuda="10.1"), True),
        ("12.4", host(), False),
    ],
)
def test_what_a_driver_lacks(cuda, machine, lacks):
    assert (lack(cuda, machine) is not None) == lacks


def test_gpu002_names_the_driver_it_needs_and_where_that_stands():
    ctx = situation([PY], [PY, torch("2.5.1", "12.4")], host=host(cuda="11.4", driver="470.82.01"))
    found = only("GPU002", ctx)
    assert found.message == (
        "CUDA 12 (pytorch 2.5.1) needs driver 525.60.13 or newer, and the host has driver 470.82.01"
    )
    assert found.evidence[-1].kind == "catalogue"
    assert "minor-version-compatibility" in found.evidence[-1].where
    assert not found.pre_existing


def test_gpu002_what_needed_it_before_is_told_as_such_and_forward_compatibility_makes_it_unverified():
    machine = host(driver="470.82.01")
    ctx = situation([PY, torch("2.4.1", "12.4")], [PY, torch("2.5.1", "12.4")], host=machine)
    assert only("GPU002", ctx).pre_existing
    compat = pkg("cuda-compat", "12.4", "h1_0")
    assert only("GPU002", situation([PY], [PY, torch("2.5.1", "12.4"), compat], host=machine)).status == "unverified"


@pytest.mark.parametrize(
    ("name", "fires"),
    [
        ("cuda-cudart", True),
        ("libcublas", True),
        ("cuda-nvcc", False),
        ("cuda-cudart-dev", False),
        ("cuda-cudart-dev_linux-64", False),
        ("libcublas-dev", False),
        ("cuda-version", False),
        ("cuda-cccl_linux-64", False),
    ],
)
def test_gpu002_what_only_builds_needs_no_driver(name, fires):
    record = pkg(name, "13.0.48", "h1_0", "cuda-version >=13.0,<13.1.0a0")
    assert bool(fired("GPU002", situation([PY], [PY, record], host=host(driver="550.54.14")))) == fires


def test_gpu002_pip_s_own_torch_counts_by_the_table_of_its_builds():
    items = [pip("torch", "2.11.0")]
    ctx = situation([PY], [PY, pkg("zlib")], dists=items, host=host(driver="570.26"))
    found = only("GPU002", ctx)
    assert "CUDA 13 (torch 2.11.0 (pip))" in found.message
    assert found.pre_existing


@pytest.mark.parametrize(
    ("capability", "fires"), [("7.5", False), ("7.0", True), ("8.9", False), ("9.0", False), ("5.2", True)]
)
def test_gpu003_cuda_13_serves_turing_and_later(capability, fires):
    ctx = situation([PY], [PY, torch("2.10.0", "13.0", FORGE)], host=host(cuda="13.0", capabilities=(capability,)))
    assert bool(fired("GPU003", ctx)) == fires


def test_gpu003_only_ptx_needs_a_driver_for_the_build_s_own_cuda():
    new = torch("2.7.1", "12.9", FORGE)
    old = situation([PY], [PY, new], host=host(cuda="12.4", capabilities=("13.0",)))
    assert only("GPU003", old).message.endswith(
        "has nothing but PTX of CUDA 12.9 for it, which a driver for CUDA 12.4 cannot compile, "
        "and the host has a GPU of compute capability 13.0"
    )
    assert fired("GPU003", situation([PY], [PY, new], host=host(cuda="12.9", capabilities=("13.0",)))) == []


def test_gpu003_machine_code_of_another_major_does_not_serve():
    ctx = situation([PY], [PY, torch("2.6.0", "12.6", FORGE)], host=host(cuda="12.6", capabilities=("3.7",)))
    assert short(fired("GPU003", ctx)) == [("conda:pytorch", "block", "certain", None)]


def test_gpu003_a_build_that_is_not_on_record_is_unverified():
    ctx = situation([PY], [PY, torch("2.5.1", "12.4")], host=host(cuda="12.4", capabilities=("8.0",)))
    assert short(fired("GPU003", ctx)) == [("conda:pytorch", "warn", "unverified", None)]


def test_gpu003_gpus_given_up_are_told_unless_the_driver_shows_that_it_is_none_of_them():
    before, after = torch("2.9.1", "12.9", FORGE), torch("2.10.0", "13.0", FORGE)
    ctx = situation([PY, before], [PY, after], host=host(cuda="13.0", driver="580.65.06"))
    assert short(fired("GPU003", ctx)) == [("conda:pytorch", "warn", "unverified", None)]
    assert fired("GPU003", situation([PY, before], [PY, after], host=host(cuda="13.1", driver="590.44.01"))) == []


def test_gpu004_two_majors_of_cudnn():
    old, new = pkg("cudnn", "8.9.7", "h1_0"), pkg("cudnn", "9.10.1", "h1_0")
    items = [pip("nvidia-cudnn-cu12", "8.9.2.26")]
    ctx = situation([PY, old], [PY, new], dists=items)
    assert only("GPU004", ctx).message == (
        "two majors of cuDNN meet in one environment: cuDNN 8 by nvidia-cudnn-cu12 8.9.2.26 (pip); "
        "cuDNN 9 by cudnn 9.10.1"
    )
    assert fired("GPU004", situation([PY, old], [PY, old, pkg("zlib")], dists=items)) == []


# ---------------------------------------------------------------------------------------------------------------------
# torch


def test_the_torches_are_told_apart():
    facts = known_facts()
    assert conda_torch(torch("2.5.1", "12.4"), facts).cxx11_abi is False
    assert conda_torch(torch("2.5.1", None), facts).flavour == "cpu"
    forge = conda_torch(torch("2.6.0", "12.6", FORGE), facts)
    assert (forge.origin, forge.cuda, forge.cxx11_abi, forge.row.ptx) == ("conda-forge", "12.6", None, "9.0")
    assert conda_torch(torch("2.6.0", None, FORGE), facts).row is None
    pypi = pip_torch(pip("torch", "2.7.1"), facts, linux=True)
    assert (pypi.flavour, pypi.cuda, pypi.cxx11_abi) == ("gpu", "12.6", True)
    assert pip_torch(pip("torch", "2.7.1"), facts, linux=False).cuda is None
    assert pip_torch(pip("torch", "2.7.1+cpu"), facts, linux=True).flavour == "cpu"
    assert pip_torch(pip("torch", "2.7.1+cu118"), facts, linux=True).cuda == "11.8"


@pytest.mark.parametrize(
    ("partner", "planned", "fires"),
    [
        (pip("torchvision", "0.15.2", "torch (==2.0.1)"), "2.2.2", True),
        (pip("torchvision", "0.17.1", "torch (==2.2.1)"), "2.2.2", False),  # a patch: PIP003's
        (pip("torchaudio", "2.0.2"), "2.2.2", True),
        (pip("torchaudio", "2.2.0"), "2.2.2", False),
        (pip("torchaudio", "2.11.0"), "2.13.0", False),
        (pip("torchaudio", "2.11.0"), "2.10.0", True),
        (pip("torchvision", "9.9"), "2.2.2", False),
    ],
    ids=lambda item: item.version if isinstance(item, PipDist) else None,
)
def test_abi008_pip_s_partners(partner, planned, fires):
    ctx = situation([PY, torch("2.0.1")], [PY, torch(planned)], dists=[partner])
    assert bool([found for found in fired("ABI008", ctx) if not found.pre_existing]) == fires


def test_abi008_conda_s_own_requirement_counts():
    vision = pkg(
        "torchvision", "0.26.0", "cpu_py310h1_0", "pytorch * cpu*", "pytorch >=2.10.0,<2.11.0a0", channel=FORGE
    )
    assert fired("ABI008", situation([PY], [PY, torch("2.10.0", None, FORGE), vision])) == []
    found = only("ABI008", situation([PY], [PY, torch("2.11.0", None, FORGE), vision]))
    assert found.edges[0].requirement == "pytorch >=2.10.0,<2.11.0a0"


@pytest.mark.parametrize(("vision", "cuda", "fires"), [("0.16.0+cu118", "12.1", True), ("0.16.0+cu121", "12.4", False)])
def test_abi008_torchvision_for_another_cuda(vision, cuda, fires):
    ctx = situation([PY, torch("2.0.1", cuda)], [PY, torch("2.1.0", cuda)], dists=[pip("torchvision", vision)])
    assert bool(fired("ABI008", ctx)) == fires


def test_abi008_up_to_0_15_torchvision_compares_cuda_s_minor_too():
    ctx = situation(
        [PY, torch("1.13.1", "11.7")], [PY, torch("2.0.1", "11.7")], dists=[pip("torchvision", "0.15.2+cu118")]
    )
    assert only("ABI008", ctx).message.endswith("it is for CUDA 11.8, and that torch for CUDA 11.7")


def test_abi008_two_torches_are_pip002_s():
    items = [pip("torch", "2.2.2"), pip("torchvision", "0.17.2", "torch (==2.2.2)")]
    ctx = situation([PY, torch("2.0.1")], [PY, torch("2.1.0")], dists=items)
    assert fired("ABI008", ctx) == []
    assert [found.subject for found in fired("PIP002", ctx)] == ["pip:torch"]


@pytest.mark.parametrize(
    ("item", "before", "after", "expected"),
    [
        pytest.param(
            pip("torch-scatter", "2.1.2+pt23cu121"), torch("2.3.1"), torch("2.4.1"), "certain", id="another minor"
        ),
        pytest.param(pip("torch-scatter", "2.1.2+pt23cu121"), torch("2.3.0"), torch("2.3.1"), None, id="a patch"),
        pytest.param(
            pip("torch-scatter", "2.1.2+pt23cu121"), torch("2.3.1"), torch("2.3.1", None), "certain", id="the CPU"
        ),
        pytest.param(
            pip("flash-attn", "2.5.8+cu122torch2.5cxx11abitrue"),
            torch("2.4.1"),
            torch("2.5.1"),
            "certain",
            id="C++ ABI",
        ),
        pytest.param(pip("xformers", "0.0.20", "torch"), torch("2.0.1"), torch("2.1.0"), "unverified", id="known"),
        pytest.param(pip("in-house", "1.0", "torch"), torch("2.0.1"), torch("2.1.0"), "unverified", id="requires"),
        pytest.param(pip("in-house", "1.0", "torch"), torch("2.1.0"), torch("2.1.0", "11.8"), "unverified", id="CUDA"),
        pytest.param(pip("timm", "1.0", "torch", compiled=False), torch("2.0.1"), torch("2.1.0"), None, id="pure"),
        pytest.param(pip("numba", "1.0"), torch("2.0.1"), torch("2.1.0"), None, id="not torch's"),
        pytest.param(pip("torchvision", "0.15.2"), torch("2.0.1"), torch("2.1.0"), None, id="ABI008's"),
    ],
)
def test_abi007_of_pip_s_extensions(item, before, after, expected):
    found = fired("ABI007", situation([PY, before], [PY, after], dists=[item]))
    assert [one.status for one in found] == ([expected] if expected else [])


def test_abi007_torch_leaves():
    items = [pip("flash-attn", "2.5.8", "torch"), pip("in-house", "1.0", "torch")]
    ctx = situation([PY, torch("2.3.1")], [PY], dists=items)
    assert short(fired("ABI007", ctx)) == [
        ("pip:flash-attn", "block", "certain", None),
        ("pip:in-house", "block", "unverified", None),
    ]


def test_abi007_conda_packages_that_do_not_say_which_torch():
    loose = pkg("torch-ext", "1.0", "py310h1_0", "python >=3.10,<3.11.0a0", "pytorch")
    bound = pkg("bound-ext", "1.0", "py310h1_0", "python >=3.10,<3.11.0a0", "pytorch >=2.3,<2.5")
    files = {name: [f"{SITE}/{name}/_C.so"] for name in ("torch-ext", "bound-ext")}
    ctx = situation([PY, torch("2.3.1"), loose, bound], [PY, torch("2.4.1"), loose, bound], files=files)
    assert short(fired("ABI007", ctx)) == [("conda:torch-ext", "block", "unverified", None)]


# ---------------------------------------------------------------------------------------------------------------------
# Pins, python, ended channels


def pinned(ctx, *pins, configured=(), frozen=None):
    environment = replace(ctx.environment, pins=pins, frozen=frozen)
    return replace(ctx, environment=environment, configured_pins=configured)


def test_chg004_the_result_is_compared_whatever_the_solver_was_told():
    old, new = pkg("numpy", "1.26.4"), pkg("numpy", "2.1.0")
    ctx = situation([PY, old], [PY, new])
    found = only("CHG004", pinned(ctx, "numpy <2"))
    assert (found.severity.value, found.subject, found.pre_existing) == ("block", "conda:numpy", False)
    assert only("CHG004", pinned(ctx, configured=("numpy 1.*",))).evidence[0].where == "pinned_packages"
    assert fired("CHG004", pinned(ctx, "numpy >=1", configured=("numpy 1.*",))) == []
    assert fired("CHG004", pinned(ctx, "scipy <1")) == []


def test_chg004_what_broke_the_pin_before_and_a_pin_that_was_lifted():
    numpy = pkg("numpy", "2.1.0")
    kept = pinned(situation([PY, numpy], [PY, numpy, pkg("zlib")]), "numpy <2")
    assert only("CHG004", kept).pre_existing
    ctx = pinned(situation([PY, pkg("numpy", "1.26.4")], [PY, numpy]), "numpy <2")
    lifted = replace(ctx, request=replace(ctx.request, options=("--no-pin",)))
    assert only("CHG004", lifted).severity.value == "warn"


def test_chg004_a_frozen_environment():
    ctx = situation([PY], [PY, pkg("zlib")])
    assert "so that nothing of it is to change: ask us" in only("CHG004", pinned(ctx, frozen="ask us.")).message
    assert only("CHG004", pinned(ctx, frozen="")).message.endswith("is to change")
    assert fired("CHG004", pinned(situation([PY], [PY]), frozen="")) == []


@pytest.mark.parametrize(
    ("specs", "after", "fires"),
    [
        (("numpy",), "3.11.9", True),
        (("python=3.11",), "3.11.9", False),
        (("python",), "3.11.9", False),
        (("numpy",), "3.10.19", False),
    ],
)
def test_chg005_python_moves_unasked(specs, after, fires):
    assert bool(fired("CHG005", situation([PY], [python(after)], *specs))) == fires


def test_chg007_the_pytorch_channel_has_no_build_for_a_newer_python():
    old = torch("2.5.1", "12.4")
    ctx = situation([PY, old], None, "python=3.13", history=["pytorch"], forced="3.13")
    assert short(fired("CHG007", ctx)) == [("conda:pytorch", "warn", "unverified", None)]
    known = replace(ctx, candidates=lambda _name: (old,))
    found = only("CHG007", known)
    assert (found.status, found.basis) == ("certain", "request")
    assert "has no build of pytorch for python 3.13 and gets no new ones: 2.5.1 was its last" in found.message
    newer = replace(old, build="py3.13_cuda12.4_0", depends=("python >=3.13,<3.14.0a0",))
    assert fired("CHG007", replace(ctx, candidates=lambda _name: (old, newer))) == []


def test_chg007_nor_a_newer_torch():
    old = torch("2.5.1", "12.4")
    ctx = replace(
        situation([PY, old], [PY, torch("2.6.0", "12.6", FORGE)], "pytorch=2.6"), candidates=lambda _name: (old,)
    )
    assert "has no build of pytorch=2.6 and gets no new ones" in only("CHG007", ctx).message


@pytest.mark.parametrize("record", [torch("2.6.0", "12.6", FORGE), pkg("zlib", "1.3", channel=PYTORCH)])
def test_chg007_near_misses(record):
    ctx = situation([PY, record], None, "python=3.13", history=[record.name], forced="3.13")
    assert fired("CHG007", ctx) == []


def test_chg007_is_about_what_was_asked_for():
    ctx = situation([PY, torch("2.5.1")], None, "python=3.13", forced="3.13")
    assert fired("CHG007", ctx) == []


# ---------------------------------------------------------------------------------------------------------------------
# The way back


def test_chg006_a_build_in_the_cache_or_in_a_channel_can_return():
    old, new = pkg("numpy", "1.26.4", sha256="a" * 64), pkg("numpy", "2.1.0")
    ctx = replace(situation([PY, old], [PY, new]), at_hand=lambda _record: False)
    ctx = replace(ctx, request=replace(ctx.request, channels=(old.channel,)))
    found = only("CHG006", ctx)
    assert (found.severity.value, found.status, found.subject) == ("warn", "certain", "env:work")
    assert found.message.startswith("the package that the change takes away could not be put back: neither in")
    assert fired("CHG006", replace(ctx, candidates=lambda _name: (old, new))) == []
    assert fired("CHG006", replace(ctx, at_hand=lambda _record: True)) == []
    other = replace(old, sha256="b" * 64)
    assert len(fired("CHG006", replace(ctx, candidates=lambda _name: (other,)))) == 1


def test_chg006_without_the_channel_nothing_is_certain():
    old, new = pkg("numpy", "1.26.4"), pkg("numpy", "2.1.0")
    ctx = replace(situation([PY, old], [PY, new]), at_hand=lambda _record: False)
    assert short(fired("CHG006", ctx)) == [("env:work", "note", "unverified", None)]


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("numpy-1.26.4-0.conda", True),
        ("numpy-1.26.4-0/info/index.json", True),
        ("numpy-1.26.4-1.conda", False),
        ("numpy-1.26.4-0/lib/x", False),
    ],
)
def test_what_lies_in_the_package_cache(tmp_path, path, there):
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"")
    assert is_cached((str(tmp_path / "none"), str(tmp_path)), pkg("numpy", "1.26.4")) == there
    assert not is_cached((str(tmp_path),), pkg("numpy", "1.26.4", fn="../numpy-1.26.4-0.conda"))
