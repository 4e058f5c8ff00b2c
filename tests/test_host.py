"""The host: detected here, assumed for another platform, given by options, variables or a file."""

import itertools
import json
import os
import platform
import sys

import pytest

from planner.cuda_drivers import cuda_of_driver
from planner.errors import InputError
from planner.facts import known_facts
from planner.host import detect_host, driver_version, native_subdir
from planner.model.installed import VirtualPackage
from planner.versions import compare

LINUX_64 = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="what is detected is known for linux-64 only"
)
FOREIGN_LINUX = "linux-aarch64" if platform.machine() == "x86_64" else "linux-64"


def versions(host):
    return {package.name: package.version for package in host.virtual_packages}


@LINUX_64
def test_detected_here():
    host = detect_host("linux-64", environ={})
    assert native_subdir() == "linux-64"
    assert host.source == "detected"
    libc, version = os.confstr("CS_GNU_LIBC_VERSION").split()
    assert libc == "glibc"
    assert host.virtual("__glibc") == version
    assert platform.release().startswith(host.virtual("__linux"))
    assert host.virtual("__unix") == "0"
    assert host.virtual("__archspec") == "1"
    assert host.gpu_known == ("__cuda" in versions(host))
    assert [package.name for package in host.virtual_packages] == sorted(versions(host))


@pytest.mark.parametrize(
    ("subdir", "expected"),
    [
        ("win-64", [("__archspec", "1", "x86_64"), ("__win", "0", "0")]),
        ("osx-arm64", [("__archspec", "1", "arm64"), ("__osx", "0", "0"), ("__unix", "0", "0")]),
        (
            "linux-ppc64le",
            [("__archspec", "1", "ppc64le"), ("__glibc", "0", "0"), ("__linux", "0", "0"), ("__unix", "0", "0")],
        ),
    ],
)
def test_another_platform_is_assumed_as_conda_does(subdir, expected):
    host = detect_host(subdir, environ={})
    assert host.virtual_packages == tuple(VirtualPackage(*package) for package in expected)
    assert (host.source, host.driver, host.compute_capabilities, host.gpu_known) == ("assumed", None, None, False)


def test_options_of_another_platform_leave_the_rest_assumed():
    host = detect_host("win-64", cuda="12.4", glibc="2.36", environ={})
    assert versions(host) == {"__archspec": "1", "__cuda": "12.4", "__win": "0"}
    assert host.source == "assumed"
    assert host.gpu_known


def test_an_unknown_platform():
    with pytest.raises(InputError, match=r"^'linux-65' is no platform that conda knows: .*linux-64"):
        detect_host("linux-65", environ={})


@LINUX_64
def test_options_win_over_what_is_found():
    host = detect_host("linux-64", cuda="12.4", glibc="2.17", driver="550.54.14", environ={})
    assert host.virtual("__cuda") == "12.4"
    assert host.virtual("__glibc") == "2.17"
    assert host.driver == "550.54.14"
    assert host.source == "given"
    assert host.gpu_known


@LINUX_64
def test_no_gpu_can_be_said():
    host = detect_host("linux-64", cuda="none", environ={"CONDA_OVERRIDE_CUDA": "12.4"})
    assert host.virtual("__cuda") is None
    assert host.gpu_known
    assert host.source == "given"


@LINUX_64
@pytest.mark.parametrize(
    ("driver", "cuda"),
    [("535.104.05", "12.2"), ("535.54.02", "12.1"), ("470.82.01", "11.4"), ("999.1", known_facts().toolkits[-1].cuda)],
)
def test_a_driver_alone_implies_its_cuda(driver, cuda):
    host = detect_host("linux-64", driver=driver, environ={})
    assert (host.driver, host.virtual("__cuda"), host.gpu_known) == (driver, cuda, True)


@LINUX_64
def test_a_driver_does_not_undo_what_conda_is_told():
    host = detect_host("linux-64", driver="535.104.05", environ={"CONDA_OVERRIDE_CUDA": "11.8"})
    assert host.virtual("__cuda") == "11.8"


def test_the_table_of_drivers_rises():
    for old, new in itertools.pairwise(known_facts().toolkits):
        assert compare(old.cuda, new.cuda) < 0
        assert compare(old.driver, new.driver) < 0


@pytest.mark.parametrize(("driver", "subdir"), [("535.104.05", "win-64"), ("340.108", "linux-64")])
def test_a_driver_that_says_nothing_of_cuda(driver, subdir):
    with pytest.raises(InputError, match="give --cuda too"):
        cuda_of_driver(driver, subdir)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cuda": "twelve"}, r"^--cuda 'twelve' cannot be used: it must be a version like 12\.4, or none$"),
        ({"cuda": ""}, "^--cuda '' cannot be used"),
        ({"driver": "535"}, r"^--driver '535' cannot be used: .* like 535\.104\.05"),
        ({"driver": "none"}, "^--driver 'none' cannot be used"),
        ({"glibc": "2.28\n"}, "^--glibc .* cannot be used"),
    ],
)
def test_values_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        detect_host("linux-64", environ={}, **options)


@LINUX_64
def test_condas_variables():
    environ = {
        "CONDA_OVERRIDE_GLIBC": "2.17",
        "CONDA_OVERRIDE_LINUX": "5.10",
        "CONDA_OVERRIDE_ARCHSPEC": "x86_64_v2",
        "CONDA_OVERRIDE_CUDA": "11.8",
        "CONDA_OVERRIDE_OSX": "14.0",
        "CONDA_OVERRIDE_WIN": "10.0.1",
    }
    host = detect_host("linux-64", environ=environ)
    assert host.virtual_packages == (
        VirtualPackage("__archspec", "1", "x86_64_v2"),
        VirtualPackage("__cuda", "11.8"),
        VirtualPackage("__glibc", "2.17"),
        VirtualPackage("__linux", "5.10"),
        VirtualPackage("__unix", "0"),
    )
    assert host.source == "given"
    assert host.gpu_known


@LINUX_64
def test_empty_variables_take_packages_away():
    environ = dict.fromkeys(["CONDA_OVERRIDE_GLIBC", "CONDA_OVERRIDE_LINUX", "CONDA_OVERRIDE_CUDA"], "")
    host = detect_host("linux-64", environ=environ)
    assert versions(host) == {"__archspec": "1", "__linux": "0", "__unix": "0"}
    assert host.gpu_known


def test_variables_count_for_another_platform_too():
    host = detect_host(FOREIGN_LINUX, environ={"CONDA_OVERRIDE_GLIBC": "2.28"})
    assert (host.virtual("__glibc"), host.virtual("__linux"), host.source) == ("2.28", "0", "assumed")


def test_a_variable_that_is_no_version():
    with pytest.raises(InputError, match=r"^CONDA_OVERRIDE_CUDA 'abc' cannot be used"):
        detect_host("win-64", environ={"CONDA_OVERRIDE_CUDA": "abc"})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: gcc\n",
            "535.104.05",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (dvs-builder@U16)\n",
            "550.54.14",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  570.26  Release Build\n", "570.26"),
        ("470.223.02\n", "470.223.02"),
        ("GCC version:  gcc version 11.4.0\n", None),
        ("", None),
    ],
)
def test_the_kernel_module_names_the_driver(text, version):
    assert driver_version(text) == version


HOST = {
    "subdir": "linux-64",
    "virtual_packages": {"__archspec": "1", "__cuda": "12.4", "__glibc": "2.28", "__linux": "5.14", "__unix": "0"},
    "driver": "550.54.14",
    "compute_capabilities": ["8.0", "9.0"],
    "source": "detected",
}


def host_file(tmp_path, content):
    path = tmp_path / "host.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("wrap", [lambda host: host, lambda host: {"format": "conda-upgrade-plan", "host": host}])
def test_a_host_file_or_a_plan(tmp_path, wrap):
    environ = {"CONDA_OVERRIDE_CUDA": "9.0"}  # speaks of this machine, not of the one in the file
    host = detect_host("linux-64", host_file=host_file(tmp_path, wrap(HOST)), environ=environ)
    assert host.virtual_packages == (
        VirtualPackage("__archspec", "1", "x86_64"),
        VirtualPackage("__cuda", "12.4"),
        VirtualPackage("__glibc", "2.28"),
        VirtualPackage("__linux", "5.14"),
        VirtualPackage("__unix", "0"),
    )
    assert host.driver == "550.54.14"
    assert host.compute_capabilities == ("8.0", "9.0")
    assert (host.source, host.gpu_known) == ("given", True)


def test_options_win_over_the_file(tmp_path):
    host = detect_host("linux-64", cuda="none", glibc="2.17", host_file=host_file(tmp_path, HOST), environ={})
    assert (host.virtual("__cuda"), host.virtual("__glibc")) == (None, "2.17")


def test_a_file_without_a_gpu_does_not_say_that_there_is_none(tmp_path):
    content = {"virtual_packages": {"__glibc": "2.28", "__archspec": "1=x86_64_v3"}}
    host = detect_host("linux-64", host_file=host_file(tmp_path, content), environ={})
    assert host.virtual_packages == (
        VirtualPackage("__archspec", "1", "x86_64_v3"),
        VirtualPackage("__glibc", "2.28"),
    )
    assert not host.gpu_known


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "does not hold an object"),
        ({"subdir": "win-64"}, "is of a 'win-64' machine, but the packages are for linux-64"),
        ({"virtual_packages": []}, "virtual_packages must be an object"),
        ({"virtual_packages": {"__cuda": None}}, "'__cuda': None is no virtual package"),
        ({"virtual_packages": {"cuda": "12.4"}}, "'cuda': '12.4' is no virtual package"),
        ({"virtual_packages": {"__cuda": "12.x"}}, "'__cuda': '12.x' is no virtual package"),
        ({"driver": 550}, "driver 550 is no whole driver version"),
        ({"compute_capabilities": [8.6]}, "compute_capabilities must be a list of texts"),
    ],
)
def test_host_files_that_cannot_be_used(tmp_path, content, message):
    path = host_file(tmp_path, content)
    with pytest.raises(InputError) as caught:
        detect_host("linux-64", host_file=path, environ={})
    assert str(caught.value).startswith(f"the host file {path}")
    assert message in str(caught.value)


def test_a_host_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        detect_host("linux-64", host_file=str(tmp_path / "none.json"), environ={})
