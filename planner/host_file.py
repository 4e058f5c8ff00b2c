"""Writing down a machine for plans that are made elsewhere: the file that `--host` reads.

A login node or a laptop cannot know what the GPU node has. `planner host --save FILE` is run there once; the file has the
form of a plan's `host` object, builds of virtual packages included. The compute capabilities of the GPUs are asked of the
driver's own tool, from the places where the driver puts it and nowhere else, and only for this.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.model.installed import Host

_TOOLS = ("/usr/bin/nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi", "C:\\Windows\\System32\\nvidia-smi.exe")
_QUERY = ("--query-gpu=compute_cap", "--format=csv,noheader")
_CAPABILITY = re.compile(r"\d+\.\d+")
_TIMEOUT = 30  # seconds: the driver may have to be woken


def with_capabilities(host: Host, tools: Sequence[str] = _TOOLS) -> Host:
    """The host with the compute capabilities of its GPUs, where it has none on record and the driver's tool tells them."""
    if host.compute_capabilities is not None or host.source == "assumed":
        return host
    found = _asked(tools)
    return host if found is None else replace(host, compute_capabilities=found, gpu_known=True)


def to_json(host: Host) -> str:
    """The text of a host file."""
    packages = {
        package.name: package.version if package.build in {"", "0"} else f"{package.version}={package.build}"
        for package in host.virtual_packages
    }
    content = {
        "subdir": host.subdir,
        "virtual_packages": packages,
        "driver": host.driver,
        "compute_capabilities": None if host.compute_capabilities is None else list(host.compute_capabilities),
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _asked(tools: Sequence[str]) -> tuple[str, ...] | None:
    """The compute capabilities of all GPUs, each once and in order; None where nobody tells."""
    tool = next((path for path in tools if os.access(path, os.X_OK)), None)
    if tool is None:
        return None
    try:
        done = subprocess.run([tool, *_QUERY], capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603 -- a fixed path of the driver's and fixed arguments
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or not lines or not all(_CAPABILITY.fullmatch(line) for line in lines):
        return None
    return tuple(sorted(set(lines), key=lambda text: tuple(map(int, text.split(".")))))
