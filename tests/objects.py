"""Real ELF objects out of a few facts, built by the compiler: what scenarios put into packages.

Nothing runs them. Libraries that an object needs are stood in for by stubs with the symbols asked of them, as a linker
takes any library of the right name; the object itself is what the linker makes of it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

GCC = shutil.which("gcc")


class ObjectTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One object. Symbols are `name` or `name@VERSION`; `numpy` is what numpy's headers leave in a module.

    `methods` are the functions of a module that python can call, each with the symbols that it calls.
    """

    needs: dict[str, tuple[str, ...]] = {}
    gives: tuple[str, ...] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    numpy: Literal["1", "2.0", "2.1"] | None = None
    methods: dict[str, tuple[str, ...]] = {}
    link: str | None = None


def write(table: ObjectTable, path: Path) -> None:
    """The object, or the symlink, at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if table.link is not None:
        path.symlink_to(table.link)
        return
    kind = "program" if path.parent.name == "bin" else "module" if "site-packages" in path.parts else "library"
    content = _built(msgspec.json.encode(table), kind, path.name)
    path.write_bytes(content)
    path.chmod(0o755)


@cache
def _built(encoded: bytes, kind: str, name: str) -> bytes:
    table = msgspec.json.decode(encoded, type=ObjectTable)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stubs = [_library(folder, library, symbols) for library, symbols in table.needs.items()]
        wanted = [symbol.partition("@")[0] for symbols in table.needs.values() for symbol in symbols]
        calls = "".join(f"extern int {symbol}(void);\n" for symbol in wanted)
        calls += f"int main(void) {{ return {' + '.join(f'{symbol}()' for symbol in wanted) or '0'}; }}\n"
        marks = "".join(
            f'__attribute__((used)) static const char mark{number}[] = "{text}";\n'
            for number, text in enumerate(_numpy_marks(table.numpy))
        )
        if table.methods:
            marks += _module(name.partition(".")[0], table.methods)
        soname = table.soname or (name if kind == "library" else None)
        flags = [f"-Wl,-soname,{soname}"] if soname else []
        flags += ["-Wl,--disable-new-dtags", f"-Wl,-rpath,{table.rpath}"] if table.rpath else []
        flags += ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{table.runpath}"] if table.runpath else []
        flags += ["-pie", "-Wl,-e,main"] if kind == "program" else ["-shared"]
        return _compiled(folder, f"own-{name}", table.gives, calls + marks, [*flags, *stubs]).read_bytes()


def _module(name: str, methods: dict[str, tuple[str, ...]]) -> str:
    """The tables of a python module, laid out as its headers have them, which need not be at hand."""
    functions = "".join(
        f"static void *m_{method}(void) {{ return (void *)(long)({' + '.join(f'{symbol}()' for symbol in symbols)}); }}\n"
        for method, symbols in methods.items()
    )
    entries = "".join(f'{{"{method}", m_{method}, 4, 0}}, ' for method in methods)
    return f"""{functions}
static struct {{ const char *name; void *(*function)(void); int flags; const char *doc; }} methods[] = {{ {entries}{{0}} }};
static struct {{ long head[5]; const char *name, *doc; long size; void *methods, *rest[4]; }}
    module = {{ {{1}}, "{name}", 0, -1, methods, {{0}} }};
void *PyInit_{name}(void) {{ return &module; }}
"""


def _library(folder: Path, soname: str, symbols: tuple[str, ...]) -> str:
    stub = _compiled(folder, soname, symbols, "", ["-shared", f"-Wl,-soname,{soname}"])
    return str(stub)


def _compiled(folder: Path, name: str, gives: tuple[str, ...], more: str, flags: list[str]) -> Path:
    assert GCC is not None
    source, script, built = folder / f"{name}.c", folder / f"{name}.map", folder / name
    text = "".join(f"int {symbol.partition('@')[0]}(void) {{ return 1; }}\n" for symbol in gives)
    source.write_text(text + more)
    versions: dict[str, list[str]] = {}
    for symbol in gives:
        bare, _, version = symbol.partition("@")
        versions.setdefault(version, []).append(bare)
    if set(versions) - {""}:
        script.write_text(
            "".join(
                f"{version} {{ {' '.join(f'{name};' for name in names)} }};\n" for version, names in versions.items()
            )
        )
        flags = [*flags, f"-Wl,--version-script={script}"]
    command = [GCC, "-O1", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", source, "-o", built, *flags]
    subprocess.run(command, check=True, capture_output=True)
    return built


def _numpy_marks(numpy: str | None) -> tuple[str, ...]:
    if numpy is None:
        return ()
    marks = ("_ARRAY_API", "numpy.core._multiarray_umath")
    return marks if numpy == "1" else (*marks, "numpy._core._multiarray_umath", f"(NumPy {numpy})")
