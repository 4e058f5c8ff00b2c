"""What a file asks for that describes an environment which is not there yet: `environment.yml`, or an explicit list.

An `environment.yml` has channels, specs and perhaps a part for pip; `conda env create` solves it. An explicit list
(`conda list --explicit`) names packages by their URLs; `conda create --file` links just these and solves nothing. Both
come from elsewhere, so each fault is one message with the file and the place. Nothing but the file is read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from msgspec import Struct

from planner.credentials import masked
from planner.errors import BadSpec, InputError
from planner.specs import Spec, is_package_file, parse
from planner.versions import check_spec

_EXPLICIT = "@EXPLICIT"
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{32}|[0-9a-f]{64})")
_NO_DEFAULTS = "nodefaults"
_IGNORED = frozenset({"prefix", "variables", "platforms"})
_KNOWN = frozenset({"name", "channels", "dependencies"}) | _IGNORED


class Listed(Struct, frozen=True):
    """One package of an explicit list: what its URL says of it, and its digest (MD5 or SHA-256), None without one."""

    spec: Spec
    fn: str
    url: str
    digest: str | None = None


class EnvironmentFile(Struct, frozen=True):
    """What a file asks for. `explicit` packages are given instead of `specs` where it is an explicit list.

    `only_its_channels` says that the configured channels are not searched. `pip` are the lines of pip's part.
    """

    path: str
    name: str | None = None
    specs: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    only_its_channels: bool = False
    pip: tuple[str, ...] = ()
    explicit: tuple[Listed, ...] = ()
    subdir: str | None = None


def read_environment_file(path: str) -> EnvironmentFile:
    """Read a file. Raises `InputError` that names the file and what is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: it is not UTF-8 (byte {error.start})") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if any(line.strip() == _EXPLICIT for line in text.splitlines()):
        return _explicit(path, text)
    if path.endswith((".yml", ".yaml")):
        return _environment(path, text)
    raise InputError(
        f"{path}: it is neither an environment file (.yml) nor an explicit list (it has no line {_EXPLICIT})"
    )


# --------------------------------------------------------------------------------------------------------------------
# environment.yml


def _environment(path: str, text: str) -> EnvironmentFile:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}: it is not valid YAML{where}: {getattr(error, 'problem', None) or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: it has no `dependencies:`")
    unknown = sorted(str(key) for key in content if key not in _KNOWN)
    if unknown:
        raise InputError(f"{path}: {unknown[0]!r} is nothing that an environment file has; did it mean dependencies?")
    name = content.get("name")
    if name is not None and not isinstance(name, str):
        raise InputError(f"{path}: name: {name!r} is not a text")
    specs, pip = _dependencies(path, content.get("dependencies"))
    channels = _texts(path, "channels", content.get("channels"))
    return EnvironmentFile(
        path,
        name=name,
        specs=specs,
        channels=tuple(channel for channel in channels if channel != _NO_DEFAULTS),
        only_its_channels=_NO_DEFAULTS in channels,
        pip=pip,
    )


def _dependencies(path: str, value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    specs: list[str] = []
    pip: tuple[str, ...] = ()
    for number, item in enumerate(_list(path, "dependencies", value), 1):
        place = f"{path}: dependencies, entry {number}"
        if isinstance(item, dict) and set(item) == {"pip"}:
            pip = (*pip, *_texts(place, "pip", item["pip"]))
            continue
        if not isinstance(item, str):
            hint = "; a spec is one text, as in - python=3.11" if isinstance(item, dict) else ""
            raise InputError(f"{place}: {item!r} is no spec{hint}")
        try:
            check_spec(item)
        except BadSpec as error:
            raise InputError(f"{place}: {error}") from None
        specs.append(item)
    if not specs:
        raise InputError(f"{path}: its dependencies name no package")
    return tuple(specs), pip


def _list(path: str, key: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"{path}: {key} is not a list")
    return value


def _texts(path: str, key: str, value: Any) -> tuple[str, ...]:
    items = _list(path, key, value)
    for item in items:
        if not isinstance(item, str):
            raise InputError(f"{path}: {key}: {item!r} is not a text")
    return tuple(item.strip() for item in items)


# --------------------------------------------------------------------------------------------------------------------
# An explicit list


def _explicit(path: str, text: str) -> EnvironmentFile:
    packages: dict[str, Listed] = {}
    subdir = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        platform = _PLATFORM.fullmatch(line)
        subdir = platform[1] if platform else subdir
        if not line or line.startswith("#") or line == _EXPLICIT:
            continue
        package = _listed(f"{path}: line {number}", line)
        if package.spec.name in packages:
            raise InputError(f"{path}: line {number}: {package.spec.name} is listed a second time")
        packages[package.spec.name] = package
    if not packages:
        raise InputError(f"{path}: it lists no package")
    subdirs = sorted({item.spec.subdir for item in packages.values() if item.spec.subdir} - {"noarch"})
    if len(subdirs) > 1:
        raise InputError(f"{path}: its packages are for several platforms: {', '.join(subdirs)}")
    return EnvironmentFile(
        path,
        channels=tuple(dict.fromkeys(item.spec.channel for item in packages.values() if item.spec.channel)),
        only_its_channels=True,
        explicit=tuple(packages.values()),
        subdir=subdirs[0] if subdirs else subdir,
    )


def _listed(place: str, line: str) -> Listed:
    url, _, digest = line.partition("#")
    if not is_package_file(url):
        raise InputError(f"{place}: {masked(line)!r} is not the URL of a package")
    try:
        spec = parse(url)
    except BadSpec as error:
        raise InputError(f"{place}: {error}") from None
    if spec.channel is None:
        raise InputError(f"{place}: {masked(url)!r} is in no channel: before the file's name stands its platform")
    found = _DIGEST.fullmatch(digest.strip().lower()) if digest else None
    if digest and not found:
        raise InputError(f"{place}: {digest.strip()!r} is neither an MD5 nor a SHA-256")
    folder, _, fn = url.strip().rpartition("/")
    return Listed(spec, fn, f"{spec.channel}/{folder.rpartition('/')[2]}/{fn}", found[1] if found else None)
