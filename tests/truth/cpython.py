"""The CPythons of this machine, each as the conda packages `python`, `python_abi` and `cpython`.

Found, never fetched: pyenv's, uv's, the tool cache of hosted runners, and what is on PATH. What is missing shrinks the
lab. An interpreter that a distribution has patched to look elsewhere than `lib/pythonX.Y/site-packages` is passed over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.truth.channel import Package
from tests.truth.elf import is_elf, set_rpath

WANTED = ("3.9", "3.10", "3.11", "3.12", "3.13")
_LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "lib2to3", "ensurepip", "site-packages", "__pycache__"}
_ASK = """
import json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(), "implementation": platform.python_implementation(),
    "prefix": sys.base_prefix, "stdlib": sysconfig.get_path("stdlib"), "purelib": sysconfig.get_path("purelib"),
    "include": sysconfig.get_path("include"), "free": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One CPython: `minor` is X.Y, `version` X.Y.Z; all paths are absolute."""

    executable: Path
    version: str
    prefix: Path
    stdlib: Path
    include: Path

    @property
    def minor(self) -> str:
        """X.Y."""
        return ".".join(self.version.split(".")[:2])

    @property
    def tag(self) -> str:
        """`cp310`."""
        return f"cp{self.minor.replace('.', '')}"


def find() -> dict[str, Interpreter]:
    """The newest usable interpreter of every wanted minor version."""
    found: dict[str, Interpreter] = {}
    for executable in _candidates():
        interpreter = _ask(executable)
        if interpreter is None or interpreter.minor not in WANTED:
            continue
        known = found.get(interpreter.minor)
        if known is None or _order(interpreter.version) > _order(known.version):
            found[interpreter.minor] = interpreter
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def packages(interpreter: Interpreter, work: Path) -> list[Package]:
    """Stage an interpreter below `work`; the packages that conda-forge would tie it together with."""
    folder = work / f"python-{interpreter.version}"
    _stage(interpreter, folder)
    minor, version = interpreter.minor, interpreter.version
    abi = f"python_abi {minor}.* *_{interpreter.tag}"
    tied = _order(minor) >= (3, 13)
    build = f"0_{interpreter.tag}" if tied else "0_cpython"
    return [
        Package(
            "python",
            version,
            build,
            depends=(abi,) if tied else (),
            constrains=() if tied else (abi,),
            placeholder=str(interpreter.prefix),
            folder=folder,
        ),
        Package(
            "python_abi",
            minor,
            f"0_{interpreter.tag}",
            constrains=(f"python {minor}.* *_{interpreter.tag if tied else 'cpython'}",),
            subdir="noarch",
            noarch="generic",
        ),
        Package("cpython", version, "0", (f"python =={version}",), subdir="noarch", noarch="generic"),
    ]


def support() -> list[Package]:
    """What an abi3 package depends on besides cpython (CEP 20)."""
    return [Package("_python_abi3_support", "1.0", "0", ("cpython",), subdir="noarch", noarch="generic")]


def compile_all(interpreter: Interpreter, folder: Path) -> None:
    """Write bytecode that is valid whatever becomes of time stamps, as packages carry it."""
    subprocess.run(
        [interpreter.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder],
        check=False,  # sources of templates and of other pythons do not compile, and need not
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _candidates() -> list[Path]:
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    folders = [
        *sorted(pyenv.glob("versions/*/bin")),
        *sorted((home / ".local/share/uv/python").glob("cpython-*/bin")),
        *sorted(Path(os.environ.get("RUNNER_TOOL_CACHE", "/opt/hostedtoolcache")).glob("Python/*/x64/bin")),
        Path("/usr/local/bin"),
        *(Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder),
    ]
    seen, found = set(), []
    for folder in folders:
        for minor in WANTED:
            path = folder / f"python{minor}"
            if path.is_file() and is_elf(path) and path.resolve() not in seen:
                seen.add(path.resolve())
                found.append(path)
    return found


def _ask(executable: Path) -> Interpreter | None:
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-B", "-c", _ASK], capture_output=True, text=True, timeout=20, check=True
        )
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    prefix = Path(facts["prefix"])
    minor = ".".join(facts["version"].split(".")[:2])
    usual = prefix / "lib" / f"python{minor}"
    plain = re.fullmatch(r"\d+\.\d+\.\d+", facts["version"]) and facts["implementation"] == "CPython"
    if (
        not plain
        or facts["free"]
        or Path(facts["stdlib"]) != usual
        or Path(facts["purelib"]) != usual / "site-packages"
    ):
        return None
    if not (usual / "os.py").is_file():
        return None
    return Interpreter(executable, facts["version"], prefix, usual, Path(facts["include"]))


def _stage(interpreter: Interpreter, folder: Path) -> None:
    minor = interpreter.minor
    stdlib = folder / "lib" / f"python{minor}"
    shutil.copytree(
        interpreter.stdlib,
        stdlib,
        symlinks=True,
        ignore=lambda _folder, names: [name for name in names if name in _LEFT_OUT or name.startswith("config-")],
    )
    compile_all(interpreter, stdlib)
    if interpreter.include.is_dir():
        shutil.copytree(interpreter.include, folder / "include" / f"python{minor}", symlinks=True)
    (folder / "bin").mkdir()
    binary = folder / "bin" / f"python{minor}"
    shutil.copy2(interpreter.executable, binary)
    binary.chmod(0o755)
    for name in ("python3", "python"):
        (folder / "bin" / name).symlink_to(f"python{minor}")
    for library in sorted((interpreter.prefix / "lib").glob(f"libpython{minor}*.so*")):
        shutil.copy2(library, folder / "lib" / library.name, follow_symlinks=False)
    for path in (binary, *(folder / "lib").glob("libpython*")):
        if not path.is_symlink():
            set_rpath(path, "$ORIGIN/../lib")


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
