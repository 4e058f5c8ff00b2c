"""GPU001 and GPU005: a CPU build in place of a GPU build, and GPU packages for a host of which nothing is known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from planner.flavour import flavour, is_toolkit
from planner.model.installed import Host, VirtualPackage
from planner.model.plan import Evidence, Severity
from tests.situations import CPU_TORCH, GPU_TORCH, PYTORCH, fired, only, pkg, python, short, situation

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
