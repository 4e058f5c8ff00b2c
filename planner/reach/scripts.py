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
    from collections.abc import Iterable, Iterator, Sequence

    from planner.reach.notes import Notes, Places, Prefixes

_HEAD = 512  # bytes; the kernel itself reads no longer first line
_SCRIPT = 1024 * 1024  # bytes
_AS_SCRIPT = frozenset({"__name__ == '__main__'", "'__main__' == __name__"})
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
        within=program.within,
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
        within=program.within,
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

    `within` are the modules below `modules` that it imports, too, by dotted names. `bound` are the files of modules beside it
    that it imports, too, and that only one python can load. `script` is the file that it runs, where that is a source with
    imports.
    """

    interpreter: str = ""
    modules: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
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
        if not started.site or not module.replace(".", "").isidentifier():
            return Program(interpreter, started=started)
        name = module.partition(".")[0]
        return Program(interpreter, (name,), within_of(name, [module, f"{module}.__main__"]), started)
    return _of_script(path, interpreter, started) if os.path.isabs(path) else Program(interpreter, started=started)


def _of_script(path: str, interpreter: str, started: Started) -> Program:
    found = imports_of(path, beside=started.beside)
    if not started.site:
        return Program(interpreter, (), (), started, found.bound, path if found.modules else "")
    return Program(interpreter, found.modules, found.within, started, found.bound, path if found.modules else "")


def within_of(top: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of dotted names that lie below a top-level one."""
    return tuple(name for name in names if name.startswith(f"{top}."))


class ScriptImports(Struct, frozen=True):
    """What a script imports as soon as it starts: top-level `modules`, those `within` them by dotted names, each sorted.

    `bound` are the files of modules beside it that only one python can load.
    """

    modules: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()


def imports_of(path: str, *, beside: bool = True) -> ScriptImports:
    """What a python script imports as soon as it starts; nothing where it is not python.

    Modules that lie beside it are its own and left out, where its python looks there first (`beside`).
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or os.path.getsize(path) > _SCRIPT:
            return ScriptImports()
        with open(path, "rb") as file:
            content = file.read(_SCRIPT)
        tree = parsed(content)
    except (OSError, *UNREADABLE):
        return ScriptImports()
    names: dict[str, None] = {}
    for node in takewhile(lambda node: not ends(node), _started(tree)):
        if isinstance(node, ast.Import):
            names.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names[node.module] = None
    tops = {name.partition(".")[0] for name in names}
    own: dict[str, tuple[str, ...]] = {}
    if beside:
        folder = _real(os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path))
        own = {top: files for top in tops if (files := own_module(folder, top)) is not None}
    found = sorted(tops - own.keys())
    within = [name for top in found for name in within_of(top, sorted(names))]
    return ScriptImports(tuple(found), tuple(within), tuple(sorted(file for files in own.values() for file in files)))


def _started(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a script, with those for when it is started as one."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) in _AS_SCRIPT:
            yield from node.body
        else:
            yield node


@lru_cache(maxsize=1024)  # a thousand scripts lie in one folder
def _real(folder: str) -> str:
    return os.path.realpath(folder)
