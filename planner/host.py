"""The machine that the change is meant for: its virtual packages, its NVIDIA driver, and how that is known.

Three ways lead to a `Host`: what is found on this machine (py-rattler detects, the driver's version is read from a file,
nothing is run), what a host file says, and, where the packages are for another platform than this machine's, what conda
itself falls back to there. conda's `CONDA_OVERRIDE_*` variables change each of them but the file, and options change all.
conda's own `__conda` is no fact of the host and is left out. Compute capabilities are known from a host file, or, as far as
the lowest of them goes, from `__cuda_arch` (CEP 46), where a tool or a variable provides it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.channel_names import KNOWN_SUBDIRS
from planner.cuda_drivers import cuda_of_driver
from planner.errors import InputError
from planner.model.installed import Host, VirtualPackage

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = re.compile(r"\d+(?:\.\d+)*")
_DRIVER = re.compile(r"\d+(?:\.\d+){1,2}")
_PACKAGE_NAME = re.compile(r"__[a-z0-9_]+")
_BUILD = re.compile(r"[A-Za-z0-9_.+]+")
_CAPABILITY = re.compile(r"\d+\.\d+")
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/sys/module/nvidia/version")
_LOADED_DRIVER = re.compile(r"(?:Kernel Module\D*?(?:x86_64|aarch64)?\s+|^)(\d{3,}(?:\.\d+){1,2})\b")
# conda's variables and the packages they set; where empty, conda leaves the package out, but for __linux.
_OVERRIDES = {
    "CONDA_OVERRIDE_ARCHSPEC": "__archspec",
    "CONDA_OVERRIDE_CUDA": "__cuda",
    "CONDA_OVERRIDE_CUDA_ARCH": "__cuda_arch",
    "CONDA_OVERRIDE_GLIBC": "__glibc",
    "CONDA_OVERRIDE_LINUX": "__linux",
    "CONDA_OVERRIDE_OSX": "__osx",
    "CONDA_OVERRIDE_WIN": "__win",
}
_ONLY_ON = {"__glibc": "linux-", "__linux": "linux-", "__osx": "osx-", "__win": "win-"}
_MACHINES = {"32": "x86", "64": "x86_64"}
_NO_PROCESSOR = frozenset({"wasm32", "z"})

Packages = dict[str, VirtualPackage]


def detect_host(
    subdir: str,
    *,
    cuda: str | None = None,
    driver: str | None = None,
    glibc: str | None = None,
    host_file: str | None = None,
    environ: Mapping[str, str],
) -> Host:
    """The host that packages of `subdir` are meant for.

    `cuda` is a version or "none" (known to have no GPU), `driver` the NVIDIA driver's whole version, `host_file` the
    path of a JSON file with a plan's `host` object. A driver without `cuda` implies the CUDA version that it supports.
    Raises `InputError` for a value or a file that cannot be used.
    """
    _check("--cuda", cuda, _VERSION, "a version like 12.4, or none", also=("none",))
    _check("--driver", driver, _DRIVER, "the driver's whole version, like 535.104.05 (nvidia-smi shows it)")
    _check("--glibc", glibc, _VERSION, "a version like 2.28")
    if subdir not in KNOWN_SUBDIRS - {"noarch"}:
        raise InputError(f"{subdir!r} is no platform that conda knows: {', '.join(sorted(KNOWN_SUBDIRS - {'noarch'}))}")
    if host_file is not None:
        return _with_options(_read_host(host_file, subdir), cuda, driver, glibc)
    native = native_subdir() == subdir
    packages = _detected() if native else _assumed(subdir)
    overridden = _override(packages, subdir, environ)
    found = Host(
        subdir=subdir,
        virtual_packages=_sorted(packages),
        driver=_loaded_driver() if native else None,
        compute_capabilities=_lowest_capability(packages),
        source="assumed" if not native else "given" if overridden else "detected",
        gpu_known="__cuda" in packages or "__cuda" in overridden,
    )
    return _with_options(found, cuda, driver, glibc, cuda_is_given="__cuda" in overridden)


def native_subdir() -> str:
    """The platform of this machine, as conda names it."""
    import rattler

    return str(rattler.Subdir.current())


# --------------------------------------------------------------------------------------------------------------------
# Found, or assumed


def _detected() -> Packages:
    import rattler
    from rattler.exceptions import DetectVirtualPackageError

    try:
        generic = [package.into_generic() for package in rattler.VirtualPackage.detect()]
    except DetectVirtualPackageError as error:
        raise InputError(f"what this machine is cannot be found out: {error}. Describe it in a file: --host") from None
    found = (
        VirtualPackage(package.name.normalized, str(package.version), str(package.build_string)) for package in generic
    )
    return {package.name: package for package in found}


def _assumed(subdir: str) -> Packages:
    """What conda has for another platform than the machine's own: everything it knows nothing of has version 0."""
    system, _, machine = subdir.partition("-")
    names = {"linux": ("__unix", "__linux", "__glibc"), "osx": ("__unix", "__osx"), "win": ("__win",)}
    packages = {name: VirtualPackage(name, "0") for name in names.get(system, ("__unix",))}
    if machine not in _NO_PROCESSOR:
        packages["__archspec"] = VirtualPackage("__archspec", "1", _machine(subdir))
    return packages


def _machine(subdir: str) -> str:
    """The processor that every machine of a platform has at least."""
    machine = subdir.rpartition("-")[2]
    return _MACHINES.get(machine, machine)


def _override(packages: Packages, subdir: str, environ: Mapping[str, str]) -> set[str]:
    """Do what conda's variables say, in place; the names that they set or took away."""
    changed: set[str] = set()
    for variable, name in _OVERRIDES.items():
        if variable not in environ or not subdir.startswith(_ONLY_ON.get(name, "")):
            continue
        value = environ[variable].strip()
        changed.add(name)
        if not value:
            packages.pop(name, None)
            if name == "__linux":
                packages[name] = VirtualPackage(name, "0")
        elif name == "__archspec":
            _check(variable, value, _BUILD, "a processor's name like x86_64_v3")
            packages[name] = VirtualPackage(name, "1", value)
        else:
            _check(variable, value, _VERSION, "a version")
            packages[name] = VirtualPackage(name, value)
    if "__cuda" not in packages:
        packages.pop("__cuda_arch", None)
    return changed


def _lowest_capability(packages: Packages) -> tuple[str, ...] | None:
    """What `__cuda_arch` tells: the compute capability of the oldest of the GPUs."""
    package = packages.get("__cuda_arch")
    return (package.version,) if package is not None and _CAPABILITY.fullmatch(package.version) else None


def _loaded_driver() -> str | None:
    """The version of the NVIDIA driver that this machine's kernel has loaded."""
    for path in _DRIVER_FILES:
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if version := driver_version(text):
            return version
    return None


def driver_version(text: str) -> str | None:
    """The driver's version in what the kernel module says of itself, None where it names none."""
    found = _LOADED_DRIVER.search(text.splitlines()[0]) if text.strip() else None
    return found[1] if found else None


# --------------------------------------------------------------------------------------------------------------------
# Given


def _with_options(
    host: Host, cuda: str | None, driver: str | None, glibc: str | None, *, cuda_is_given: bool = False
) -> Host:
    if cuda is None and driver is None and glibc is None:
        return host
    packages = {package.name: package for package in host.virtual_packages}
    if cuda is None and driver is not None and not cuda_is_given:
        cuda = cuda_of_driver(driver, host.subdir)
    if cuda == "none":
        packages.pop("__cuda", None)
        packages.pop("__cuda_arch", None)
    elif cuda is not None:
        packages["__cuda"] = VirtualPackage("__cuda", cuda)
    if glibc is not None and host.subdir.startswith("linux-"):
        packages["__glibc"] = VirtualPackage("__glibc", glibc)
    return Host(
        subdir=host.subdir,
        virtual_packages=_sorted(packages),
        driver=driver or host.driver,
        compute_capabilities=None if cuda == "none" else host.compute_capabilities,
        # The rest of a foreign platform's facts stays assumed, whatever is given of it.
        source="assumed" if host.source == "assumed" else "given",
        gpu_known=host.gpu_known or cuda is not None or driver is not None,
    )


def _check(what: str, value: str | None, form: re.Pattern[str], expected: str, also: tuple[str, ...] = ()) -> None:
    if value is not None and value not in also and not form.fullmatch(value):
        raise InputError(f"{what} {value!r} cannot be used: it must be {expected}")


# --------------------------------------------------------------------------------------------------------------------
# From a file


def _read_host(path: str, subdir: str) -> Host:
    """The `host` object of a plan, alone or inside of the whole plan. Raises `InputError`."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"the host file {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the host file {path} is not JSON: {error}") from None
    if isinstance(content, dict) and isinstance(content.get("host"), dict):
        content = content["host"]
    if not isinstance(content, dict):
        raise InputError(f"the host file {path} does not hold an object with subdir and virtual_packages")
    return _host(content, path, subdir)


def _host(content: dict[str, Any], path: str, subdir: str) -> Host:
    of = content.get("subdir", subdir)
    if of != subdir:
        raise InputError(f"the host file {path} is of a {of!r} machine, but the packages are for {subdir}")
    versions = content.get("virtual_packages", {})
    if not isinstance(versions, dict):
        raise InputError(f"the host file {path}: virtual_packages must be an object of names and versions")
    packages: Packages = {}
    for name, text in versions.items():
        version, _, build = text.partition("=") if isinstance(text, str) else ("", "", "")
        if not (_PACKAGE_NAME.fullmatch(name) and _VERSION.fullmatch(version)) or (
            build and not _BUILD.fullmatch(build)
        ):
            raise InputError(f"the host file {path}: {name!r}: {text!r} is no virtual package and its version")
        # A plan keeps versions alone, and the processor is in the build: without one, the least of its platform.
        least = _machine(subdir) if name == "__archspec" else "0"
        packages[name] = VirtualPackage(name, version, build or least)
    driver, capabilities = content.get("driver"), content.get("compute_capabilities")
    if driver is not None and not (isinstance(driver, str) and _DRIVER.fullmatch(driver)):
        raise InputError(f"the host file {path}: driver {driver!r} is no whole driver version, like 535.104.05")
    if capabilities is not None and not (
        isinstance(capabilities, list)
        and all(isinstance(item, str) and _CAPABILITY.fullmatch(item) for item in capabilities)
    ):
        raise InputError(f'the host file {path}: compute_capabilities must be a list of texts like "8.6", or null')
    return Host(
        subdir=subdir,
        virtual_packages=_sorted(packages),
        driver=driver,
        compute_capabilities=_lowest_capability(packages) if capabilities is None else tuple(capabilities),
        source="given",
        gpu_known="__cuda" in packages or driver is not None or capabilities is not None,
    )


def _sorted(packages: Packages) -> tuple[VirtualPackage, ...]:
    return tuple(packages[name] for name in sorted(packages))
