"""The `environment.yml` at the root brings libmambapy beside the planner, and what pyproject.toml asks for."""

import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

from planner.environment_file import read_environment_file
from planner.versions import matches, spec_name
from tests.test_engines import record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOP = Path(__file__).parent.parent
LEFT_TO_PIP = {"py-rattler"}


def specs():
    """Name to spec, of what conda is asked for."""
    file = read_environment_file(str(TOP / "environment.yml"))
    assert (file.name, file.channels, file.only_its_channels, file.pip) == ("planner", ("conda-forge",), True, (".",))
    return {spec_name(spec): spec for spec in file.specs}


def test_conda_is_asked_for_what_pyproject_asks_for():
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    items = map(Requirement, project["dependencies"])
    required = {item.name: item for item in items if item.marker is None}
    asked = specs()
    assert set(asked) - {"python", "pip", "libmambapy"} == set(required) - LEFT_TO_PIP
    for name, spec in asked.items():
        if name in required:
            bounds = spec.removeprefix(name).strip()
            assert set(bounds.split(",")) == set(str(required[name].specifier).split(",")), name
    assert asked["python"] == f"python {project['requires-python']}"


def test_libmambapy_is_the_one_that_the_engine_takes():
    spec = specs()["libmambapy"]
    fits = {version: matches(spec, record("libmambapy", version)) for version in ("1.5.8", "2.7.0", "2.8.1", "3.0.0")}
    assert fits == {"1.5.8": False, "2.7.0": False, "2.8.1": True, "3.0.0": False}


def test_the_readme_names_it():
    assert re.search(r"conda env create --file environment\.yml", (TOP / "README.md").read_text(encoding="utf-8"))
