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
from typing import TYPE_CHECKING, Literal

from tests.truth import libraries, prefixes, torch_sources
from tests.truth.store import source_digest, text_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.truth.libraries import RunPath
    from tests.truth.store import Materials

_SOURCES = ("prefixes.py", "installations.py", "libraries.py", "clibs/*.*")
_TORCH_SOURCES = ("torch_sources.py", "clibs/extensions/*")


@dataclass(frozen=True, slots=True)
class Source:
    """A source tree that pip builds in an environment, against the library of that link name in its prefix.

    Without a symbol it is pure. `how` is what pip is given: the folder, the folder to be linked to, or an archive of it
    that it finds by name. With `torch` its extension is made of the torch that is installed there, and tied to it so.
    """

    name: str
    symbol: str = ""
    link_name: str = ""
    run_path: RunPath = "rpath"
    how: Literal["folder", "editable", "archive"] = "folder"
    requires_python: str = ">=3.9"
    torch: Literal["linked", "stable", "cuda"] | None = None
    says_torch: bool = True  # whether its metadata requires torch


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: what was asked of conda, what pip added, and ELF objects that a user compiled into it.

    `pip` are requirements that pip installs in this order; `twice` are installed without removing conda's copy first.
    `left_over` lies in the folder of another python (X.Y), which the environment had once.
    """

    name: str
    specs: tuple[str, ...]
    pip: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    own_objects: tuple[tuple[str, str, str], ...] = ()  # file below lib/, symbol, link name
    left_over: tuple[tuple[str, str], ...] = ()  # X.Y and requirement
    variables: tuple[tuple[str, str], ...] = ()  # set by its activation


@dataclass(frozen=True, slots=True)
class Virtualenv:
    """A virtualenv in the user's home, made from an environment's python, which was called by the name `called`."""

    name: str
    environment: str
    pip: tuple[str, ...] = ()
    system_site: bool = False
    called: str = "python"


@dataclass(frozen=True, slots=True)
class Reference:
    """Something outside an environment that uses it: a kernel, a unit, a script, a `.pth` of another environment.

    `python` is the name of the interpreter it has written down: `python`, `python3` or `python3.10`. A `.pth` lies in
    the environment `holder` and names the site-packages of the other; `modules` are what is used through it, and `calls`
    says of a script that it calls the `answer` of each, besides importing it.
    """

    kind: str
    name: str
    environment: str
    python: str
    modules: str
    holder: str | None = None
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Installation:
    """All of it. `user_site` is what `pip install --user` added with base's python, `other_sites` with another X.Y."""

    name: str
    environments: tuple[Environment, ...]
    virtualenvs: tuple[Virtualenv, ...] = ()
    references: tuple[Reference, ...] = ()
    user_site: tuple[str, ...] = ()
    other_sites: tuple[tuple[str, str], ...] = ()  # X.Y and requirement

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
    sources = [source for environment in installation.environments for source in environment.sources]
    made_of = (*_SOURCES, *(_TORCH_SOURCES if any(source.torch for source in sources) else ()))
    key = text_digest(repr(installation), materials.digest, source_digest(*made_of))
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
        _make_environment(found, environment, materials)
    for virtualenv in found.installation.virtualenvs:
        _make_virtualenv(found, virtualenv, materials)
    if found.installation.user_site:
        base = found.root / "bin" / "python"
        prefixes.pip(base, found.home, materials, "--user", *found.installation.user_site)
    for minor, requirement in found.installation.other_sites:
        _put_aside(found, found.home / ".local", minor, requirement, materials)
    for reference in found.installation.references:
        _refer(found, reference)


def _make_environment(found: Place, environment: Environment, materials: Materials) -> None:
    prefix = found.prefix(environment.name)
    prefixes.create(prefix, environment.specs, materials.lab, materials)
    python = prefix / "bin" / "python"
    for requirement in environment.pip:
        prefixes.pip(python, found.home, materials, requirement)
    for requirement in environment.twice:
        prefixes.pip(python, found.home, materials, "--ignore-installed", requirement)
    for source in environment.sources:
        _build_source(found, environment, source, materials)
    for minor, requirement in environment.left_over:
        _put_aside(found, prefix, minor, requirement, materials)
    if environment.variables:
        state = {"env_vars": dict(environment.variables)}
        (prefix / "conda-meta" / "state").write_text(json.dumps(state))
    for name, symbol, link_name in environment.own_objects:
        libraries.build_shared(prefix / "lib" / name, symbol, prefix / "lib", link_name)


def _put_aside(found: Place, folder: Path, minor: str, requirement: str, materials: Materials) -> None:
    """Install into the site-packages of a python that is not the present one."""
    site = folder / "lib" / f"python{minor}" / "site-packages"
    bound = ["--python-version", minor, "--only-binary", ":all:", "--target", str(site)]
    prefixes.pip(found.root / "bin" / "python", found.home, materials, *bound, requirement)


def _build_source(found: Place, environment: Environment, source: Source, materials: Materials) -> None:
    folder = found.home / "src" / f"{environment.name}-{source.name}"
    (torch_sources if source.torch else libraries).write_source(folder, source)
    given = {
        "folder": [str(folder)],
        "editable": ["--editable", str(folder)],
        "archive": ["--find-links", str(folder.parent), source.name],
    }
    if source.how == "archive":
        libraries.archive(folder, source.name)
    python = found.prefix(environment.name) / "bin" / "python"
    prefixes.pip(python, found.home, materials, *given[source.how])


def _make_virtualenv(found: Place, virtualenv: Virtualenv, materials: Materials) -> None:
    python = found.prefix(virtualenv.environment) / "bin" / virtualenv.called
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
        called = [f"{name}.answer()\n" for name in reference.modules.split(", ") if reference.calls]
        path.write_text(f"#!{python}\nimport {reference.modules}\n{''.join(called)}")
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
