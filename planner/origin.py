"""Which channel a record came from, told apart as people mean it.

One channel is written in many ways: by name or URL, with a scheme, a token, credentials, a slash or a subdir at its
end. Two records come from different channels only where these differences are taken away and a difference is left.
Where a channel's copy lies on this machine is `planner.channels`'s business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_TOKEN = re.compile(r"(^|/)t/[^/]+/")
_SUBDIR = re.compile(r"/(?:noarch|(?:linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9_]+)$")
_KNOWN_HOSTS = re.compile(
    r"^(?:conda\.anaconda\.org|repo\.anaconda\.com|repo\.continuum\.io|conda\.binstar\.org)/", re.IGNORECASE
)
_UNKNOWN = frozenset({"", "<unknown>", "unknown", "@", "none"})


def channel_name(channel: str) -> str:
    """A channel as people name it (`conda-forge`, `pkgs/main`), free of credentials; "" when it is not recorded."""
    if channel.strip().lower() in _UNKNOWN:
        return ""
    scheme = _SCHEME.match(channel)
    text = channel[scheme.end() :] if scheme else channel
    if scheme and not text.startswith("/"):
        host, slash, path = text.partition("/")
        text = host.rpartition("@")[2] + slash + path
    text = _TOKEN.sub(r"\1", text).rstrip("/")
    text = _SUBDIR.sub("", text)
    return _KNOWN_HOSTS.sub("", text)


def same_channel(left: str, right: str) -> bool | None:
    """Whether both name one channel; None when one of them is not recorded.

    `defaults` is conda's name for several channels under `pkgs/`, and the same as any of them.
    """
    a, b = channel_name(left), channel_name(right)
    if not a or not b:
        return None
    if a == b:
        return True
    return (a == "defaults" and b.startswith("pkgs/")) or (b == "defaults" and a.startswith("pkgs/"))


def switches_channel(before: PackageRecord, after: PackageRecord) -> bool | None:
    """Whether a package changes channel; None when a channel is not recorded. The same file is no switch."""
    if _same_hash(before.sha256, after.sha256) or _same_hash(before.md5, after.md5):
        return False
    same = same_channel(before.channel or before.url, after.channel or after.url)
    return None if same is None else not same


def _same_hash(left: str | None, right: str | None) -> bool:
    return bool(left) and left == right
