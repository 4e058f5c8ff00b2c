"""What a channel's name means: its own URL, where it is read from, and how it may be shown.

People write `conda-forge`, `defaults`, `pkgs/main`, a URL with a token in it, or a folder. Configuration decides what a
name stands for, as in conda. Credentials are needed for fetching and must never be seen, so a place keeps both forms
apart: `own` is what records, reports and plans carry, `source` is for `planner.repodata_fetch` alone. No file is read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct

from planner.config import DEFAULT_CHANNELS_UNIX, DEFAULT_CHANNELS_WINDOWS, Config
from planner.credentials import masked, without_credentials
from planner.errors import ChannelError

KNOWN_SUBDIRS = frozenset(
    {
        "noarch",
        "emscripten-wasm32",
        "freebsd-64",
        "linux-32",
        "linux-64",
        "linux-aarch64",
        "linux-armv6l",
        "linux-armv7l",
        "linux-ppc64",
        "linux-ppc64le",
        "linux-riscv32",
        "linux-riscv64",
        "linux-s390x",
        "osx-64",
        "osx-arm64",
        "wasi-wasm32",
        "win-32",
        "win-64",
        "win-arm64",
        "zos-z",
    }
)

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_PATH = re.compile(r"^(?:\.{1,2}$|\.{1,2}[/\\]|~|/|[A-Za-z]:[/\\]|\\\\)")
_NAME = re.compile(r"^[^\s:?#\\@%<>\"|*]+$")


class Place(Struct, frozen=True):
    """A channel: `own` is its base URL without credentials, `source` the folder or URL that it is read from."""

    own: str
    source: str
    local: bool


def canonical_channel(text: str, config: Config | None = None) -> tuple[str, ...]:
    """The channel's own base URLs, without credentials: several for `defaults` and other names that stand for many.

    Raises `ChannelError` for what is neither a name, nor a URL, nor a path. Nothing is looked at, so neither a URL nor
    a folder need exist; only a relative path without `./` must, as a name and it look the same.
    """
    return tuple(place.own for place in resolve(text, config or Config()))


def resolve(text: str, config: Config, subdir: str = "") -> tuple[Place, ...]:
    """The places that a channel as written stands for. Raises `ChannelError`, without credentials in it."""
    text = text.strip()
    if not text:
        raise ChannelError("a channel is named by an empty text: give a name, a URL or a folder")
    if _SCHEME.match(text):
        return (_url(text),)
    if _PATH.match(text):
        return (_folder(os.path.expanduser(text)),)
    name = _without_subdir(text.strip("/"))
    if not _NAME.match(name):
        raise ChannelError(f"{masked(text)!r} is no channel: it is neither a name, nor a URL, nor a folder")
    many = _many(config, subdir)
    if name in many:
        members = (place for member in many[name] for place in _member(member, config))
        return tuple(dict.fromkeys(members))
    if name == "local":
        raise ChannelError("the channel 'local' is not known here: name the folder that conda-build writes to")
    if "/" in name and os.path.isdir(text) and not _configured(name, config):
        return (_folder(text),)
    return (_by_name(name, config),)


def _folder(path: str) -> Place:
    folder = os.path.abspath(_without_subdir(path) or os.sep)
    return Place(Path(folder).as_uri(), folder, local=True)


def _file_url_path(url: str) -> str:
    from urllib.request import url2pathname

    parts = urlsplit(url)
    host = "" if parts.netloc in {"", "localhost"} else f"//{parts.netloc}"
    return url2pathname(host + parts.path)


def _url(text: str) -> Place:
    try:
        parts = urlsplit(text)
        if parts.scheme == "file":
            return _folder(_file_url_path(text))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ChannelError(f"{masked(text)!r} is no URL of a channel: {masked(str(error))}") from None
    if not host or parts.query or parts.fragment or re.search(r"\s", text):
        raise ChannelError(f"{masked(text)!r} is no URL of a channel: it needs a host and a path, and no more")
    login = parts.netloc.rpartition("@")[0]
    host = f"[{host}]" if ":" in host else host
    netloc = f"{login}@" * bool(login) + host + (f":{port}" if port else "")
    path = _without_subdir(parts.path.rstrip("/"))
    source = urlunsplit((parts.scheme.lower(), netloc, quote(path, safe="/%:@!$&'()*+,;=~-._"), "", ""))
    return Place(without_credentials(source), source, local=False)


def _without_subdir(path: str) -> str:
    """A path or name without a platform at its end: a channel is what all its platforms have in common."""
    stripped = path.rstrip("/\\")
    head, slash, last = stripped.rpartition("/")
    if os.sep != "/" and not slash:
        head, slash, last = stripped.rpartition(os.sep)
    return head if slash and last in KNOWN_SUBDIRS else stripped


def _many(config: Config, subdir: str) -> dict[str, tuple[str, ...]]:
    """Names that stand for several channels; conda adds msys2 to its defaults where the packages are for Windows."""
    defaults = config.default_channels
    if subdir.startswith("win-") and defaults == DEFAULT_CHANNELS_UNIX:
        defaults = DEFAULT_CHANNELS_WINDOWS
    return {"defaults": defaults, **dict(config.custom_multichannels)}


def _member(text: str, config: Config) -> tuple[Place, ...]:
    """A channel among those that one name stands for; a name there is a plain one, lest it stand for itself."""
    if _SCHEME.match(text) or _PATH.match(text):
        return resolve(text, config)
    return (_aliased(text, config),)


def _configured(name: str, config: Config) -> str | None:
    """The URL that configuration gives a name, or the longest first part of it, with the rest put behind."""
    known = {
        _name_of(url, config): url for urls in _many(config, "win-").values() for url in urls if _SCHEME.match(url)
    }
    for custom, base in config.custom_channels:
        known[custom.strip("/")] = (
            f"{base.rstrip('/')}/{custom.strip('/')}"
            if _SCHEME.match(base)
            else f"{config.channel_alias}/{custom.strip('/')}"
        )
    head, rest = name, ""
    while head:
        if head in known:
            return known[head].rstrip("/") + rest
        head, slash, last = head.rpartition("/")
        rest = f"{slash}{last}{rest}"
    return None


def _name_of(url: str, config: Config) -> str:
    clean, alias = without_credentials(url).rstrip("/"), without_credentials(config.channel_alias)
    if clean.startswith(f"{alias}/"):
        return clean.removeprefix(f"{alias}/")
    return urlsplit(clean).path.strip("/")


def _by_name(name: str, config: Config) -> Place:
    url = _configured(name, config)
    return _url(url) if url else _aliased(name, config)


def _aliased(name: str, config: Config) -> Place:
    if not _SCHEME.match(config.channel_alias):
        raise ChannelError(
            f"{name!r} is no channel: the configured channel_alias {masked(config.channel_alias)!r} is no URL"
        )
    return _url(f"{config.channel_alias}/{name.strip('/')}")
