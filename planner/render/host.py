"""A machine in a few lines: what conda sees of it, and its GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.render.words import gpu, virtual_packages

if TYPE_CHECKING:
    from planner.model.installed import Host

_SOURCES = {
    "detected": "found on this machine",
    "given": "as given by options, variables or a file",
    "assumed": "assumed: the packages are for another platform than this machine's",
}


def render_host(host: Host) -> str:
    """What is known of a host, and how."""
    lines = [
        f"platform          {host.subdir} ({_SOURCES[host.source]})",
        f"virtual packages  {virtual_packages(host)}",
        f"GPU               {gpu(host)}",
    ]
    if not host.gpu_known:
        lines.append("Whether it has a GPU is not known: give --cuda VERSION and --driver VERSION, or --cuda none.")
    return "\n".join(lines) + "\n"
