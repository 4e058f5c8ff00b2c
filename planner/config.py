"""What the installation's own configuration says, read as conda reads it.

Which channels conda would use, in which order and how strictly, what it pins and where it keeps its caches is part of
the question "what would happen", so `.condarc` files are found and merged in conda's order, and `CONDA_*` variables win
over them. A file that cannot be read becomes a problem with its name; the others still count. What is not done: the
flags `#!final`, `#!top` and `#!bottom` (their presence is reported as a problem), and mamba's own `.mambarc`.
Command line options are the caller's to put on top.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planner.config_files import Source, expand_home, read_files
from planner.model import LoadProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from planner.model import ChannelPriority

DEFAULT_CHANNEL_ALIAS = "https://conda.anaconda.org"
DEFAULT_CHANNELS_UNIX = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
DEFAULT_CHANNELS_WINDOWS = (*DEFAULT_CHANNELS_UNIX, "https://repo.anaconda.com/pkgs/msys2")

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "y", "1"}), frozenset({"false", "no", "off", "n", "0"})


@dataclass(frozen=True, slots=True)
class Config:
    """conda's settings as far as they change an answer; the defaults are conda's own.

    `channels` may hold credentials, as the files do: they are for fetching, and never to be shown. `custom_channels`
    maps a channel's name to the URL that stands before it, `custom_multichannels` one name to several channels.
    `pkgs_dirs` and `envs_dirs` are absolute, conda's fixed places included. `subdir` is None when none is configured.
    `files` are the configuration files that were read, the weakest first.
    """

    channels: tuple[str, ...] = ("defaults",)
    default_channels: tuple[str, ...] = DEFAULT_CHANNELS_UNIX
    channel_alias: str = DEFAULT_CHANNEL_ALIAS
    custom_channels: tuple[tuple[str, str], ...] = (("pkgs/pro", "https://repo.anaconda.com"),)
    custom_multichannels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    channel_priority: ChannelPriority = "flexible"
    pkgs_dirs: tuple[str, ...] = ()
    envs_dirs: tuple[str, ...] = ()
    pinned_packages: tuple[str, ...] = ()
    aggressive_update_packages: tuple[str, ...] = ("ca-certificates", "certifi", "openssl")
    auto_update_conda: bool = True
    add_pip_as_python_dependency: bool = True
    offline: bool = False
    subdir: str | None = None
    problems: tuple[LoadProblem, ...] = ()
    files: tuple[str, ...] = ()


def read_config(root: str, prefix: str, environ: Mapping[str, str], home: str) -> Config:
    """The configuration that conda of `root` would have for an operation on `prefix`; never raises."""
    files, unreadable = read_files(root, prefix, environ, home)
    problems = list(unreadable)
    read = _Reader([*files, _environment(environ)], environ, problems)
    default = Config()
    priority = read.scalar("channel_priority", _priority)
    return replace(
        default,
        channels=read.strings("channels", "channel", expand=True) or default.channels,
        default_channels=read.strings("default_channels", expand=True) or default.default_channels,
        channel_alias=(read.scalar("channel_alias", _text, expand=True) or default.channel_alias).rstrip("/"),
        custom_channels=tuple({**dict(default.custom_channels), **read.mapping("custom_channels", _text)}.items()),
        custom_multichannels=tuple(read.mapping("custom_multichannels", _texts).items()),
        channel_priority=priority or default.channel_priority,
        pkgs_dirs=_pkgs_dirs(read.strings("pkgs_dirs", expand=True), root, home),
        envs_dirs=_envs_dirs(read.strings("envs_dirs", "envs_path", expand=True), root, home),
        pinned_packages=read.strings("pinned_packages"),
        aggressive_update_packages=_or_default(
            read.optional_strings("aggressive_update_packages"), default.aggressive_update_packages
        ),
        auto_update_conda=_or_default(read.scalar("auto_update_conda", _boolean, "self_update"), default=True),
        add_pip_as_python_dependency=_or_default(read.scalar("add_pip_as_python_dependency", _boolean), default=True),
        offline=_or_default(read.scalar("offline", _boolean), default=False),
        subdir=read.scalar("subdir", _text) or None,
        problems=tuple(problems),
        files=tuple(source.name for source in files),
    )


# Lists in variables are cut at a comma but for these two.
_DELIMITERS = {"pinned_packages": "&", "envs_dirs": os.pathsep, "envs_path": os.pathsep}
_LISTS = (
    "channels",
    "channel",
    "default_channels",
    "pkgs_dirs",
    "envs_dirs",
    "envs_path",
    "pinned_packages",
    "aggressive_update_packages",
)


def _environment(environ: Mapping[str, str]) -> Source:
    values: dict[str, Any] = {
        name.removeprefix("CONDA_").lower(): value for name, value in environ.items() if name.startswith("CONDA_")
    }
    for name in _LISTS:
        if name in values:
            parts = (part.strip() for part in values[name].split(_DELIMITERS.get(name, ",")))
            values[name] = [part for part in parts if part]
    values = {name: value for name, value in values.items() if value != ""}  # set to nothing is not set
    # No map can be written into a variable; conda does not read these from there either.
    values.pop("custom_channels", None)
    values.pop("custom_multichannels", None)
    return Source("the CONDA_* environment variables", values)


class _Reader:
    """Merges the sources by conda's rules: the strongest scalar, lists with the strongest first, maps by key."""

    def __init__(self, sources: list[Source], environ: Mapping[str, str], problems: list[LoadProblem]) -> None:
        self._sources = sources
        self._environ = environ
        self._problems = problems

    def scalar(self, name: str, parse: Callable[[Any], Any], *aliases: str, expand: bool = False) -> Any:
        """The strongest value that `parse` accepts, None when nothing sets it."""
        for source, value in self._found(name, *aliases):
            parsed = parse(value)
            if parsed is not None:
                return self._expand(parsed) if expand else parsed
            self._refuse(source, name, value)
        return None

    def strings(self, name: str, *aliases: str, expand: bool = False) -> tuple[str, ...]:
        """All the lists as one, the strongest first, each entry once."""
        return self.optional_strings(name, *aliases, expand=expand) or ()

    def optional_strings(self, name: str, *aliases: str, expand: bool = False) -> tuple[str, ...] | None:
        """As `strings`, but None when nothing sets it: an empty list may be meant."""
        merged: dict[str, None] | None = None
        for source, value in self._found(name, *aliases):
            items = _texts(value)
            if items is None:
                self._refuse(source, name, value)
                continue
            merged = merged if merged is not None else {}
            merged.update(dict.fromkeys(self._expand(item) if expand else item for item in items))
        return None if merged is None else tuple(merged)

    def mapping(self, name: str, parse: Callable[[Any], Any]) -> dict[str, Any]:
        """All the maps as one; of a key set twice the strongest value counts."""
        merged: dict[str, Any] = {}
        for source, value in reversed(list(self._found(name))):
            if not isinstance(value, dict):
                self._refuse(source, name, value)
                continue
            for key, entry in value.items():
                parsed = parse(entry)
                if parsed is None:
                    self._refuse(source, f"{name}: {key}", entry)
                else:
                    merged[str(key)] = (
                        self._expand(parsed) if isinstance(parsed, str) else tuple(map(self._expand, parsed))
                    )
        return merged

    def _found(self, *names: str) -> Iterator[tuple[str, Any]]:
        """Where one of the names is set and to what, the strongest first; a setting without a value sets nothing."""
        for source in reversed(self._sources):
            for name in names:
                if source.values.get(name) is not None:
                    yield source.name, source.values[name]
                    break

    def _refuse(self, source: str, name: str, value: Any) -> None:
        # Channels may hold a password, so what stands there is described, not quoted.
        self._problems.append(
            LoadProblem(source, f"{name} has a value of the wrong kind ({_kind(value)})", "that setting was left out")
        )

    def _expand(self, text: str) -> str:
        return _VARIABLE.sub(lambda found: self._environ.get(found[1] or found[2], found[0]), text)


def _kind(value: Any) -> str:
    return {dict: "a map", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number or a date")


def _text(value: Any) -> str | None:
    if isinstance(value, (dict, list, bool)):
        return None
    return str(value).strip()


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    items = [_text(item) for item in value if item is not None]
    return None if None in items else tuple(item for item in items if item)


def _boolean(value: Any) -> bool | None:
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _priority(value: Any) -> ChannelPriority | None:
    word = str(value).strip().lower()
    if word == "strict":
        return "strict"
    if word == "flexible" or word in _TRUE:  # true and false are how it was written before conda 4.6
        return "flexible"
    if word == "disabled" or word in _FALSE:
        return "disabled"
    return None


def _or_default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _absolute(paths: tuple[str, ...], home: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.abspath(expand_home(path, home)) for path in paths))


def _pkgs_dirs(configured: tuple[str, ...], root: str, home: str) -> tuple[str, ...]:
    fixed = (os.path.join(root, "pkgs"), os.path.join(home, ".conda", "pkgs"))
    return _absolute(configured or fixed, home)


def _envs_dirs(configured: tuple[str, ...], root: str, home: str) -> tuple[str, ...]:
    return _absolute((*configured, os.path.join(root, "envs"), os.path.join(home, ".conda", "envs")), home)
