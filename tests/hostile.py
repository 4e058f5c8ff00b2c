"""Texts that attack a reader's screen, a parser or a layout: for the tests of every rendering."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from planner.model.plan import Plan

MEGABYTE = 1_000_000
TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "--><!-- ]]> <![CDATA[ <?xml ?>",
    "{{ 7*7 }}{% raw %}",
    "&amp; &#x202e; &notanentity",
    "\x1b[31mred\x1b]8;;http://evil.invalid\x1b\\link",
    "\u202egnp.exe\u2066\u200b",
    "\x00\x07\x0b\ufffe\uffff\udce9",
    "[x](javascript:alert(1)) | `a` **b**",
    "'; rm -rf ~ #$(reboot)`reboot`",
    "\u65e5\u672c\u8a9e" * 40,
    "\u05d0\u05d1\u05d2 1.0",
    "x" * MEGABYTE,
    "",
)
# What a plan may only hold as it is: tests of the closed vocabulary are the serializer's business.
_CLOSED = {
    "severity",
    "status",
    "basis",
    "predicts",
    "action",
    "kind",
    "verdict",
    "outcome",
    "recommendation",
    "source",
}
_CLOSED |= {"operation", "tool", "channel_priority", "mode", "fidelity"}


def poisoned(plan: Plan, text: str) -> Plan:
    """The plan with `text` in every place where an outsider's text can stand."""
    return _poisoned(plan, text)


def _poisoned(value, text, name=""):
    if isinstance(value, Enum) or value is None or name in _CLOSED:
        return value
    if isinstance(value, str):
        kind, colon, _ = value.partition(":")
        return f"{kind}:{text or 'x'}" if colon and kind in {"conda", "pip", "file", "env", "host"} else text
    if isinstance(value, tuple):
        return tuple(_poisoned(item, text) for item in value)
    if isinstance(value, Struct):
        return replace(value, **{name: _poisoned(getattr(value, name), text, name) for name in value.__struct_fields__})
    return value
