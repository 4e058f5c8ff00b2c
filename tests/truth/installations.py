"""The installations that changes are made to: what is in them, and how they come about.

Each is a root prefix with environments, made by rattler from the lab's channel, with what people add to such things:
distributions of pip's, sources built against the prefix's libraries, virtualenvs, a user site, kernels, units and
scripts that name an interpreter. An installation always lies at the same path, for paths are written into it.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.truth import libraries, prefixes
from tests.truth.store import source_digest, text_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.truth.libraries import RunPath
    from tests.truth.store import Materials

_SOURCES = ("prefixes.py", "installations.py", "libraries.py", "clibs/*")


@dataclass(frozen=True, slots=True)
class Source:
    """A source tree that pip builds in an environment, against the library of that link name in its prefix."""

    name: str
    symbol: str
    link_name: str
    run_path: RunPath = "rpath"
    editable: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: what was asked of conda, what pip added, and ELF objects that a user compiled into it.

    `pip` are requirements that pip installs in this order; `twice` are installed without removing conda's copy first.
    """

    name: str
    specs: tuple[str, ...]
    pip: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    own_objects: tuple[tuple[str, str, str], ...] = ()  # file below lib/, symbol, link name


@dataclass(frozen=True, slots=True)
class Virtualenv:
    """A virtualenv in the user's home, made from an environment's python."""

    name: str
    environment: str
    pip: tuple[str, ...] = ()
    system_site: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Something outside an environment that uses it: a kernel, a unit, a script, a `.pth` of another environment.

    `python` is the name of the interpreter it has written down: `python`, `python3` or `python3.10`. A `.pth` lies in
    the environment `holder` and names the site-packages of the other; `modules` are what is used through it.
    """

    kind: str
    name: str
    environment: str
    python: str
    modules: str
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """All of it. `user_site` is what `pip install --user` added, with base's python."""

    name: str
    environments: tuple[Environment, ...]
    virtualenvs: tuple[Virtualenv, ...] = ()
    references: tuple[Reference, ...] = ()
    user_site: tuple[str, ...] = ()

    @property
    def pythons(self) -> frozenset[str]:
        """The minors that its environments ask for."""
        specs = (spec for environment in self.environments for spec in environment.specs)
        return frozenset(spec.partition("=")[2] for spec in specs if spec.startswith("python="))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation lies: `root` is its base prefix, `home` the user's home."""

    installation: Installation
    folder: Path
    key: str

    @property
    def root(self) -> Path:
        """The base prefix."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """The home folder of the user whose installation it is."""
        return self.folder / "home"

    def prefix(self, environment: str) -> Path:
        """The prefix of an environment."""
        return self.root if environment == "base" else self.root / "envs" / environment

    def virtualenv(self, name: str) -> Path:
        """The folder of a virtualenv."""
        return self.home / "venvs" / name


def place(installation: Installation, materials: Materials, cache: Path, say: Callable[[str], None]) -> Place:
    """The installation on disk, built where it is not there yet."""
    key = text_digest(repr(installation), materials.digest, source_digest(*_SOURCES))
    found = Place(installation, cache / "installations" / key[:10], key)
    for environment in installation.environments:
        prefixes.restore(found.prefix(environment.name))
    if not (found.folder / "complete").is_file():
        say(f"{installation.name}: building")
        shutil.rmtree(found.folder, ignore_errors=True)
        _build(found, materials)
        (found.folder / "complete").write_text(installation.name)
    return found


def _build(found: Place, materials: Materials) -> None:
    found.home.mkdir(parents=True)
    for environment in found.installation.environments:
        prefix = found.prefix(environment.name)
        prefixes.create(prefix, environment.specs, materials.lab, materials)
        python = prefix / "bin" / "python"
        for requirement in environment.pip:
            prefixes.pip(python, found.home, materials, requirement)
        for requirement in environment.twice:
            prefixes.pip(python, found.home, materials, "--ignore-installed", requirement)
        for source in environment.sources:
            folder = found.home / "src" / f"{environment.name}-{source.name}"
            libraries.write_source(folder, source.name, source.symbol, source.link_name, source.run_path)
            prefixes.pip(python, found.home, materials, *(["--editable"] if source.editable else []), str(folder))
        for name, symbol, link_name in environment.own_objects:
            libraries.build_shared(prefix / "lib" / name, symbol, prefix / "lib", link_name)
    for virtualenv in found.installation.virtualenvs:
        _make_virtualenv(found, virtualenv, materials)
    if found.installation.user_site:
        base = found.root / "bin" / "python"
        prefixes.pip(base, found.home, materials, "--user", *found.installation.user_site)
    for reference in found.installation.references:
        _refer(found, reference)


def _make_virtualenv(found: Place, virtualenv: Virtualenv, materials: Materials) -> None:
    python = found.prefix(virtualenv.environment) / "bin" / "python"
    folder = found.virtualenv(virtualenv.name)
    folder.parent.mkdir(exist_ok=True)
    site = ["--system-site-packages"] if virtualenv.system_site else []
    prefixes.run([str(python), "-m", "venv", "--without-pip", *site, str(folder)], found.home)
    if virtualenv.pip:
        prefixes.pip(python, found.home, materials, *virtualenv.pip, target=folder / "bin" / "python")


def _refer(found: Place, reference: Reference) -> None:
    python = str(found.prefix(reference.environment) / "bin" / reference.python)
    path = reference_path(found, reference)
    path.parent.mkdir(parents=True, exist_ok=True)
    if reference.kind == "kernel":
        argv = [python, "-m", reference.modules, "--help"]
        path.write_text(json.dumps({"argv": argv, "display_name": reference.name, "language": "python"}))
    elif reference.kind == "unit":
        path.write_text(f"[Service]\nExecStart={python} -m {reference.modules} --help\n")
    elif reference.kind == "pth":
        (site,) = found.prefix(reference.environment).glob("lib/python3.*/site-packages")
        path.write_text(f"{site}\n")
    else:
        path.write_text(f"#!{python}\nimport {reference.modules}\n")
        path.chmod(0o755)


def reference_path(found: Place, reference: Reference) -> Path:
    """The file that holds a reference."""
    if reference.kind == "kernel":
        return found.home / ".local/share/jupyter/kernels" / reference.name / "kernel.json"
    if reference.kind == "unit":
        return found.home / ".config/systemd/user" / f"{reference.name}.service"
    if reference.holder is not None:
        (site,) = found.prefix(reference.holder).glob("lib/python3.*/site-packages")
        return site / f"{reference.name}.pth"
    return found.home / "bin" / reference.name


def reference_command(found: Place, reference: Reference) -> list[str]:
    """What runs when the reference is used: read from the file itself, as its user would."""
    path = reference_path(found, reference)
    if reference.kind == "kernel":
        return [str(part) for part in json.loads(path.read_text())["argv"]]
    if reference.kind == "unit":
        line = next(line for line in path.read_text().splitlines() if line.startswith("ExecStart="))
        return line.removeprefix("ExecStart=").split()
    if reference.holder is not None:
        return [str(found.prefix(reference.holder) / "bin" / "python"), "-c", f"import {reference.modules}"]
    return [os.fspath(path)]
