"""The probe and its runner, carried out with real interpreters.

No GPU is at hand, so what needs one is shown with a stand-in for torch: a small package that only pretends, put into
a real virtual environment. What the probe makes of a real torch is tested where PLANNER_TORCH_PYTHON names one.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.verify import probe, runner
from planner.verify.result import VerifyResult, load_result, render_result, to_json
from planner.verify.runner import exit_code, verify_environment

TOP = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in environments are POSIX ones")

# A stand-in, no torch: it has just what the probe asks of one.
STAND_IN = '''
"""STAND-IN for torch, made by the planner's tests. Computes nothing."""
import types
__version__ = "2.1.0"
version = types.SimpleNamespace(cuda=None, hip=None)
backends = types.SimpleNamespace(
    cudnn=types.SimpleNamespace(version=lambda: 8902),
    mps=types.SimpleNamespace(is_available=lambda: False),
    cuda=types.SimpleNamespace(matmul=types.SimpleNamespace(allow_tf32=True)),
)
def set_float32_matmul_precision(value):
    pass
def manual_seed(value):
    pass
class Tensor:
    def __init__(self, value, device="cpu"):
        self.value, self.device = value, device
    def to(self, device):
        return Tensor(self.value, device)
    def cpu(self):
        return Tensor(self.value)
    def double(self):
        return self
    def abs(self):
        return Tensor(abs(self.value))
    def max(self):
        return self
    def item(self):
        return self.value
    def __sub__(self, other):
        return Tensor(self.value - other.value)
    def __matmul__(self, other):
        return Tensor(product(self, other), self.device)
def product(left, right):
    return left.value * right.value
def randn(rows, columns):
    return Tensor(2.0)
cuda = types.SimpleNamespace(
    is_available=lambda: False,
    device_count=lambda: 0,
    get_arch_list=lambda: [],
    get_device_name=lambda index: "Stand-in GPU",
    get_device_capability=lambda index: (8, 6),
    get_device_properties=lambda index: types.SimpleNamespace(total_memory=24_000_000_000),
)
'''
WITH_GPU = """
version.cuda = "12.1"
cuda.is_available = lambda: True
cuda.device_count = lambda: 2
cuda.get_arch_list = lambda: ["sm_80", "sm_86", "compute_90"]
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("bare") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    return prefix


@pytest.fixture
def with_torch(bare):
    """A function that puts a stand-in into the environment and verifies it."""
    (site,) = bare.glob("lib/python*/site-packages")
    package = site / "torch"

    def verify(text, timeout=60):
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(text, encoding="utf-8")
        return verify_environment(str(bare), timeout=timeout)

    yield verify
    for path in sorted(package.rglob("*"), reverse=True):
        path.unlink()
    if package.is_dir():
        package.rmdir()


def codes(result):
    """The exit codes with no option, --require-gpu, --cpu-ok."""
    return [exit_code(result, require_gpu=gpu, cpu_ok=cpu) for gpu, cpu in ((0, 0), (1, 0), (0, 1))]


def test_without_a_framework_there_is_nothing_to_verify(bare):
    result = verify_environment(str(bare))
    assert (result.status, result.code) == ("no-framework", "no-framework")
    assert codes(result) == [0, 20, 0]
    assert "there is nothing to verify" in render_result(result)
    report = json.loads(result.data)
    assert report["python"]["prefix"] == str(bare)
    assert report["torch"] is None


def test_a_framework_it_does_not_know_is_not_passed_over(bare):
    (site,) = bare.glob("lib/python*/site-packages")
    (site / "jax.py").write_text("raise SystemError('never imported')")
    try:
        result = verify_environment(str(bare))
    finally:
        (site / "jax.py").unlink()
    assert result.reason == "torch is not in this environment; jax is, which this probe does not verify"
    assert codes(result) == [40, 20, 0]
    assert render_result(result).startswith("Not verified: ")


def test_a_torch_outside_the_environment_does_not_count(bare, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text(STAND_IN + WITH_GPU)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = verify_environment(str(bare))
    assert (result.status, result.code) == ("fail", "leak")
    assert f"torch is {tmp_path}/torch.py when activated, and not there when isolated" in result.leaks
    assert f"PYTHONPATH is '{tmp_path}'" in result.reason
    assert "something from outside the environment leaks in" in render_result(result)
    assert codes(result) == [20, 20, 20]


def test_what_lies_in_the_working_folder_does_not_count(bare, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text(STAND_IN + WITH_GPU)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert verify_environment(str(bare)).status == "no-framework"


def test_it_is_verified_as_a_user_would_have_it(with_torch, bare, tmp_path):
    scripts = bare / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (bare / "conda-meta").mkdir()
    (bare / "conda-meta" / "state").write_text('{"env_vars": {"GIVEN": "given", "GONE": "***unset***"}}')
    (scripts / "mine.sh").write_text('cat; echo noise; export SCRIPT="$CONDA_PREFIX $GIVEN"\n')
    (scripts / "other.txt").write_text("exit 9\n")
    note = tmp_path / "note"
    seen = "import os, sys\nif not sys.flags.isolated:\n"
    seen += f"    open({str(note)!r}, 'w').write(os.environ['SCRIPT'] + ' ' + os.environ['PATH'].split(':')[0])\n"
    try:
        assert with_torch(seen + STAND_IN).code == "cpu-only-build"
    finally:
        shutil.rmtree(bare / "etc")
        shutil.rmtree(bare / "conda-meta")
    assert note.read_text() == f"{bare} given {bare}/bin"


def test_a_launcher_runs_it_elsewhere(with_torch, bare, tmp_path):
    launcher = tmp_path / "launch"
    launcher.write_text('#!/bin/sh\necho "job 7 starts"\nLAUNCHED=yes "$@"\ncode=$?\necho "job 7 ends"\nexit $code\n')
    launcher.chmod(0o755)
    with_torch("import os\nassert os.environ['LAUNCHED'] == 'yes'\n" + STAND_IN + WITH_GPU)
    result = verify_environment(str(bare), launcher=(str(launcher), "--gres=gpu:1"))
    assert result.code == "not-started"  # the launcher takes no such option: its words are the reason
    launcher.write_text(
        launcher.read_text().replace('"$@"', 'shift; "$@"').replace("LAUNCHED=yes shift;", "shift; LAUNCHED=yes")
    )
    result = verify_environment(str(bare), launcher=(str(launcher), "--gres=gpu:1"))
    assert (result.status, result.leaks) == ("pass", ())


def test_only_the_folders_of_the_driver_are_left_to_the_loader(with_torch, tmp_path, monkeypatch):
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver" / "libcuda.so.1").write_bytes(b"")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/other:{tmp_path}/driver:")
    result = with_torch(STAND_IN)
    assert json.loads(result.data)["around"]["LD_LIBRARY_PATH"] == f"{tmp_path}/other:{tmp_path}/driver:"
    assert json.loads(result.isolated)["around"] == {"LD_LIBRARY_PATH": f"{tmp_path}/driver"}
    assert result.leaks == ()


def test_cpu_only_build(with_torch):
    result = with_torch(STAND_IN)
    assert (result.status, result.code) == ("no-gpu", "cpu-only-build")
    assert result.reason == "torch 2.1.0 is a CPU-only build: it was built without CUDA"
    assert codes(result) == [40, 20, 0]


@pytest.mark.skipif(bool(probe.kernel_driver() or probe.device_nodes()), reason="this machine has an NVIDIA driver")
def test_cuda_build_without_a_driver_and_with_every_gpu_hidden(with_torch, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = with_torch(STAND_IN + "version.cuda = '12.1'\n")
    assert (result.status, result.code) == ("no-gpu", "no-driver")
    assert "no NVIDIA driver is on this machine" in result.reason
    assert result.reason.endswith("; CUDA_VISIBLE_DEVICES is set to '' and hides every GPU")
    assert [cause["code"] for cause in json.loads(result.data)["causes"]] == ["no-driver", "hidden"]


def test_a_right_product_on_every_gpu_passes(with_torch):
    result = with_torch(STAND_IN + WITH_GPU)
    assert (result.status, result.code) == ("pass", "pass")
    assert codes(result) == [0, 0, 0]
    report = json.loads(result.data)
    assert [device["index"] for device in report["devices"]] == [0, 1]
    assert report["devices"][0]["compute_capability"] == "8.6"
    assert report["devices"][0]["built_for"] is True
    assert report["devices"][0]["matmul"] == {"ok": True, "max_error": 0.0, "error": None}
    assert report["torch"]["cudnn"] == 8902


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("4.01 if left.device == 'cuda:1' else 4.0", "is wrong by up to 0.01, allowed is 0.001"),
        ("float('nan') if left.device == 'cuda:1' else 4.0", "is not even finite"),
    ],
)
def test_a_wrong_product_on_one_gpu_fails(with_torch, product, said):
    result = with_torch(STAND_IN + WITH_GPU + f"product = lambda left, right: {product}\n")
    assert (result.status, result.code) == ("fail", "wrong-result")
    assert result.reason == f"GPU 1 (Stand-in GPU): the matrix product {said}"
    assert codes(result) == [20, 20, 20]


def test_an_architecture_that_was_not_built_for(with_torch):
    result = with_torch(
        STAND_IN
        + WITH_GPU
        + "cuda.get_arch_list = lambda: ['sm_90']\n"
        + "def product(left, right):\n"
        + "    if left.device == 'cpu': return 4.0\n"
        + "    raise RuntimeError('CUDA error: no kernel image is available for execution on the device')\n"
    )
    assert (result.status, result.code) == ("fail", "architecture")
    assert "torch was not built for compute capability 8.6 (built for sm_90)" in result.reason
    assert "no kernel image is available" in result.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise OSError('libcudart.so.11.0: cannot open shared object file')", "OSError: libcudart.so.11.0: cannot"),
        ("raise SystemExit(0)", "importing it fails: SystemExit: 0"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise ValueError('one\\ntwo')", "ValueError: one two"),
    ],
)
def test_an_import_that_fails(with_torch, text, said):
    result = with_torch(text)
    assert (result.status, result.code) == ("fail", "import-failed")
    assert said in result.reason
    assert codes(result) == [20, 20, 20]


def test_a_folder_left_over_is_not_torch(with_torch, bare):
    with_torch("")
    (site,) = bare.glob("lib/python*/site-packages")
    (site / "torch" / "__init__.py").unlink()
    result = verify_environment(str(bare))
    assert (result.status, result.code) == ("fail", "not-torch")


def test_a_cpu_build_that_cannot_compute_is_a_failure(with_torch):
    result = with_torch(STAND_IN + "autograd = linspace = None\n")
    assert (result.status, result.code) == ("fail", "cpu-failed")
    assert "training: TypeError" in result.reason


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (
            "bfloat16 = 'bf16'\ncuda.is_bf16_supported = lambda: True\nproduct = lambda left, right: 4.0 / (left.device != 'bf16')\n",
            "bf16-failed",
            "GPU 0 (Stand-in GPU): matmul_bf16 fails",
        ),
        ("arange = lambda count: 7\n", "copy-failed", "GPU 0 (Stand-in GPU): copy fails: AttributeError"),
    ],
)
def test_what_more_is_tried_on_a_gpu(with_torch, text, code, said):
    result = with_torch(STAND_IN + WITH_GPU + text)
    assert (result.status, result.code) == ("fail", code)
    assert said in result.reason


def test_noise_does_not_spoil_the_answer(with_torch):
    noise = (
        "import os\nprint('{\"format\": \"planner-gpu-probe\"}')\nos.write(1, b'noise\\n')\nos.system('echo more')\n"
    )
    assert with_torch(noise + STAND_IN + WITH_GPU).status == "pass"


def test_a_hanging_import_is_stopped_with_all_it_started(with_torch, tmp_path):
    note = tmp_path / "pid"
    text = (
        "import subprocess, time, pathlib\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\n"
        "time.sleep(300)\n"
    )
    start = time.monotonic()
    result = with_torch(text, timeout=8)
    assert time.monotonic() - start < 60
    assert (result.status, result.code) == ("fail", "timeout")
    assert result.reason.startswith("the probe was not done after 8 seconds and was stopped")
    assert is_gone(int(note.read_text()))


def is_gone(pid):
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import os, sys\nprint('the end', file=sys.stderr, flush=True)\nos._exit(3)", "no-answer", "exit code 3"),
        ("import os\nos._exit(0)", "no-answer", "without an answer that can be read"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "crashed", "signal SIGKILL"),
    ],
)
def test_an_import_that_ends_the_process(with_torch, text, code, said):
    result = with_torch(text)
    assert (result.status, result.code, result.data) == ("fail", code, "")
    assert said in result.reason
    assert ("its last words: the end" in result.reason) == ("the end" in text)


def test_nothing_is_written_into_the_environment(with_torch, bare):
    with_torch(STAND_IN + WITH_GPU)
    before = {path: path.lstat().st_mtime_ns for path in bare.rglob("*")}
    result = verify_environment(str(bare))
    assert result.status == "pass"
    assert {path: path.lstat().st_mtime_ns for path in bare.rglob("*")} == before


@pytest.mark.parametrize(
    "answer",
    ["", "no JSON", "[]", '{"format": "planner-gpu-probe", "version": 1, "status": "splendid"}', '{"status": "pass"}'],
)
def test_an_interpreter_that_answers_nonsense(tmp_path, answer):
    write_python(tmp_path, f"#!/bin/sh\nprintf '%s' '{answer}'\n")
    result = verify_environment(str(tmp_path))
    assert (result.status, result.code, result.data) == ("fail", "no-answer", "")


def test_what_a_foreign_interpreter_says_is_made_printable(tmp_path):
    answer = {
        "format": "planner-gpu-probe",
        "version": 1,
        "status": "pass",
        "reason": "fine\x1b[31m\nreally",
        "torch": 7,
    }
    write_python(tmp_path, f"#!/bin/sh\ncat <<'EOF'\n{json.dumps(answer)}\nEOF\n")
    text = render_result(verify_environment(str(tmp_path)))
    assert "fine\\x1b[31m\\nreally" in text
    assert "\x1b" not in text


def test_the_interpreter_is_called_activated_and_then_isolated(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "/somewhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    note = tmp_path / "note"
    said = 'echo "$1 $2 ${3%% *} ${PYTHONSTARTUP:-nothing} ${CONDA_PREFIX:-nothing}"'
    write_python(tmp_path, f"#!/bin/sh\ncat > /dev/null\n{said} >> {note}\n")
    verify_environment(str(tmp_path))
    around = os.environ.get("CONDA_PREFIX", "nothing")
    assert note.read_text() == f"-B -c import /somewhere {tmp_path}\n-I -B -c nothing {around}\n"


def test_an_interpreter_that_cannot_be_started(tmp_path):
    write_python(tmp_path, "#!/nowhere/at/all\n")
    result = verify_environment(str(tmp_path))
    assert (result.status, result.code) == ("fail", "not-started")


def write_python(prefix, text):
    (prefix / "bin").mkdir()
    python = prefix / "bin" / "python"
    python.write_text(text)
    python.chmod(0o755)


def conda_meta(prefix, *names):
    (prefix / "conda-meta").mkdir()
    for name in names:
        (prefix / "conda-meta" / name).write_text("{}")
    return prefix


def test_prefixes_without_an_interpreter(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        verify_environment(str(tmp_path / "gone"))
    with pytest.raises(InputError, match="this is not an environment"):
        verify_environment(str(tmp_path))
    conda_meta(tmp_path, "python-dateutil-2.8.2-pyhd3eb1b0_0.json", "r-base-4.3.1-h1_0.json")
    result = verify_environment(str(tmp_path))
    assert (result.status, result.code, codes(result)) == ("no-framework", "no-python", [0, 20, 0])
    (tmp_path / "conda-meta" / "python-3.11.4-h955ad1f_0.json").write_text("{}")
    result = verify_environment(str(tmp_path))
    assert (result.status, result.code) == ("fail", "no-interpreter")


def test_a_python_too_old_for_the_probe(tmp_path):
    conda_meta(tmp_path, "python-2.7.18-ha1903f6_2.json")
    write_python(tmp_path, "#!/bin/sh\nexit 9\n")
    assert verify_environment(str(tmp_path)).status == "no-framework"
    (tmp_path / "lib" / "python2.7" / "site-packages" / "torch").mkdir(parents=True)
    result = verify_environment(str(tmp_path))
    assert (result.status, result.code) == ("fail", "python-too-old")
    assert result.reason == "this environment's python is 2.7, and the probe needs 3.6 or newer"


def test_the_json_form():
    result = VerifyResult("/p", "fail", "timeout", "too slow")
    assert json.loads(to_json(result)) == {
        "format": "planner-gpu-verification",
        "version": 1,
        "prefix": "/p",
        "status": "fail",
        "code": "timeout",
        "reason": "too slow",
        "probe": None,
        "isolated": None,
        "leaks": [],
    }


def test_a_result_is_read_back(tmp_path, with_torch):
    result = with_torch(STAND_IN)
    path = tmp_path / "result.json"
    path.write_text(to_json(result))
    assert load_result(str(path)) == result
    whole = json.loads(to_json(result))
    for bad in ("", "[]", "{}", json.dumps({**whole, "status": "fine"}), json.dumps({**whole, "leaks": [1]})):
        path.write_text(bad)
        with pytest.raises(InputError, match=r"result\.json: "):
            load_result(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        load_result(str(tmp_path / "gone"))


# --- the probe's own reasoning, on facts as they would be


def facts(**changes):
    found = {
        "torch": {"version": "2.1.0", "cuda": "12.1", "hip": None, "mps": False},
        "driver": {"loaded": True, "cuda": "12.4", "version": "550.54", "kernel": "550.54", "error": None},
        "device_nodes": [{"path": "/dev/nvidia0", "accessible": True}, {"path": "/dev/nvidiactl", "accessible": True}],
        "environment": {},
        "warnings": [],
    }
    return {**found, **changes}


def driver(**changes):
    return {**facts()["driver"], **changes}


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        (facts(driver=driver(cuda="11.4")), "driver-too-old", "it offers CUDA 11.4, and torch was built for CUDA 12.1"),
        (
            facts(driver=driver(cuda="10.1"), torch={**facts()["torch"], "cuda": "10.2"}),
            "driver-too-old",
            "it offers CUDA 10.1, and torch was built for CUDA 10.2",
        ),
        (facts(environment={"CUDA_VISIBLE_DEVICES": "-1"}), "hidden", "CUDA_VISIBLE_DEVICES is set to '-1'"),
        (
            facts(device_nodes=[{"path": "/dev/nvidia0", "accessible": False}]),
            "no-permission",
            "this user may not open /dev/nvidia0",
        ),
        (
            facts(device_nodes=[], driver=driver(loaded=False, error="libcuda.so.1: not found", cuda=None)),
            "no-device-nodes",
            "a container without the NVIDIA runtime",
        ),
        (
            facts(driver=driver(loaded=False, error="libcuda.so.1: not found", cuda=None)),
            "no-driver-library",
            "libcuda.so.1: not found",
        ),
        (facts(warnings=["odd"]), "no-device", "none of the known reasons is seen; torch says: odd"),
    ],
)
def test_why_there_is_no_gpu(found, code, said):
    (cause,) = probe.why_no_gpu(found)
    assert cause["code"] == code
    assert said in cause["text"]


def test_a_newer_minor_of_the_same_cuda_major_is_no_reason():
    causes = probe.why_no_gpu(facts(driver=driver(cuda="12.0")))
    assert [cause["code"] for cause in causes] == ["no-device"]


@pytest.mark.parametrize(
    ("capability", "archs", "expected"),
    [
        ((8, 6), ["sm_86"], True),
        ((8, 9), ["sm_80", "sm_86"], True),  # machine code runs on later minors of its major
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((9, 0), ["sm_80", "compute_86"], True),  # PTX runs on everything later
        ((12, 0), ["sm_100", "sm_120"], True),
        ((10, 3), ["sm_100a"], False),  # the `a` variant runs on its own architecture alone
        ((8, 6), [], None),
        ((9, 0), ["gfx90a"], None),
    ],
)
def test_built_for(capability, archs, expected):
    assert probe.built_for(capability, archs) is expected


def test_what_hides_every_gpu():
    hiding = [("CUDA_VISIBLE_DEVICES", ""), ("CUDA_VISIBLE_DEVICES", "-1,0"), ("NVIDIA_VISIBLE_DEVICES", "void")]
    showing = [("CUDA_VISIBLE_DEVICES", "0"), ("CUDA_VISIBLE_DEVICES", "GPU-1a2b"), ("NVIDIA_VISIBLE_DEVICES", "all")]
    assert [probe.hides_all(*setting) for setting in hiding] == [True] * 3
    assert [probe.hides_all(*setting) for setting in showing] == [False] * 3


def test_the_driver_files(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "tty"):
        (tmp_path / name).touch()
    assert [Path(node["path"]).name for node in probe.device_nodes(str(tmp_path))] == [
        "nvidia0",
        "nvidia1",
        "nvidiactl",
    ]
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n")
    assert probe.kernel_driver(str(version)) == "550.54.15"
    assert probe.kernel_driver(str(tmp_path / "none")) is None


def test_the_probe_needs_the_standard_library_and_torch_alone():
    tree = ast.parse(runner.probe_source(), feature_version=(3, 7))
    tops = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    tops |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert tops <= set(sys.stdlib_module_names)


INTERPRETERS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))


@pytest.mark.skipif(not INTERPRETERS, reason="no pyenv interpreters here")
@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda path: path.parts[-3])
def test_every_python_at_hand_can_run_it(python):
    done = subprocess.run(
        [python, "-I", "-B", "-"], input=runner.probe_source().encode(), capture_output=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["format"] == "planner-gpu-probe"
    assert done.returncode == {"pass": 0, "no-framework": 0, "no-gpu": 40}.get(report["status"], 20)


@pytest.mark.skipif("PLANNER_TORCH_PYTHON" not in os.environ, reason="PLANNER_TORCH_PYTHON names no python with torch")
def test_a_real_torch():
    python = Path(os.environ["PLANNER_TORCH_PYTHON"])
    result = verify_environment(str(python.parent.parent))
    report = json.loads(result.data)
    assert report["torch"]["version"][0].isdigit()
    if report["torch"]["cuda"] is None and report["torch"]["hip"] is None:
        assert (result.status, result.code) == ("no-gpu", "cpu-only-build")
        assert codes(result) == [40, 20, 0]
        assert report["cpu"]["training"] == {"ok": True, "error": None}
        assert result.leaks == ()
    else:
        assert result.status in {"pass", "no-gpu"}


@pytest.mark.parametrize(("option", "code"), [((), 40), (("--cpu-ok",), 0), (("--require-gpu",), 20)])
def test_the_command(with_torch, bare, option, code):
    with_torch(STAND_IN)
    (bare / "conda-meta").mkdir(exist_ok=True)
    (bare / "conda-meta" / "history").touch()
    command = [sys.executable, "-m", "cli", "verify", str(bare), *option]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith("No GPU: torch 2.1.0 is a CPU-only build")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these are other systems than Linux")
@pytest.mark.parametrize("subdir", ["win-64", "osx-arm64"])
def test_an_environment_of_another_system_is_not_run(tmp_path, subdir):
    (tmp_path / "conda-meta").mkdir()
    record = {"name": "python", "version": "3.10.12", "build": "h1_0", "subdir": subdir}
    (tmp_path / "conda-meta" / "python-3.10.12-h1_0.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=f"an environment for {subdir}, which cannot be run on this machine"):
        verify_environment(str(tmp_path))
    assert verify_environment(str(tmp_path), subdir).code == "no-interpreter"
