"""What the activated and the isolated run of the probe disagree on, and what may have leaked in.

An environment that works only with something from outside, or fails only because of it, is not verified: the next user
has other surroundings. What was seen in the surroundings that can do this is named with the difference.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

if TYPE_CHECKING:
    from planner.verify.result import VerifyResult


def compared(activated: VerifyResult, isolated: VerifyResult) -> VerifyResult:
    """The activated run's result with what the isolated one tells; a difference fails a result that did not fail."""
    leaks = tuple(_differences(activated, isolated))
    result = replace(activated, isolated=isolated.data, leaks=leaks)
    if not leaks:
        return result
    seen = "; ".join((*leaks, *_suspects(activated)))
    if activated.status == "fail":
        return replace(result, reason=f"{activated.reason}; isolated it is not so: {seen}")
    return replace(
        result, status="fail", code="leak", reason=f"something from outside the environment leaks in: {seen}"
    )


def _differences(activated: VerifyResult, isolated: VerifyResult) -> list[str]:
    found = []
    if (activated.status, activated.code) != (isolated.status, isolated.code):
        found.append(f"activated: {activated.reason}; isolated: {isolated.reason}")
    first, second = _data(activated), _data(isolated)
    for what, path in (
        ("torch", ("torch", "file")),
        ("torch's version", ("torch", "version")),
        ("the prefix", ("python", "prefix")),
    ):
        before, after = _at(first, path), _at(second, path)
        if before != after:
            found.append(f"{what} is {before or 'not there'} when activated, and {after or 'not there'} when isolated")
    counts = first.get("device_count"), second.get("device_count")
    if counts[0] != counts[1]:
        found.append(f"{counts[0] or 0} devices are seen when activated, and {counts[1] or 0} when isolated")
    return found


def _suspects(activated: VerifyResult) -> list[str]:
    data = _data(activated)
    around = data.get("around")
    found = [f"{name} is {value!r}" for name, value in sorted(around.items())] if isinstance(around, dict) else []
    where = _at(data, ("torch", "file"))
    if isinstance(where, str) and not where.startswith(activated.prefix) and not found:
        found.append("the user's own site-packages are visible in the environment")
    return found


def _data(result: VerifyResult) -> dict[str, Any]:
    value = json.loads(result.data) if result.data else {}
    return value if isinstance(value, dict) else {}


def _at(data: dict[str, Any], path: tuple[str, str]) -> Any:
    inner = data.get(path[0])
    return inner.get(path[1]) if isinstance(inner, dict) else None
