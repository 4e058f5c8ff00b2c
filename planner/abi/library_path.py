"""The LD_LIBRARY_PATH that activating an environment leads to: of its variables, then of its activation scripts.

Scripts are read and never run. What a script assigns in plain words is taken over, as the shell would: `$CONDA_PREFIX` and
what was there before are put in. Whatever else it does with the variable (a condition around it, another variable or a
command in the value) makes the path unknown, and then nobody can say that a library is not found.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from planner.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planner.model.installed import Environment

_NAME = "LD_LIBRARY_PATH"
_SMALL = 1 << 20  # bytes of a script or of a file of variables
_END = r"\s*;?\s*(?:#.*)?$"
_PLAIN = re.compile(rf"(?:export\s+)?{_NAME}=(?:\"([^\"`\\]*)\"|'([^'$]*)'|([^\s;&|<>()`\"'\\]*))" + _END)
_UNSET = re.compile(rf"unset\s+{_NAME}{_END}")
# Who knows what that sets. An `eval` of the script's own words is not meant: compilers' activation is made of these.
_SOURCED = re.compile(r"(?:^|[;&|]|\bthen\b|\bdo\b|\belse\b)\s*(?:(?:\.|source|module)\s|eval\s.*(?:\$\(|`))")
_EXPORT = re.compile(rf"export\s+{_NAME}{_END}")
# Where a block begins and ends: what is set inside of one is set under a condition, or when a function is called.
_OPENS = re.compile(r"(?:^|[;&|]|\bthen\b|\bdo\b|\belse\b)\s*(?:if|case|for|while|until)\b|\{\s*$")
_CLOSES = re.compile(r"(?:^|[;&|])\s*(?:fi|esac|done)\b|^\s*\}")
_BEFORE = re.compile(rf"\$(?:{_NAME}\b|\{{{_NAME}\}})")
# `${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`: what was there, with a colon, if there was anything.
_IF_ANY = re.compile(rf"\$\{{{_NAME}:?\+(:?)\$\{{?{_NAME}\}}?(:?)\}}")
_PREFIX = re.compile(r"\$(?:CONDA_PREFIX\b|\{CONDA_PREFIX\})")


class LibraryPath(Struct, frozen=True):
    """The folders in their order, absolute; `known` is False where something sets it that cannot be told by reading."""

    folders: tuple[str, ...] = ()
    known: bool = True


def library_path(environment: Environment) -> LibraryPath:
    """What is set once the environment is activated. What cannot be read is passed over: loading has told of it."""
    prefix = environment.prefix
    value, known = "", True
    for content in _files(os.path.join(prefix, "etc", "conda", "env_vars.d"), ".json"):
        given = _variables(content).get(_NAME)
        value = given if isinstance(given, str) else value
    value = _PREFIX.sub(lambda _match: prefix, dict(environment.env_vars).get(_NAME, value))
    for content in _files(os.path.join(prefix, "etc", "conda", "activate.d"), ".sh"):
        depth = 0
        for line in _logical_lines(content):
            depth += len(_OPENS.findall(line)) - len(_CLOSES.findall(line))
            done = _after(line, value, prefix, conditional=depth > 0)
            value, known = (value, False) if done is None else (done, known)
    folders = (folder for folder in value.split(":") if folder.startswith("/"))
    return LibraryPath(tuple(dict.fromkeys(folders)), known and "$" not in value)


def _after(line: str, value: str, prefix: str, *, conditional: bool) -> str | None:
    """The value after one line of a script that was `value` before it; None where that is not to be told."""
    if line.lstrip().startswith("#"):
        return value
    if _SOURCED.search(line):
        return None
    if _NAME not in line or _EXPORT.match(line):
        return value
    if conditional:
        return None
    if _UNSET.match(line):
        return ""
    match = _PLAIN.match(line)
    if match is None:
        return None
    if match[2] is not None:
        return match[2]
    given = match[1] if match[1] is not None else match[3]
    given = _IF_ANY.sub(lambda found: f"{found[1]}{value}{found[2]}" if value else "", given)
    given = _PREFIX.sub(lambda _match: prefix, _BEFORE.sub(lambda _match: value, given))
    return None if "$" in given or "~" in given else given


def _logical_lines(content: bytes) -> list[str]:
    """The lines of a script; those that a backslash continues are joined."""
    return content.decode("utf-8", "replace").replace("\\\n", "").splitlines()


def _variables(content: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(folder: str, end: str) -> Iterator[bytes]:
    """The contents of the files of a folder by name, as activation takes them."""
    try:
        names: Iterable[str] = sorted(name for name in os.listdir(folder) if name.endswith(end))
    except OSError:
        return
    for name in names:
        try:
            yield read_bytes(os.path.join(folder, name), _SMALL)
        except OSError:
            continue
