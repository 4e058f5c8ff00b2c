"""The smoke test of a new environment: imports each module named on the command line, each in a process of its own.

Self-contained like the probe, for the environment's own python: `python -I -B smoke_test.py numpy pandas`. It prints
what fails and exits 1 if anything does. A process each, so that a module that crashes hides none of the others.
"""

import subprocess
import sys

SECONDS = 120  # for one import; large frameworks take tens of seconds from a cold network disk


def main(modules: "list[str]") -> int:
    """Import every module and say which cannot be."""
    failed = [name for name in modules if not imports(name)]
    print(f"{len(modules) - len(failed)} of {len(modules)} modules import")  # noqa: T201 -- printing is what it does
    return 1 if failed else 0


def imports(name: str) -> bool:
    """Whether a module imports; if not, its last words are printed."""
    command = [sys.executable, "-I", "-B", "-c", "import " + name]
    try:
        done = subprocess.run(  # noqa: S603 -- the environment's own python, no shell, names that are identifiers
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{name}: not imported after {SECONDS} seconds")  # noqa: T201 -- as above
        return False
    if done.returncode == 0:
        return True
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    print(f"{name}: {lines[-1] if lines else 'exit code ' + str(done.returncode)}")  # noqa: T201 -- as above
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
