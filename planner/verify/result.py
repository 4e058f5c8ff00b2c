"""What a GPU verification found: the value, its JSON form, and the few lines that a terminal shows."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias, get_args

from msgspec import Struct

from planner.errors import InputError

FORMAT, VERSION = "planner-gpu-verification", 1
_LARGEST = 10_000_000  # bytes; a true result has a few thousand

Status: TypeAlias = Literal["pass", "fail", "no-gpu", "no-framework"]


class VerifyResult(Struct, frozen=True):
    """What the verification of one environment found.

    `code` names the reason for programs (`cpu-only-build`, `no-driver`, `timeout` ...), `reason` is one sentence for
    people. `data` is the probe's own report as JSON text, `isolated` that of the second run, each empty when there is
    none. `leaks` says what is different between the two, one sentence each.
    """

    prefix: str
    status: Status
    code: str
    reason: str
    data: str = ""
    isolated: str = ""
    leaks: tuple[str, ...] = ()


def to_json(result: VerifyResult) -> str:
    """The result as one JSON object: the probe's report under `probe`, null where it gave none."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "prefix": result.prefix,
        "status": result.status,
        "code": result.code,
        "reason": result.reason,
        "probe": json.loads(result.data) if result.data else None,
        "isolated": json.loads(result.isolated) if result.isolated else None,
        "leaks": list(result.leaks),
    }
    return json.dumps(value, indent=2, sort_keys=True)


def load_result(path: str) -> VerifyResult:
    """The result that `planner verify --format json` or `planner apply` wrote. Raises `InputError` naming the file."""
    try:
        with open(path, "rb") as stream:
            value = json.loads(stream.read(_LARGEST))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is not JSON: {error}") from None
    if not isinstance(value, dict) or (value.get("format"), value.get("version")) != (FORMAT, VERSION):
        raise InputError(f"{path}: it is no result of planner verify --format json")
    texts = [value.get(key) for key in ("prefix", "code", "reason")]
    leaks = value.get("leaks", [])
    if (
        value.get("status") not in get_args(Status)
        or not all(isinstance(text, str) for text in texts)
        or not isinstance(leaks, list)
        or not all(isinstance(leak, str) for leak in leaks)
    ):
        raise InputError(
            f"{path}: it is no whole result: status, prefix, code, reason and leaks are not as they must be"
        )
    prefix, code, reason = (str(text) for text in texts)
    probe, isolated = (
        json.dumps(value[key], sort_keys=True) if isinstance(value.get(key), dict) else ""
        for key in ("probe", "isolated")
    )
    return VerifyResult(prefix, value["status"], code, reason, probe, isolated, tuple(leaks))


def headline(result: VerifyResult) -> str:
    """The answer and its reason in one sentence."""
    heads = {
        "pass": "GPU verified",
        "fail": "GPU verification failed",
        "no-gpu": "No GPU",
        "no-framework": "Not verified" if result.code == "only-other-frameworks" else "Verification passed",
    }
    return f"{heads[result.status]}: {result.reason}"


def render_result(result: VerifyResult) -> str:
    """The result in a few plain lines, for a terminal; what the probe said is made printable."""
    lines = [headline(result), *(f"  {label:12} {text}" for label, text in facts(result))]
    lines += [f"  {'leak':12} {leak}" for leak in result.leaks]
    return "\n".join(_printable(line) for line in lines)


def facts(result: VerifyResult) -> list[tuple[str, str]]:
    """Labels and what the probe saw; a report from a foreign interpreter may lack any of it."""
    data = json.loads(result.data) if result.data else {}
    found = [("environment", result.prefix)]
    if not data:
        return found
    python, torch, driver = (_dict(data.get(key)) for key in ("python", "torch", "driver"))
    found.append(("python", str(python.get("version"))))
    if torch:
        build = f"CUDA {torch.get('cuda')}" if torch.get("cuda") else f"HIP {torch.get('hip')}"
        build = build if torch.get("cuda") or torch.get("hip") else "CPU only"
        more = "".join(
            f", {name} {torch.get(key)}" for name, key in (("cuDNN", "cudnn"), ("NCCL", "nccl")) if torch.get(key)
        )
        found.append(("torch", f"{torch.get('version')} ({build}{more})"))
        seen = f"{driver.get('version') or 'version not known'}, offers CUDA {driver.get('cuda') or 'not known'}"
        present = driver.get("loaded") or driver.get("kernel")
        found.append(("driver", seen if present else "no NVIDIA driver seen"))
    for what, tried in sorted(_dict(data.get("cpu")).items()):
        if isinstance(tried, dict):
            found.append(("on the CPU", f"{what} {'works' if tried.get('ok') else tried.get('error')}"))
    if isinstance(data.get("arch_list"), list) and data["arch_list"]:
        found.append(("built for", " ".join(str(arch) for arch in data["arch_list"])))
    devices = data.get("devices")
    found += [_device(_dict(device)) for device in (devices if isinstance(devices, list) else [])]
    return found


def _device(device: dict[str, Any]) -> tuple[str, str]:
    matmul = _dict(device.get("matmul"))
    outcome = f"matrix product right (error {matmul.get('max_error')})" if matmul.get("ok") else matmul.get("error")
    more = ""
    for what in ("matmul_bf16", "copy", "training", "torchvision"):
        tried = device.get(what)
        if isinstance(tried, dict):
            more += f", {what} {'right' if tried.get('ok') else tried.get('error')}"
    return (
        f"GPU {device.get('index')}",
        f"{device.get('name')}, compute capability {device.get('compute_capability')}: {outcome}{more}",
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
