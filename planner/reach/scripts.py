"""Programs: the interpreter that a script's first line names, the modules it imports at once, and links to programs.

A script is read, never run. Of its imports only those count that it cannot start without: at the top level, under no
condition and in no `try`.
"""

from __future__ import annotations

import ast
import os
import re
import stat
from functools import lru_cache
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.imports.source import UNREADABLE, ends, parsed
from planner.reach.beside import own_module
from planner.reach.command_line import how_started, what_starts
from planner.reference import PLAINLY, Reference, Started

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes

_HEAD = 512  # bytes; the kernel itself reads no longer first line
_SCRIPT = 64 * 1024
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A first line that is too long for the kernel: `#!/bin/sh`, then python's own line in a text that sh reads as a command.
_LONG = re.compile(r"""\A#!/bin/sh\n'''exec' (?:"(/[^"\n]+)"|(/[^"\n]+?))((?: -\w+)*) "\$0\"""")
_IN_BIN = "which interpreter its scripts name is not known"


def programs(environments: Sequence[tuple[str, str]], prefixes: Prefixes, places: Places, notes: Notes) -> None:
    """Links and first lines in every `bin` that lead into an environment other than the one they lie in."""
    for _, prefix in environments:
        _folder(os.path.join(prefix, "bin"), prefix, prefixes, notes)
    for folder in own_folders(places):
        _folder(folder, None, prefixes, notes)


def own_folders(places: Places) -> Iterator[str]:
    """The folders on PATH in which this user, and the machine's administrator, put programs of their own."""
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
    program = named_program(prefix, below, prefixes)
    return Reference(
        "link",
        path,
        prefix,
        below,
        f"a link to {text}",
        holder=holder,
        interpreter=program.interpreter,
        modules=program.modules,
        started=program.started,
        bound=program.bound,
        script=program.script,
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
    program = script(path, below, first)
    return Reference(
        "shebang",
        path,
        prefix,
        below,
        f"#!{interpreter}",
        line=1,
        holder=holder,
        interpreter=program.interpreter,
        modules=program.modules,
        started=program.started,
        bound=program.bound,
        script=program.script,
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
    """The absolute path of the interpreter that a script's beginning names, by way of `env` or not; None where it has none."""
    long = _LONG.match(text)
    if long:
        return long[1] or long[2]
    words = _first_words(text)
    return words[0] if words and words[0].startswith("/") else None


def options_of(text: str) -> list[str]:
    """What a script's first line hands to its interpreter."""
    long = _LONG.match(text)
    return long[3].split() if long else _first_words(text)[1:]


def _first_words(text: str) -> list[str]:
    """The interpreter that a first line names and what it hands to that, without `env` and what is for `env` itself."""
    words = text.partition("\n")[0].removeprefix("#!").split() if text.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        return [*dropwhile(lambda word: word.startswith("-") or "=" in word, words[1:])]
    return words


class Program(Struct, frozen=True):
    """What a python runs: the python below the environment that is named, what it imports at once, how it is started.

    `bound` are the files of modules beside it that it imports, too, and that only one python can load. `script` is the file
    that it runs, where that is a source with imports.
    """

    interpreter: str = ""
    modules: tuple[str, ...] = ()
    started: Started = PLAINLY
    bound: tuple[str, ...] = ()
    script: str = ""


def named_program(prefix: str, below: str, prefixes: Prefixes) -> Program:
    """Of a path below an environment: what runs it, where it is a script of that environment's; else nothing is known."""
    path = os.path.join(prefix, below)
    first = head(path)
    interpreter = interpreter_of(first)
    found = prefixes.locate(interpreter) if interpreter else None
    return script(path, found[1], first) if found is not None and found[0] == prefix else Program()


def script(path: str, interpreter: str, first: str) -> Program:
    """A script that is started by its own first line."""
    return _of_script(path, interpreter, how_started(options_of(first)))


def command(interpreter: str, words: Sequence[str]) -> Program:
    """What a python runs that is started with these words after its name: a module, or a script and its imports."""
    started = how_started(words)
    module, path = what_starts(words)
    if module:
        name = module.partition(".")[0]
        return Program(interpreter, (name,) if started.site and name.isidentifier() else (), started)
    return _of_script(path, interpreter, started) if os.path.isabs(path) else Program(interpreter, (), started)


def _of_script(path: str, interpreter: str, started: Started) -> Program:
    modules, bound = imports_of(path, beside=started.beside)
    return Program(interpreter, modules if started.site else (), started, bound, path if modules else "")


def imports_of(path: str, *, beside: bool = True) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The top-level modules that a python script imports as soon as it starts, sorted; empty where it is not python.

    Those that lie beside it are its own and left out, where its python looks there first (`beside`): of these come the
    files of those that only one python can load.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or os.path.getsize(path) > _SCRIPT:
            return (), ()
        with open(path, "rb") as file:
            content = file.read(_SCRIPT)
        tree = parsed(content)
    except (OSError, *UNREADABLE):
        return (), ()
    names: set[str] = set()
    for node in takewhile(lambda node: not ends(node), tree.body):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    if not beside:
        return tuple(sorted(names)), ()
    folder = _real(os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path))
    own = {name: files for name in names if (files := own_module(folder, name)) is not None}
    return tuple(sorted(names - own.keys())), tuple(sorted(file for files in own.values() for file in files))


@lru_cache(maxsize=1024)  # a thousand scripts lie in one folder
def _real(folder: str) -> str:
    return os.path.realpath(folder)
