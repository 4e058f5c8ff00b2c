"""What is installed is the wheel, not the checkout: it must bring its templates, schema, probe and demo along."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
CODE = "import sys, cli; cli.main(sys.argv[1:])"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The wheel as it would lie in site-packages; the source is copied first, since building writes into it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    hidden = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(TOP, source, ignore=hidden)
    build = "from setuptools import build_meta; print(build_meta.build_wheel(r'..'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.parametrize("form", ["text", "html", "json", "sarif"])
def test_the_demo_runs_from_the_wheel_in_every_kind_of_report(unpacked, tmp_path, form):
    environ = {**os.environ, "PYTHONPATH": str(unpacked), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, "demo", "--exit-zero", "--format", form],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "python=3.11" in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import cli, planner, rules; print(cli.__file__, planner.__file__, rules.__file__)"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(path.startswith(str(unpacked)) for path in where.stdout.split())


def test_tests_and_documentation_stay_out_of_the_wheel(unpacked):
    tops = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"cli.py", "planner", "rules"}


def test_every_module_is_in_the_wheel(unpacked):
    for top in ("planner", "rules"):
        one, two = ({path.relative_to(place) for path in (place / top).rglob("*.py")} for place in (TOP, unpacked))
        assert one == two
