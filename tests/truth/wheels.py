"""Real distributions: fetched from PyPI by pip, once, and repacked as the conda packages they would be.

A wheel tied to one python becomes a package of that python, an abi3 wheel one of CEP 20, a pure one `noarch: python`.
Requirements are those of the wheel's own metadata, no tighter and no looser.
"""

from __future__ import annotations

import configparser
import email
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.truth.channel import Package
from tests.truth.cpython import compile_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.truth.catalogue import Release
    from tests.truth.cpython import Interpreter

# Scripts of packages name this python; at installation it becomes that of the prefix.
PLACEHOLDER = "/opt/truth_lab_placeholder_placehold_placehold_placehold_placehold_placehold"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on disk and the pythons (X.Y) it was fetched for."""

    release: Release
    path: Path
    pythons: tuple[str, ...]

    @property
    def kind(self) -> str:
        """`pure`, `abi3` or `bound`."""
        tags = parse_wheel_filename(self.path.name)[3]
        if all(tag.abi == "none" and tag.platform == "any" for tag in tags):
            return "pure"
        return "abi3" if all(tag.abi == "abi3" for tag in tags) else "bound"


def fetch(releases: Sequence[Release], pythons: Sequence[str], folder: Path) -> tuple[list[Wheel], list[str]]:
    """The wheels of all releases for these pythons, and what could not be had. Fetches what `folder` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    had: dict[Path, tuple[Release, list[str]]] = {}
    missing = []
    for python in pythons:
        wanted = [release for release in releases if python in release.pythons]
        _download([release for release in wanted if _stored(release, python, folder) is None], python, folder)
        for release in wanted:
            path = _stored(release, python, folder)
            if path is None:
                missing.append(f"{release.requirement} for python {python}")
            else:
                had.setdefault(path, (release, []))[1].append(python)
    return [Wheel(release, path, tuple(for_)) for path, (release, for_) in had.items()], missing


def packages(wheel: Wheel, interpreters: dict[str, Interpreter], work: Path) -> Iterable[Package]:
    """Stage a wheel below `work`; one package, of the wheel's kind."""
    kind = wheel.kind
    python = wheel.pythons[0]
    folder = work / f"{wheel.path.name.removesuffix('.whl')}"
    site = Path("site-packages") if kind != "bound" else Path("lib", f"python{python}", "site-packages")
    entries = _unpack(wheel.path, folder, site)
    for script in () if kind != "bound" else entries:
        _write_script(script, folder)
    if kind == "bound":
        compile_all(interpreters[python], folder / site)
    name, version, depends = _record(wheel, folder / site)
    if kind == "pure":
        bound_to, build, subdir = ("python",), "pyh_0", "noarch"
    elif kind == "abi3":
        bound_to, build, subdir = ("python", "_python_abi3_support", "cpython >=3.9"), "abi3_0", "linux-64"
    else:
        build, subdir = f"py{python.replace('.', '')}_0", "linux-64"
        bound_to = ("python",) if wheel.release.loose else bounds(python)
    yield Package(
        name,
        version,
        build,
        depends=(*bound_to, *depends, *wheel.release.also),
        subdir=subdir,
        noarch=None if kind == "bound" else "python",
        entry_points=tuple(entries) if kind != "bound" else (),
        placeholder=PLACEHOLDER,
        folder=folder,
    )


def bounds(python: str) -> tuple[str, ...]:
    """What binds a build to one python, as conda-build writes it."""
    major, minor = (int(part) for part in python.split("."))
    return (
        f"python >={python},<{major}.{minor + 1}.0a0",
        f"python_abi {python}.* *_cp{major}{minor}",
    )


def _stored(release: Release, python: str, folder: Path) -> Path | None:
    """The wheel that pip chose for this release and python, as noted when it was fetched."""
    note = folder / f"{release.name}-{release.version}-{python}.json"
    try:
        path = folder / json.loads(note.read_text())["wheel"]
    except (OSError, ValueError, KeyError):
        return None
    return path if path.is_file() else None


def _download(releases: Sequence[Release], python: str, folder: Path) -> None:
    if not releases:
        return
    if not _pip_download(releases, python, folder) and len(releases) > 1:
        for release in releases:  # one that does not exist must not take the others with it
            _pip_download([release], python, folder)
    for release in releases:
        for path in folder.glob("*.whl"):
            name, version, _, tags = parse_wheel_filename(path.name)
            fits = name == canonicalize_name(release.name) and str(version) == release.version
            if fits and any(_usable(tag.interpreter, tag.abi, python) for tag in tags):
                note = folder / f"{release.name}-{release.version}-{python}.json"
                note.write_text(json.dumps({"wheel": path.name}))


def _usable(interpreter: str, abi: str, python: str) -> bool:
    own = f"cp{python.replace('.', '')}"
    if abi == "none":
        return interpreter in {"py3", "py2", own}
    if abi == "abi3":
        floor = re.fullmatch(r"cp3(\d+)", interpreter)
        return floor is not None and int(floor[1]) <= int(python.split(".")[1])
    return interpreter == own and abi == own


def _pip_download(releases: Sequence[Release], python: str, folder: Path) -> bool:
    platforms = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_12_x86_64")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", python, "--dest", str(folder)),
        *(part for platform in (*platforms, "manylinux2010_x86_64") for part in ("--platform", platform)),
        *(release.requirement for release in releases),
    ]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _unpack(path: Path, folder: Path, site: Path) -> list[str]:
    """Lay a wheel out below `folder`; its console scripts as `name = module:function`."""
    target = folder / site
    target.mkdir(parents=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(target)
    for data in target.glob("*.data"):
        for kind, place in (("purelib", target), ("platlib", target), ("scripts", folder / "bin"), ("data", folder)):
            for source in sorted((data / kind).rglob("*")):
                if source.is_file():
                    moved = place / source.relative_to(data / kind)
                    moved.parent.mkdir(parents=True, exist_ok=True)
                    source.rename(moved)
    (information,) = target.glob("*.dist-info")
    (information / "INSTALLER").write_text("conda\n")
    for script in (folder / "bin").glob("*"):
        script.chmod(0o755)
        text = script.read_bytes()
        if text.startswith(b"#!python"):
            script.write_bytes(f"#!{PLACEHOLDER}/bin/python".encode() + text[text.index(b"\n") :])
    entries = information / "entry_points.txt"
    if not entries.is_file():
        return []
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep names as they are
    parser.read_string(entries.read_text())
    if not parser.has_section("console_scripts"):
        return []
    return [f"{name} = {value.split('[')[0].strip()}" for name, value in sorted(parser.items("console_scripts"))]


def _write_script(entry: str, folder: Path) -> None:
    name, _, value = entry.partition(" = ")
    module, _, function = value.partition(":")
    script = folder / "bin" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(
        f"#!{PLACEHOLDER}/bin/python\nimport sys\nfrom {module} import {function.split('.')[0]}\n"
        f"if __name__ == '__main__':\n    sys.exit({function}())\n"
    )
    script.chmod(0o755)


def _record(wheel: Wheel, site: Path) -> tuple[str, str, tuple[str, ...]]:
    (information,) = site.glob("*.dist-info")
    metadata = email.message_from_string((information / "METADATA").read_text(encoding="utf-8"))
    depends: dict[str, str] = {}
    for line in metadata.get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if any(_applies(requirement, python) for python in wheel.pythons):
            name = canonicalize_name(requirement.name)
            depends[name] = ",".join(
                part for part in (*depends.get(name, "").split(","), *_versions(requirement)) if part
            )
    return (
        canonicalize_name(metadata["Name"]),
        str(parse_wheel_filename(wheel.path.name)[1]),
        tuple(f"{name} {versions}".strip() for name, versions in sorted(depends.items())),
    )


def _applies(requirement: Requirement, python: str) -> bool:
    if requirement.marker is None:
        return True
    facts = {"python_version": python, "python_full_version": f"{python}.0", "extra": "", "sys_platform": "linux"}
    return requirement.marker.evaluate(
        facts | {"platform_system": "Linux", "platform_python_implementation": "CPython"}
    )


def _versions(requirement: Requirement) -> list[str]:
    return sorted(str(specifier) for specifier in requirement.specifier)
