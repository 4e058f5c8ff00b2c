"""The smoke test of a new environment: imports each module named on the command line, each in a process of its own.

Self-contained like the probe, for the environment's own python: `python -I -B smoke_test.py numpy pandas`. It then
loads what the console scripts of the installed distributions call, and looks whether their files start this python. It
prints what fails and exits 1 if anything does. A process each, so that a module that crashes hides none of the others.

With `--before PREFIX`, what fails is tried in that environment too, which is not written to: what did not work there
either is named, and is no failure of the new one.
"""

import os
import subprocess
import sys

SECONDS = 120  # for one import; large frameworks take tens of seconds from a cold network disk


def main(arguments: "list[str]") -> int:
    """Import every module, load every script, and say which cannot be."""
    before = None
    if arguments[:1] == ["--before"]:
        before, arguments = arguments[1], arguments[2:]
    failed = [name for name in arguments if not works("import " + name, name, before)]
    print(f"{len(arguments) - len(failed)} of {len(arguments)} modules import")  # noqa: T201 -- printing is what it does
    scripts = console_scripts()
    lost = [
        name for name, code in scripts if not starts(name, before) or not works(code, "the program " + name, before)
    ]
    print(f"{len(scripts) - len(lost)} of {len(scripts)} programs load")  # noqa: T201 -- as above
    return 1 if failed or lost else 0


def works(code: str, name: str, before: "str | None") -> bool:
    """Whether code runs here, or did not run in the environment before either; if not, its last words are printed."""
    words = last_words(sys.executable, code)
    if words is None:
        return True
    if before is not None and last_words(os.path.join(before, "bin", "python"), code) is not None:
        print(f"{name}: did not work before either ({words})")  # noqa: T201 -- as above
        return True
    print(f"{name}: {words}")  # noqa: T201 -- as above
    return False


def last_words(python: str, code: str) -> "str | None":
    """What an interpreter says last when it cannot run the code; None when it can."""
    try:
        done = subprocess.run(  # noqa: S603 -- an environment's own python, no shell, names that are identifiers
            [python, "-I", "-B", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS} seconds"
    except OSError as error:
        return f"{python} cannot be started: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "exit code " + str(done.returncode)


def console_scripts() -> "list[tuple[str, str]]":
    """The name of each console script that has a file here, and code that loads what it calls."""
    try:
        from importlib.metadata import distributions
    except ImportError:  # python 3.7 and older
        return []
    found = {}
    for dist in distributions():
        for point in dist.entry_points:
            module, _, attribute = point.value.partition("[")[0].strip().partition(":")
            parts = [*module.split("."), *(attribute.split(".") if attribute else [])]
            if point.group != "console_scripts" or not all(part.isidentifier() for part in parts):
                continue
            if os.path.exists(os.path.join(sys.prefix, "bin", point.name)):
                found[point.name] = f"import {module}" + (f"; {module}.{attribute}" if attribute else "")
    return sorted(found.items())


def starts(name: str, before: "str | None") -> bool:
    """Whether a script's file names an interpreter that is there, or was broken before."""
    if interpreter_is_there(sys.prefix, name):
        return True
    if before is not None and not interpreter_is_there(before, name):
        print(f"the program {name}: did not start before either")  # noqa: T201 -- as above
        return True
    print(f"the program {name}: its first line names an interpreter that is not there")  # noqa: T201 -- as above
    return False


def interpreter_is_there(prefix: str, name: str) -> bool:
    """Whether the first line of a script leads to a program."""
    try:
        with open(os.path.join(prefix, "bin", name), "rb") as stream:
            first = stream.readline(4096)
    except OSError:
        return False
    words = first[2:].split() if first.startswith(b"#!") else []
    return not words or os.access(words[0], os.X_OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
