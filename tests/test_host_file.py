"""A host file: written on one machine, read on another, with what only that one can tell."""

import json
import sys

import pytest
from click.testing import CliRunner

import cli
from planner.errors import InputError
from planner.host import detect_host, native_subdir
from planner.host_file import to_json, with_capabilities
from planner.model.installed import Host, VirtualPackage

GIVEN = Host(
    "linux-64",
    (VirtualPackage("__archspec", "1", "zen2"), VirtualPackage("__cuda", "12.4"), VirtualPackage("__glibc", "2.28")),
    "550.54.14",
    ("7.0", "8.0"),
    source="given",
    gpu_known=True,
)


def tool(folder, text, code=0):
    """A program that answers as the driver's own does."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!{sys.executable}\nprint({text!r}, end='')\nraise SystemExit({code})\n", encoding="utf-8")
    path.chmod(0o755)
    return (str(path),)


def test_what_is_written_is_what_is_read(tmp_path):
    path = tmp_path / "host.json"
    path.write_text(to_json(GIVEN), encoding="utf-8")
    assert detect_host("linux-64", host_file=str(path), environ={}) == GIVEN


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for the driver's tool")
@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("8.0\n8.0\n", 0, ("8.0",)),
        ("10.0\n7.5\n", 0, ("7.5", "10.0")),
        ("", 0, None),
        ("No devices were found\n", 0, None),
        ("[Not Supported]\n", 0, None),
        ("8.0\n", 9, None),
    ],
)
def test_the_driver_s_tool_is_asked_for_compute_capabilities(tmp_path, text, code, expected):
    host = with_capabilities(Host("linux-64"), tool(tmp_path, text, code))
    assert host.compute_capabilities == expected
    assert host.gpu_known == (expected is not None)


def test_what_is_known_or_assumed_is_not_asked(tmp_path):
    answers = tool(tmp_path, "9.0\n")
    assert with_capabilities(GIVEN, answers) is GIVEN
    assumed = Host("win-64", source="assumed")
    assert with_capabilities(assumed, answers) is assumed
    assert with_capabilities(Host("linux-64"), (str(tmp_path / "none"),)).compute_capabilities is None


def test_cuda_arch_is_the_lowest_compute_capability():
    environ = {"CONDA_OVERRIDE_CUDA": "12.4", "CONDA_OVERRIDE_CUDA_ARCH": "7.0"}
    host = detect_host(native_subdir(), environ=environ)
    assert (host.virtual("__cuda_arch"), host.compute_capabilities) == ("7.0", ("7.0",))
    without = detect_host(native_subdir(), environ={"CONDA_OVERRIDE_CUDA": "", "CONDA_OVERRIDE_CUDA_ARCH": "7.0"})
    assert (without.virtual("__cuda_arch"), without.compute_capabilities) == (None, None)
    none = detect_host(native_subdir(), cuda="none", environ=environ)
    assert (none.virtual("__cuda_arch"), none.compute_capabilities) == (None, None)


def test_the_command_saves_what_the_option_reads(tmp_path):
    path = tmp_path / "gpu-node.json"
    run = CliRunner().invoke
    done = run(cli.main, ["host", "--cuda", "12.4", "--save", str(path)])
    assert done.exit_code == 0, done.output
    assert "__cuda 12.4" in done.output
    assert json.loads(path.read_text(encoding="utf-8"))["virtual_packages"]["__cuda"] == "12.4"
    again = run(cli.main, ["host", "--host", str(path), "--save", str(tmp_path / "again.json")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_command_names_what_it_cannot_use(tmp_path):
    run = CliRunner().invoke
    assert run(cli.main, ["host", "--driver", "new"]).exit_code == 2
    assert run(cli.main, ["host", "--save", str(tmp_path / "no/such/folder.json")]).exit_code == 2
    with pytest.raises(InputError, match="cannot be read"):
        detect_host("linux-64", host_file=str(tmp_path / "none.json"), environ={})
