"""A stand-in of conda: what a base needs to have one, small enough to build, and real enough to stop working.

conda itself is in no package index. This one is a program that imports its module, requests, and its solver, which in
turn imports an extension linked against a library (`libmambapy` in `libraries`). Nothing of it solves anything: what is
measured is whether it would still start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.truth.channel import Package
from tests.truth.wheels import PLACEHOLDER, bounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.truth.cpython import Interpreter

_NEEDS = ("requests", "conda-libmamba-solver >=23.11")
# There are builds for two pythons only, as with an old conda whose base is to move on; and one that is tied to none.
_BOUND = ("3.10", "3.11")
_LOOSE = "3.9"


def packages(interpreters: dict[str, Interpreter], work: Path) -> Iterator[Package]:
    """conda for those of its pythons that are there, and its solver."""
    for python in (*_BOUND, _LOOSE):
        if python not in interpreters:
            continue
        folder = work / f"conda-{python}"
        version, build = ("23.1.0", "py39_loose") if python == _LOOSE else ("24.5.0", f"py{python.replace('.', '')}_0")
        _write(folder, f"lib/python{python}/site-packages/conda/__init__.py", f"__version__ = {version!r}\n")
        _write(
            folder,
            f"lib/python{python}/site-packages/conda/cli.py",
            "import requests\nimport conda_libmamba_solver\n\n\ndef main():\n    print('conda')\n",
        )
        _write(
            folder,
            "bin/conda",
            f"#!{PLACEHOLDER}/bin/python\nimport sys\nfrom conda.cli import main\nsys.exit(main())\n",
        )
        (folder / "bin/conda").chmod(0o755)
        tied = ("python >=3.8",) if python == _LOOSE else bounds(python)
        yield Package("conda", version, build, (*tied, *_NEEDS), placeholder=PLACEHOLDER, folder=folder)
    folder = work / "conda-libmamba-solver"
    _write(folder, "site-packages/conda_libmamba_solver/__init__.py", "from libmambapy import answer\n")
    yield Package(
        "conda-libmamba-solver",
        "24.1.0",
        "pyh_0",
        ("python", "libmambapy >=1.5"),
        subdir="noarch",
        noarch="python",
        folder=folder,
    )


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
