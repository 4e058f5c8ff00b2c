"""The GPU probe: run by the python of the environment being verified, it says what torch can do there, as one JSON object.

It is self-contained, the standard library and torch alone, and keeps to what Python 3.6 understands, because it is
sent as text to interpreters that know nothing of the planner. It reads, computes and prints; it writes no file.
Where there is no GPU it says which of the reasons it is. Whether that is acceptable is the caller's decision.

Run by hand, `python -I -B verify_gpu.py` prints the same object and exits 0 for pass and for no GPU framework, 20 for
fail, 40 for no GPU.
"""

import ctypes
import glob
import importlib
import importlib.util
import json
import math
import os
import platform
import re
import sys
import traceback
import warnings
from typing import Any

FORMAT = "planner-gpu-probe"
VERSION = 1
OTHER_FRAMEWORKS = ("cupy", "jax", "mxnet", "onnxruntime", "paddle", "tensorflow")
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
LEADING = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT")
MATMUL_SIZE = 512
# Elements of the product are sums of 512 products of standard normals, about 20 in size. Float32 keeps them to about
# 1e-4; TensorFloat-32, or a wrong kernel, errs by 1e-2 and more.
TOLERANCE = 1e-3
# bfloat16 has 8 bits of mantissa: the product of rounded inputs keeps to about 20 / 256, a wrong kernel does not.
TOLERANCE_BF16 = 0.5


MORE = (
    ("matmul_bf16", "bf16-failed"),
    ("copy", "copy-failed"),
    ("training", "training-failed"),
    ("torchvision", "torchvision-failed"),
)


def main() -> int:
    """Print the report on what was standard output; everything else that writes there is sent to standard error."""
    sys.stdout.flush()
    out = os.dup(1)
    os.dup2(2, 1)
    report = new_report()
    try:
        probe(report)
    except BaseException as error:  # noqa: BLE001 -- whatever a foreign torch raises must become an answer
        settle(report, "fail", "probe-failed", "the probe itself failed: " + describe(error))
        report["traceback"] = traceback.format_exc()
    with os.fdopen(out, "w", encoding="ascii") as stream:
        stream.write(json.dumps(report, sort_keys=True) + "\n")
    sys.stderr.flush()
    return {"pass": 0, "no-framework": 0, "no-gpu": 40}.get(report["status"], 20)


def new_report() -> "dict[str, Any]":
    """The report before anything is known."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "status": "fail",
        "code": "probe-failed",
        "reason": "the probe did not finish",
        "causes": [],
        "python": {"version": platform.python_version(), "executable": sys.executable, "prefix": sys.prefix},
        "platform": platform.platform(),
        "torch": None,
        "driver": None,
        "device_nodes": [],
        "environment": {name: os.environ[name] for name in HIDING if name in os.environ},
        "around": {name: os.environ[name] for name in LEADING if os.environ.get(name)},
        "cuda_available": None,
        "device_count": None,
        "devices": [],
        "cpu": None,
        "arch_list": [],
        "matmul": {"size": MATMUL_SIZE, "dtype": "float32", "against": "float64 on the CPU", "tolerance": TOLERANCE},
        "warnings": [],
        "other_frameworks": [],
    }


def settle(report: "dict[str, Any]", status: str, code: str, reason: str) -> None:
    """Write the answer into the report."""
    report["status"], report["code"], report["reason"] = status, code, reason


def probe(report: "dict[str, Any]") -> None:
    """Fill the report."""
    report["other_frameworks"] = [name for name in OTHER_FRAMEWORKS if installed(name)]
    if not installed("torch"):
        others = ", ".join(report["other_frameworks"])
        if others:
            reason = "torch is not in this environment; " + others + " is, which this probe does not verify"
            settle(report, "no-framework", "only-other-frameworks", reason)
        else:
            settle(
                report,
                "no-framework",
                "no-framework",
                "no GPU framework is in this environment: there is nothing to verify",
            )
        return
    try:
        torch = importlib.import_module("torch")
    except BaseException as error:  # noqa: BLE001 -- an import can end in anything, SystemExit included
        reason = "torch is in this environment, but importing it fails: " + describe(error)
        settle(report, "fail", "import-failed", reason)
        return
    if getattr(torch, "__version__", None) is None or not hasattr(torch, "cuda"):
        where = str(getattr(torch, "__file__", None) or list(getattr(torch, "__path__", [])))
        settle(report, "fail", "not-torch", "what is imported as torch is not PyTorch: " + where)
        return
    probe_torch(report, torch)


def installed(name: str) -> bool:
    """Whether a top-level module of that name would be found; a broken finder counts as found."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        return True


def probe_torch(report: "dict[str, Any]", torch: Any) -> None:
    """Fill the report with what this torch sees, and compute on every device."""
    build = {"cuda": getattr(torch.version, "cuda", None), "hip": getattr(torch.version, "hip", None)}
    report["torch"] = {
        "version": str(torch.__version__),
        "file": str(torch.__file__),
        "cuda": build["cuda"],
        "hip": build["hip"],
        "cudnn": ask(torch, "backends.cudnn.version"),
        "nccl": dotted(ask(torch, "cuda.nccl.version")),
        "mps": bool(ask(torch, "backends.mps.is_available")),
    }
    report["driver"] = driver()
    report["device_nodes"] = device_nodes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = bool(torch.cuda.is_available())
        count = int(torch.cuda.device_count()) if available else 0
    report["warnings"] = [one_line(str(item.message)) for item in caught]
    report["cuda_available"], report["device_count"] = available, count
    report["arch_list"] = [str(arch) for arch in ask(torch, "cuda.get_arch_list") or []]
    report["cpu"] = {"training": training(torch, "cpu"), "torchvision": torchvision_op(torch, "cpu")}
    if not available or not count:
        report["causes"] = why_no_gpu(report)
        settle(report, "no-gpu", report["causes"][0]["code"], "; ".join(cause["text"] for cause in report["causes"]))
        broken = [name + ": " + str(found["error"]) for name, found in sorted(report["cpu"].items()) if failed(found)]
        if broken:
            settle(report, "fail", "cpu-failed", "torch does not work on the CPU either: " + "; ".join(broken))
        return
    report["devices"] = [probe_device(torch, index, report["arch_list"]) for index in range(count)]
    judge_devices(report)


def probe_device(torch: Any, index: int, arch_list: "list[str]") -> "dict[str, Any]":
    """One device: what it is, whether torch was built for it, and a matrix product on it."""
    device = {"index": index, "name": None, "compute_capability": None, "memory_bytes": None}  # type: dict[str, Any]
    device["name"] = ask(torch, "cuda.get_device_name", index)
    capability = ask(torch, "cuda.get_device_capability", index)
    if capability:
        device["compute_capability"] = "{}.{}".format(*capability)
        device["built_for"] = built_for((int(capability[0]), int(capability[1])), arch_list)
    device["memory_bytes"] = getattr(ask(torch, "cuda.get_device_properties", index), "total_memory", None)
    place = "cuda:" + str(index)
    device["matmul"] = matmul(torch, place)
    if device["matmul"]["ok"]:
        device["matmul_bf16"] = matmul_bf16(torch, place)
        device["copy"] = copy(torch, place)
        device["training"] = training(torch, place)
        device["torchvision"] = torchvision_op(torch, place)
    return device


def matmul(torch: Any, device: str) -> "dict[str, Any]":
    """A float32 product on the device against the CPU's in float64: the largest absolute difference, or the error."""
    try:
        torch.backends.cuda.matmul.allow_tf32 = False
        ask(torch, "set_float32_matmul_precision", "highest")
        torch.manual_seed(20240229)
        left, right = torch.randn(MATMUL_SIZE, MATMUL_SIZE), torch.randn(MATMUL_SIZE, MATMUL_SIZE)
        expected = left.double() @ right.double()
        product = (left.to(device) @ right.to(device)).cpu().double()
        largest = float((product - expected).abs().max().item())
    except Exception as error:  # noqa: BLE001 -- whatever the device or its driver raises is the answer
        return {"ok": False, "max_error": None, "error": describe(error)}
    if not math.isfinite(largest):  # JSON has no number for it
        return {"ok": False, "max_error": None, "error": "wrong result"}
    ok = largest <= TOLERANCE
    return {"ok": ok, "max_error": largest, "error": None if ok else "wrong result"}


def matmul_bf16(torch: Any, device: str) -> "dict[str, Any] | None":
    """As `matmul`, in bfloat16; None where the build or the device has none."""
    if not hasattr(torch, "bfloat16") or not ask(torch, "cuda.is_bf16_supported"):
        return None
    try:
        torch.manual_seed(20240301)
        left, right = torch.randn(MATMUL_SIZE, MATMUL_SIZE), torch.randn(MATMUL_SIZE, MATMUL_SIZE)
        expected = left.to(torch.bfloat16).double() @ right.to(torch.bfloat16).double()
        product = (left.to(device).to(torch.bfloat16) @ right.to(device).to(torch.bfloat16)).cpu().double()
        largest = float((product - expected).abs().max().item())
    except Exception as error:  # noqa: BLE001 -- as above
        return {"ok": False, "max_error": None, "error": describe(error)}
    ok = math.isfinite(largest) and largest <= TOLERANCE_BF16
    return {"ok": ok, "max_error": largest if math.isfinite(largest) else None, "error": None if ok else "wrong result"}


def copy(torch: Any, device: str) -> "dict[str, Any] | None":
    """A million numbers to the device and back: the same bytes, or the error."""
    if not hasattr(torch, "arange"):
        return None
    try:
        there = torch.arange(1 << 20)
        ok = bool((there.to(device).cpu() == there).all().item())
    except Exception as error:  # noqa: BLE001 -- as above
        return {"ok": False, "error": describe(error)}
    return {"ok": ok, "error": None if ok else "what comes back is not what was sent"}


def training(torch: Any, device: str) -> "dict[str, Any] | None":
    """A few steps of gradient descent on a line: the loss must go down. None where torch has no autograd."""
    if not hasattr(torch, "autograd") or not hasattr(torch, "linspace"):
        return None
    try:
        given = torch.linspace(-1, 1, 64).to(device)
        wanted = given * 3 + 1
        slope = torch.zeros(1, device=device, requires_grad=True)
        shift = torch.zeros(1, device=device, requires_grad=True)
        losses = []
        for _ in range(5):
            loss = ((given * slope + shift - wanted) ** 2).mean()
            loss.backward()
            losses.append(float(loss.item()))
            with torch.no_grad():
                for weight in (slope, shift):
                    weight.sub_(weight.grad * 0.3)
                    weight.grad = None
    except Exception as error:  # noqa: BLE001 -- as above
        return {"ok": False, "error": describe(error)}
    ok = all(math.isfinite(loss) for loss in losses) and losses[-1] < losses[0]
    return {"ok": ok, "error": None if ok else "the loss does not go down: " + str(losses)}


def torchvision_op(torch: Any, device: str) -> "dict[str, Any] | None":
    """The compiled non-maximum suppression of torchvision; None where torchvision is not there."""
    if not installed("torchvision"):
        return None
    try:
        ops = importlib.import_module("torchvision.ops")
        boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0], [20.0, 20.0, 30.0, 30.0]]).to(device)
        kept = ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]).to(device), 0.5).cpu().tolist()
    except BaseException as error:  # noqa: BLE001 -- an import can end in anything
        return {"ok": False, "error": describe(error)}
    return {"ok": kept == [0, 2], "error": None if kept == [0, 2] else "it keeps the wrong boxes: " + str(kept)}


def failed(found: "dict[str, Any] | None") -> bool:
    """Whether something was tried and did not work."""
    return found is not None and not found["ok"]


def dotted(version: Any) -> "str | None":
    """(2, 18, 1) as `2.18.1`."""
    return ".".join(str(part) for part in version) if isinstance(version, tuple) else None


def judge_devices(report: "dict[str, Any]") -> None:
    """Settle a report whose devices were probed."""
    wrong_products = [device for device in report["devices"] if not device["matmul"]["ok"]]
    for device in report["devices"]:
        for what, code in MORE:
            if failed(device.get(what)):
                text = "GPU {} ({}): {} fails: {}".format(device["index"], device["name"], what, device[what]["error"])
                report["causes"].append({"code": code, "text": text})
    if not wrong_products and not report["causes"]:
        names = ", ".join(str(device["name"]) for device in report["devices"])
        settle(report, "pass", "pass", "the matrix product is right on every GPU: " + names)
        return
    for device in wrong_products:
        name = "GPU {} ({})".format(device["index"], device["name"])
        if device.get("built_for") is False:
            archs = " ".join(report["arch_list"])
            text = "{}: torch was not built for compute capability {} (built for {}): {}".format(
                name, device["compute_capability"], archs, device["matmul"]["error"]
            )
            report["causes"].append({"code": "architecture", "text": text})
        elif device["matmul"]["error"] == "wrong result":
            error = device["matmul"]["max_error"]
            wrong = (
                "is not even finite" if error is None else f"is wrong by up to {error:.2g}, allowed is {TOLERANCE:g}"
            )
            text = f"{name}: the matrix product {wrong}"
            report["causes"].append({"code": "wrong-result", "text": text})
        else:
            text = "{}: the matrix product fails: {}".format(name, device["matmul"]["error"])
            report["causes"].append({"code": "matmul-failed", "text": text})
    settle(report, "fail", report["causes"][0]["code"], "; ".join(cause["text"] for cause in report["causes"]))


def built_for(capability: "tuple[int, int]", arch_list: "list[str]") -> "bool | None":
    """Whether a build's architectures cover a device: same major, PTX of an older one, or None where that is not known.

    Machine code (`sm_86`) runs on the same major from its minor on; PTX (`compute_90`) on everything from it on; the
    variants with a letter on their own architecture alone.
    """
    found = [re.match(r"^(sm|compute)_(\d+)(\d)([a-z]?)$", arch) for arch in arch_list]
    known = [match.groups() for match in found if match]
    if not known:
        return None
    for kind, major, minor, variant in known:
        arch = (int(major), int(minor))
        if arch == capability:
            return True
        if variant:
            continue
        if kind == "compute" and arch <= capability:
            return True
        if kind == "sm" and arch[0] == capability[0] and arch <= capability:
            return True
    return False


def why_no_gpu(report: "dict[str, Any]") -> "list[dict[str, str]]":
    """Every reason that can be seen why torch has no device, the first to mend first; never empty."""
    torch, drv, nodes = report["torch"], report["driver"], report["device_nodes"]
    if not torch["cuda"] and not torch["hip"]:
        text = "torch {} is a CPU-only build: it was built without CUDA".format(torch["version"])
        if torch["mps"]:
            text += "; Apple's Metal (MPS) is available, which this probe does not verify"
        return [{"code": "cpu-only-build", "text": text}]
    causes = []
    if torch["hip"]:
        if not os.path.exists("/dev/kfd"):
            causes.append(("no-driver", "no AMD GPU driver is on this machine (/dev/kfd is not there)"))
        elif not os.access("/dev/kfd", os.R_OK | os.W_OK):
            causes.append(("no-permission", "this user may not open /dev/kfd"))
    else:
        causes.extend(nvidia_causes(torch, drv, nodes))
    for name, value in sorted(report["environment"].items()):
        if hides_all(name, value):
            causes.append(("hidden", f"{name} is set to {value!r} and hides every GPU"))
    if not causes:
        seen = "; torch says: " + " / ".join(report["warnings"]) if report["warnings"] else ""
        causes.append(("no-device", "torch finds no GPU, and none of the known reasons is seen" + seen))
    return [{"code": code, "text": text} for code, text in causes]


def nvidia_causes(
    torch: "dict[str, Any]", drv: "dict[str, Any]", nodes: "list[dict[str, Any]]"
) -> "list[tuple[str, str]]":
    """What is seen to stand between a CUDA build and its devices, visibility settings apart."""
    if not drv["loaded"] and not drv["kernel"] and not nodes:
        return [("no-driver", "no NVIDIA driver is on this machine (no /dev/nvidia*, and " + str(drv["error"]) + ")")]
    causes = []
    closed = [node["path"] for node in nodes if not node["accessible"]]
    if drv["kernel"] and not nodes and os.name == "posix":
        text = "the kernel has the NVIDIA driver {}, but there is no /dev/nvidia* here: a container without the NVIDIA runtime, or no device passed in"
        causes.append(("no-device-nodes", text.format(drv["kernel"])))
    elif not drv["loaded"]:
        causes.append(("no-driver-library", "the driver's library cannot be loaded here: " + str(drv["error"])))
    if closed:
        causes.append(("no-permission", "this user may not open " + ", ".join(closed)))
    wanted, offered = numbers(torch["cuda"]), numbers(drv["cuda"])
    # Since CUDA 11 a driver runs every toolkit of its own major; before, it had to be as new as the toolkit.
    floor = wanted if wanted and wanted[0] < 11 else wanted[:1]  # noqa: PLR2004 -- the CUDA major named above
    if wanted and offered and offered[: len(floor)] < floor:
        text = "the driver is too old: it offers CUDA {}, and torch was built for CUDA {}".format(
            drv["cuda"], torch["cuda"]
        )
        causes.append(("driver-too-old", text))
    return causes


def hides_all(name: str, value: str) -> bool:
    """Whether a visibility variable leaves no device."""
    first = value.split(",", maxsplit=1)[0].strip().lower()
    if name == "NVIDIA_VISIBLE_DEVICES":
        return first in ("none", "void")
    return first in ("", "-1", "nodevfiles", "none")


def numbers(version: "str | None") -> "tuple[int, ...]":
    """`12.4` as (12, 4); empty for anything else."""
    return tuple(int(part) for part in version.split(".")) if version and re.match(r"^\d+(\.\d+)*$", version) else ()


def driver() -> "dict[str, Any]":
    """The NVIDIA driver as its own library, NVML and the kernel tell of it. `cuda` is the newest CUDA it can run."""
    found = {"loaded": False, "cuda": None, "version": None, "kernel": kernel_driver(), "error": None}  # type: dict[str, Any]
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
        number = ctypes.c_int(0)
        if library.cuDriverGetVersion(ctypes.byref(number)) == 0 and number.value:
            found["cuda"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
        found["loaded"] = True
    except (OSError, AttributeError) as error:
        found["error"] = one_line(str(error))
    found["version"] = nvml_version() or found["kernel"]
    return found


def nvml_version() -> "str | None":
    """The driver's version from NVML, None when it does not answer."""
    try:
        library = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
        text = ctypes.create_string_buffer(96)
        if library.nvmlInit_v2() != 0:
            return None
        answer = library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(len(text)))
        library.nvmlShutdown()
    except (OSError, AttributeError):
        return None
    return text.value.decode("ascii", "replace") if answer == 0 else None


def kernel_driver(path: str = "/proc/driver/nvidia/version") -> "str | None":
    """The version of the NVIDIA kernel module, None when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            first = stream.readline()
    except OSError:
        return None
    match = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", first)
    return match.group(1) if match else one_line(first.strip()) or None


def device_nodes(folder: str = "/dev") -> "list[dict[str, Any]]":
    """The NVIDIA device files, and whether this user may open them."""
    paths = glob.glob(os.path.join(folder, "nvidia[0-9]*")) + glob.glob(os.path.join(folder, "nvidiactl"))
    paths += glob.glob(os.path.join(folder, "dxg"))  # how Windows passes its GPU to Linux (WSL)
    return [{"path": path, "accessible": os.access(path, os.R_OK | os.W_OK)} for path in sorted(paths)]


def ask(torch: Any, path: str, *arguments: Any) -> Any:
    """What a function of torch returns, None when it is not there or raises: versions of torch differ in what they know."""
    try:
        found = torch
        for name in path.split("."):
            found = getattr(found, name)
        return found(*arguments)
    except Exception:  # noqa: BLE001 -- a missing fact is null in the report
        return None


def describe(error: BaseException) -> str:
    """An exception in one line."""
    return one_line(type(error).__name__ + ": " + str(error))


def one_line(text: str) -> str:
    """Text without line breaks, cut at a readable length."""
    return " ".join(text.split())[:600]


if __name__ == "__main__":
    sys.exit(main())
