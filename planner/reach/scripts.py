"""Programs: the interpreter that a script's first line names, the modules it imports at once, and links to programs.

A script is read, never run. Of its imports only those count that it cannot start without: at the top level, under no
condition and in no `try`.
"""

from __future__ import annotations

import ast
import os
import re
import stat
import warnings
from typing import TYPE_CHECKING

from planner.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes

_HEAD = 512  # bytes; the kernel itself reads no longer first line
_SCRIPT = 64 * 1024
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A first line that is too long for the kernel: `#!/bin/sh`, then python's own line in a text that sh reads as a command.
_LONG = re.compile(r"\A#!/bin/sh\n'''exec' \"?(/[^\"\n]+?)\"? \"\$0\"")
# Those of python that take no value and change neither what is run nor how: `-m`, `-c`, `-W` and `-X` end the search.
_OPTIONS = re.compile(r"-[bBdEhiIOPqRsSuvVx?]+")
_IN_BIN = "which interpreter its scripts name is not known"


def programs(environments: Sequence[tuple[str, str]], prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Links and first lines in every `bin` that lead into an environment other than the one they lie in."""
    for _, prefix in environments:
        _folder(os.path.join(prefix, "bin"), prefix, prefixes, notes)
    for folder in _own_folders(places):
        _folder(folder, None, prefixes, notes)


def _own_folders(places: Places) -> Iterator[str]:
    folders = [os.path.join(places.home, ".local", "bin"), os.path.join(places.home, "bin")]
    base = places.environ.get("PYTHONUSERBASE")
    if base and os.path.isabs(base):
        folders.append(os.path.join(base, "bin"))
    folders += [places.at("usr/local/bin"), places.at("usr/local/sbin")]
    return iter(dict.fromkeys(folders))


def _folder(folder: str, holder: str | None, prefixes: Prefixes, notes: Notes) -> None:
    for entry in notes.entries(folder, _IN_BIN):
        if entry.is_symlink():
            found = _link(entry.path, holder, prefixes)
        else:
            notes.looked[holder or "", "scripts"] += 1
            found = _shebang(entry.path, holder, prefixes)
        if found is not None:
            notes.references.append(found)


def _link(path: str, holder: str | None, prefixes: Prefixes) -> Reference | None:
    found = first_hop(path, prefixes, holder)
    if found is None:
        return None
    prefix, below, text = found
    interpreter, modules, user_site = named_program(prefix, below, prefixes)
    return Reference(
        "link",
        path,
        prefix,
        below,
        f"a link to {text}",
        holder=holder,
        interpreter=interpreter,
        modules=modules,
        user_site=user_site,
        broken=not os.path.exists(path),
    )


def first_hop(path: str, prefixes: Prefixes, holder: str | None = None) -> tuple[str, str, str] | None:
    """The first place along a chain of links that is in an environment: prefix, path below it, and what the link says.

    Places in `holder` do not count. None when the chain leads into no environment, or in a circle.
    """
    seen = set()
    while path not in seen:
        seen.add(path)
        try:
            text = os.readlink(path)
        except (OSError, ValueError):
            return None
        path = os.path.normpath(os.path.join(os.path.realpath(os.path.dirname(path)), text))
        found = prefixes.locate(path)
        if found is not None and found[0] != holder:
            return (*found, text)
    return None


def _shebang(path: str, holder: str | None, prefixes: Prefixes) -> Reference | None:
    first = head(path)
    interpreter = interpreter_of(first)
    found = prefixes.locate(interpreter) if interpreter else None
    if interpreter is None or found is None or found[0] == holder:
        return None
    prefix, below = found
    return Reference(
        "shebang",
        path,
        prefix,
        below,
        f"#!{interpreter}",
        line=1,
        holder=holder,
        interpreter=below,
        modules=imports_of(path),
        user_site=reads_user_site(options_of(first)),
        broken=not os.path.exists(interpreter),
    )


def head(path: str) -> str:
    """The first bytes of a regular file, as text; empty for anything that is none or cannot be read."""
    try:
        descriptor = os.open(path, _OPEN)
    except (OSError, ValueError):
        return ""
    try:
        content = os.read(descriptor, _HEAD)
        if not content.startswith(b"#!") or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return content.decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def interpreter_of(text: str) -> str | None:
    """The absolute path of the interpreter that a script's beginning names; None for none, and for `/usr/bin/env`."""
    long = _LONG.match(text)
    if long:
        return long[1]
    words = text.partition("\n")[0].removeprefix("#!").split() if text.startswith("#!") else []
    return words[0] if words and words[0].startswith("/") and os.path.basename(words[0]) != "env" else None


def options_of(text: str) -> list[str]:
    """What a script's first line hands to its interpreter."""
    return text.partition("\n")[0].split()[1:] if text.startswith("#!/") else []


def reads_user_site(words: Iterable[str]) -> bool:
    """Whether a python that is started with these words after its name reads the user site: with `-s` or `-I` it does not."""
    return not _flags(words) & {"s", "I"}


def _flags(words: Iterable[str]) -> frozenset[str]:
    """The options of python that stand before the script or module, letter by letter: `-sE` is two."""
    found: set[str] = set()
    for word in words:
        if not _OPTIONS.fullmatch(word):
            break
        found.update(word[1:])
    return frozenset(found)


def named_program(prefix: str, below: str, prefixes: Prefixes) -> tuple[str, tuple[str, ...], bool]:
    """Of a script that something names: interpreter (below the same prefix), modules, whether it reads the user site.

    Interpreter and modules are empty where it is no script of that environment's.
    """
    path = os.path.join(prefix, below)
    first = head(path)
    interpreter = interpreter_of(first)
    found = prefixes.locate(interpreter) if interpreter else None
    if found is None or found[0] != prefix:
        return "", (), True
    return found[1], imports_of(path), reads_user_site(options_of(first))


def imports_of(path: str) -> tuple[str, ...]:
    """The top-level modules that a python script imports as soon as it starts, sorted; empty where it is not python.

    Those that lie beside it come first on its path and are its own: they are left out, unless its first line says `-I` or
    `-P`.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or os.path.getsize(path) > _SCRIPT:
            return ()
        with open(path, "rb") as file:
            content = file.read(_SCRIPT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    line = content.partition(b"\n")[0].decode("utf-8", "replace")
    if not _flags(options_of(line)) & {"I", "P"}:
        folder = os.path.dirname(os.path.realpath(path))
        names = {name for name in names if not _lies_in(folder, name)}
    return tuple(sorted(names))


def _lies_in(folder: str, module: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, module + ending)) for ending in (".py", "/__init__.py"))
