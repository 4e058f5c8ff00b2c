"""Runs the GPU probe with the interpreter of the environment being verified, and makes a typed answer of what comes back.

Twice: first activated, as a user would have it, then isolated from everything around it. What is different the second
time has leaked in, and is named. The probe travels over standard input and its answer over a temporary file, so that
nothing is written into the environment. Whatever the interpreter does (crash, hang, print nonsense) becomes a result
with a reason; only a prefix that cannot be verified at all is an `InputError`. What the probe looks at is
`planner.verify.probe`'s business, how it is started `planner.verify.start`'s, what a difference means `planner.verify.leaks`'s.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from importlib.resources import files
from typing import IO, TYPE_CHECKING, Any, cast, get_args

from planner.errors import InputError
from planner.verify import start
from planner.verify.leaks import compared
from planner.verify.result import Status, VerifyResult

if TYPE_CHECKING:
    from planner.model.plan import Argv

_FORMAT, _VERSION = "planner-gpu-probe", 1
_ANSWER_LIMIT = 1_000_000  # bytes; a true answer has a few thousand
_NOT_STARTED = (126, 127)  # what a shell says of a program that is none, or not there
_OLDEST = (3, 6)  # the oldest python that can read the probe
_NO_PYTHON = (99, 0)  # newer than any, so that it is never too old
_SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}  # sys.platform, and how conda's platforms begin
_WORDS_LIMIT = 4_000  # bytes of standard error that are looked at for its last words


def probe_source() -> str:
    """The text of the probe: what is sent to the interpreter, and the artifact `verify_gpu.py` of a plan."""
    return files("planner.verify").joinpath("probe.py").read_text(encoding="utf-8")


def verify_environment(
    prefix: str, subdir: str | None = None, *, timeout: float = 300, launcher: Argv = ()
) -> VerifyResult:
    """Run the probe in `prefix`; `timeout` is in seconds for each run, after which its whole process group is killed.

    `launcher` is a command that runs another where the GPU is (`srun --gres=gpu:1`). `subdir` tells the environment's platform where it is not this machine's. Raises `InputError` when `prefix` is no
    folder, is neither a conda environment nor one with an interpreter, or is for another system than this one.
    """
    windows = subdir.startswith("win-") if subdir else os.name == "nt"
    if not os.path.isdir(prefix):
        raise InputError(f"{prefix}: there is no such folder, so nothing can be verified there")
    _check_platform(prefix, subdir)
    python = os.path.join(prefix, "python.exe") if windows else os.path.join(prefix, "bin", "python")
    if not os.path.exists(python):
        return _without_python(prefix, python)
    if _python_record(prefix) < _OLDEST:
        return _with_old_python(prefix, windows=windows)
    activated = _probe(prefix, start.activated(prefix, python, launcher, windows=windows), timeout)
    if activated.code in {"timeout", "not-started"}:
        return activated
    isolated = _probe(prefix, start.isolated(prefix, python, launcher, windows=windows), timeout)
    return compared(activated, isolated)


def _probe(prefix: str, called: start.Start, timeout: float) -> VerifyResult:
    """One run of the probe."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as words:
        source.write(probe_source().encode("utf-8"))
        source.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 -- the environment's own interpreter is what is being verified
                called.argv,
                stdin=source,
                stdout=answer,
                stderr=words,
                env=called.environ,
                cwd=tempfile.gettempdir(),  # a core dump must not land in the environment
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            reason = f"{called.argv[0]} cannot be started: {error.strerror or error}"
            return VerifyResult(prefix, "fail", "not-started", reason)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            reason = f"the probe was not done after {timeout:g} seconds and was stopped{_last_words(words)}"
            return VerifyResult(prefix, "fail", "timeout", reason)
        finally:
            _kill_group(process)
        data = _decode(answer)
        if data is not None:
            text = json.dumps(data, sort_keys=True)
            return VerifyResult(prefix, data["status"], _text(data, "code"), _text(data, "reason"), text)
        return _without_answer(prefix, code, _last_words(words))


def exit_code(result: VerifyResult, *, require_gpu: bool, cpu_ok: bool) -> int:
    """The contract's exit code: 0 pass, 20 fail, 40 no GPU and neither option.

    Without a GPU framework there is nothing to verify, which passes unless a GPU is required. Where the only
    frameworks are ones that the probe does not know, nothing was verified: that counts as no GPU does.
    """
    if result.status in {"pass", "fail"}:
        return 0 if result.status == "pass" else 20
    if require_gpu:
        return 20
    if cpu_ok or (result.status == "no-framework" and result.code != "only-other-frameworks"):
        return 0
    return 40


def _without_python(prefix: str, python: str) -> VerifyResult:
    """The answer where there is no interpreter: right for an environment without python, broken for one with it."""
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise InputError(f"{prefix}: there is no {python} and no conda-meta: this is not an environment")
    if _python_record(prefix) != _NO_PYTHON:
        return VerifyResult(prefix, "fail", "no-interpreter", f"python is installed, but {python} is not there")
    reason = "no python is in this environment: there is nothing to verify"
    return VerifyResult(prefix, "no-framework", "no-python", reason)


def _with_old_python(prefix: str, *, windows: bool) -> VerifyResult:
    """The answer for a python that cannot read the probe: whether torch is there is all that can be told."""
    minor = ".".join(str(part) for part in _python_record(prefix))
    folder = ("Lib", "site-packages") if windows else ("lib", f"python{minor}", "site-packages")
    if os.path.isdir(os.path.join(prefix, *folder, "torch")):
        reason = f"this environment's python is {minor}, and the probe needs 3.6 or newer"
        return VerifyResult(prefix, "fail", "python-too-old", reason)
    reason = f"no torch is in this environment of python {minor}: there is nothing to verify"
    return VerifyResult(prefix, "no-framework", "no-framework", reason)


def _check_platform(prefix: str, subdir: str | None) -> None:
    """Raises `InputError` where the environment is for another system than this one; what says nothing is taken for ours."""
    match = _python_file(prefix)
    if match is None:
        return
    try:
        with open(os.path.join(prefix, "conda-meta", match[0]), encoding="utf-8") as stream:
            found = str(json.load(stream)["subdir"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    system = found.partition("-")[0]
    here = subdir.partition("-")[0] if subdir else _SYSTEMS.get(sys.platform)
    if system in _SYSTEMS.values() and here is not None and system != here:
        raise InputError(
            f"{prefix} is an environment for {found}, which cannot be run on this machine: verify it on one of that kind"
        )


def _python_record(prefix: str) -> tuple[int, int]:
    """Major and minor of the python that conda installed there, by the name of its record; `_NO_PYTHON` without one."""
    match = _python_file(prefix)
    return (int(match[1]), int(match[2])) if match else _NO_PYTHON


def _python_file(prefix: str) -> re.Match[str] | None:
    """The name of python's record, its major and its minor."""
    try:
        names = os.listdir(os.path.join(prefix, "conda-meta"))
    except OSError:
        return None
    found = (re.match(r"^python-(\d+)\.(\d+)[^-]*-[^-]*\.json$", name) for name in names)
    return next((match for match in found if match), None)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the probe and whatever it started; nothing happens to what has ended already."""
    if sys.platform == "win32":
        if process.poll() is None:
            command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 -- fixed words and a number
            process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # the group outlives its leader while a member lives
    process.wait()


def _decode(answer: IO[bytes]) -> dict[str, Any] | None:
    """The probe's report, None for anything else."""
    answer.seek(0)
    raw = answer.read(_ANSWER_LIMIT + 1)
    # A launcher may have words of its own around the one line that is the answer.
    for line in reversed(raw.splitlines() if len(raw) <= _ANSWER_LIMIT else []):
        try:
            data = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and (data.get("format"), data.get("version")) == (_FORMAT, _VERSION):
            return data if data.get("status") in get_args(Status) else None
    return None


def _without_answer(prefix: str, code: int, words: str) -> VerifyResult:
    """The answer for an interpreter that ended without a report."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return VerifyResult(prefix, "fail", "crashed", f"the probe was ended by signal {name}{words}")
    if code in _NOT_STARTED:
        return VerifyResult(prefix, "fail", "not-started", f"the environment's python cannot be started{words}")
    if code:
        return VerifyResult(prefix, "fail", "no-answer", f"the probe ended with exit code {code} and no answer{words}")
    return VerifyResult(prefix, "fail", "no-answer", f"the probe ended without an answer that can be read{words}")


def _last_words(words: IO[bytes]) -> str:
    """The last line of standard error, as the end of a sentence."""
    size = words.seek(0, os.SEEK_END)
    words.seek(max(0, size - _WORDS_LIMIT))
    lines = [line.strip() for line in words.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f"; its last words: {lines[-1]}" if lines else ""


def _text(data: dict[str, Any], key: str) -> str:
    return cast("str", data[key]) if isinstance(data.get(key), str) else "not said"
