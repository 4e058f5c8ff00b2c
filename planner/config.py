"""What the installation's own configuration says, read as conda, or mamba, reads it.

Which channels the tool would use, in which order and how strictly, what it pins and where it keeps its caches is part
of the question "what would happen", so its configuration files are found (`planner.config_files`) and merged
(`planner.config_merge`) in its order, and its variables win over them: `CONDA_*`, or for mamba `MAMBA_*` and the few of
conda's that it reads. A file that cannot be read becomes a problem with its name; the others still count. Command line
options are the caller's to put on top.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from planner.config_files import expand_home, read_files
from planner.config_merge import Merger, Source, text, texts
from planner.errors import BadSpec
from planner.model.installed import LoadProblem
from planner.versions import check_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model.solve import ChannelPriority, Tool

DEFAULT_CHANNEL_ALIAS = "https://conda.anaconda.org"
DEFAULT_CHANNELS_UNIX = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
DEFAULT_CHANNELS_WINDOWS = (*DEFAULT_CHANNELS_UNIX, "https://repo.anaconda.com/pkgs/msys2")

_TRUE, _FALSE = frozenset({"true", "yes", "on", "y", "1"}), frozenset({"false", "no", "off", "n", "0", "none"})
# How the priority was written before conda 4.6, and still may be.
_PRIORITIES: dict[str, ChannelPriority] = {
    "strict": "strict",
    "flexible": "flexible",
    "true": "flexible",
    "yes": "flexible",
    "on": "flexible",
    "disabled": "disabled",
    "false": "disabled",
    "no": "disabled",
    "off": "disabled",
}


class Config(Struct, frozen=True):
    """conda's settings as far as they change an answer; the defaults are conda's own.

    `channels` may hold credentials, as the files do: they are for fetching, and never to be shown. `custom_channels`
    maps a channel's name to the URL that stands before it, `custom_multichannels` one name to several channels.
    `pkgs_dirs` and `envs_dirs` are absolute, conda's fixed places included. `pinned_packages` are in the form that every
    engine reads. `subdir` and `solver` are None when none is configured.
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
    auto_stack: int = 0
    add_pip_as_python_dependency: bool = True
    offline: bool = False
    solver: str | None = None
    subdir: str | None = None
    problems: tuple[LoadProblem, ...] = ()
    files: tuple[str, ...] = ()


def read_config(root: str, prefix: str, environ: Mapping[str, str], home: str, tool: Tool = "conda") -> Config:
    """The configuration that the tool of `root` would have for an operation on `prefix`; never raises."""
    files, unreadable = read_files(root, prefix, environ, home, tool)
    problems = list(unreadable)
    variables = _mamba_variables(environ) if tool == "mamba" else _conda_variables(environ)
    sources = (*files, variables)
    merged = Merger(sources, environ, problems)
    default = Config()
    custom = merged.mapping("custom_channels", text)
    return replace(
        default,
        channels=merged.strings("channels", "channel", expand=True) or default.channels,
        default_channels=merged.strings("default_channels", expand=True) or default.default_channels,
        channel_alias=(merged.scalar("channel_alias", text, expand=True) or default.channel_alias).rstrip("/"),
        custom_channels=default.custom_channels if custom is None else tuple(custom.items()),
        custom_multichannels=tuple((merged.mapping("custom_multichannels", texts) or {}).items()),
        channel_priority=merged.scalar("channel_priority", _priority) or default.channel_priority,
        pkgs_dirs=_pkgs_dirs(merged.strings("pkgs_dirs", expand=True) or (), root, home),
        envs_dirs=_envs_dirs(merged.strings("envs_dirs", "envs_path", expand=True) or (), root, home),
        pinned_packages=_pins(merged.strings("pinned_packages") or (), sources, problems),
        aggressive_update_packages=_or_default(
            merged.strings("aggressive_update_packages"), default.aggressive_update_packages
        ),
        auto_update_conda=_or_default(merged.scalar("auto_update_conda", _boolean, "self_update"), default=True),
        auto_stack=_or_default(merged.scalar("auto_stack", _whole), default=0),
        add_pip_as_python_dependency=_or_default(merged.scalar("add_pip_as_python_dependency", _boolean), default=True),
        offline=_or_default(merged.scalar("offline", _boolean), default=False),
        solver=merged.scalar("solver", text, "experimental_solver") or None,
        subdir=merged.scalar("platform" if tool == "mamba" else "subdir", text) or None,
        problems=tuple(problems),
        files=tuple(source.name for source in files),
    )


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
# conda cuts lists in variables at a comma but for these; mamba has it so for the folders alone.
_FOLDERS = {"envs_dirs": os.pathsep, "envs_path": os.pathsep}
_CONDA_DELIMITERS = {**_FOLDERS, "pinned_packages": "&"}
# No map can be written into a variable; conda does not read these from there either.
_MAPS = ("custom_channels", "custom_multichannels")
# mamba reads its own variables, and for these settings conda's instead.
_CONDAS_FOR_MAMBA = {
    "CONDA_CHANNELS": "channels",
    "CONDA_ENVS_DIRS": "envs_dirs",
    "CONDA_PKGS_DIRS": "pkgs_dirs",
    "CONDA_SUBDIR": "platform",
}


def _conda_variables(environ: Mapping[str, str]) -> Source:
    given = {name.removeprefix("CONDA_").lower(): value for name, value in environ.items() if name.startswith("CONDA_")}
    return Source("the CONDA_* environment variables", _values(given, _CONDA_DELIMITERS))


def _mamba_variables(environ: Mapping[str, str]) -> Source:
    condas = {_CONDAS_FOR_MAMBA[name]: value for name, value in environ.items() if name in _CONDAS_FOR_MAMBA}
    own = {
        name.removeprefix("MAMBA_").lower(): value
        for name, value in environ.items()
        if name.startswith("MAMBA_")
        and name.removeprefix("MAMBA_").lower() not in {"channels", "envs_dirs", "pkgs_dirs"}
    }
    return Source("the MAMBA_* and CONDA_* environment variables", _values(own | condas, _FOLDERS))


def _values(given: Mapping[str, str], delimiters: Mapping[str, str]) -> dict[str, Any]:
    """The settings in variables. Set to nothing is not set; `!important` is final, as the last source is anyway."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in _LISTS:
            parts = [part.split("!important")[0].strip() for part in value.split(delimiters.get(name, ","))]
            values[name] = [part for part in parts if part] or None
        elif name not in _MAPS:
            values[name] = value.split("!important")[0].strip() or None
    return values


def _pins(pins: tuple[str, ...], sources: tuple[Source, ...], problems: list[LoadProblem]) -> tuple[str, ...]:
    """The configured pins that can be read, in the form that every engine reads."""
    good = []
    for pin in pins:
        try:
            good.append(check_spec(pin))
        except BadSpec as error:
            places = (source.name for source in sources if pin in (texts(source.values.get("pinned_packages")) or ()))
            problems.append(LoadProblem(next(places, ""), f"pinned_packages: {error}", "this pin is not applied"))
    return tuple(good)


def _boolean(value: Any) -> bool | None:
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _whole(value: Any) -> int | None:
    word = str(value).strip().lower()
    return int(word) if word.isdecimal() else 1 if word in _TRUE else 0 if word in _FALSE else None


def _priority(value: Any) -> ChannelPriority | None:
    return _PRIORITIES.get(str(value).strip().lower())


def _or_default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _absolute(paths: tuple[str, ...], home: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.abspath(expand_home(path, home)) for path in paths))


def _pkgs_dirs(configured: tuple[str, ...], root: str, home: str) -> tuple[str, ...]:
    fixed = (os.path.join(root, "pkgs"), os.path.join(home, ".conda", "pkgs"))
    return _absolute(configured or fixed, home)


def _envs_dirs(configured: tuple[str, ...], root: str, home: str) -> tuple[str, ...]:
    return _absolute((*configured, os.path.join(root, "envs"), os.path.join(home, ".conda", "envs")), home)
