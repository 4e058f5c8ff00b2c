"""Which CUDA an NVIDIA driver supports, on 64-bit x86 Linux.

`__cuda` is the newest CUDA version that the driver supports. Each driver branch came with a toolkit, so that is the
newest toolkit whose first release the driver is new enough for. Source: NVIDIA, CUDA 13.2 release notes, table "CUDA
Toolkit and Corresponding Driver Versions", column Linux x86_64, as read on 2026-11-23.
"""

from __future__ import annotations

from planner.errors import InputError

# Toolkit, and the oldest driver for its first release.
TOOLKITS = (
    ("9.0", "384.81"),
    ("9.1", "390.46"),
    ("9.2", "396.26"),
    ("10.0", "410.48"),
    ("10.1", "418.39"),
    ("10.2", "440.33"),
    ("11.0", "450.51.05"),
    ("11.1", "455.23"),
    ("11.2", "460.27.03"),
    ("11.3", "465.19.01"),
    ("11.4", "470.42.01"),
    ("11.5", "495.29.05"),
    ("11.6", "510.39.01"),
    ("11.7", "515.43.04"),
    ("11.8", "520.61.05"),
    ("12.0", "525.60.13"),
    ("12.1", "530.30.02"),
    ("12.2", "535.54.03"),
    ("12.3", "545.23.06"),
    ("12.4", "550.54.14"),
    ("12.5", "555.42.02"),
    ("12.6", "560.28.03"),
    ("12.8", "570.26"),
    ("12.9", "575.51.03"),
    ("13.0", "580.65.06"),
    ("13.1", "590.44.01"),
    ("13.2", "595.45.04"),
)


def cuda_of_driver(driver: str, subdir: str) -> str:
    """The newest CUDA known here that a driver supports. Raises `InputError` where that cannot be told."""
    if subdir != "linux-64":
        raise InputError(
            f"which CUDA the driver {driver} supports is known here for linux-64 only, not for {subdir}: give --cuda too"
        )
    supported = [toolkit for toolkit, oldest in TOOLKITS if _parts(oldest) <= _parts(driver)]
    if not supported:
        toolkit, oldest = TOOLKITS[0]
        raise InputError(
            f"the driver {driver} is older than any that is known here ({oldest}, for CUDA {toolkit}): give --cuda too"
        )
    return supported[-1]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
