"""What a conda build is bound to: one python or any, compiled code or none.

Read from a record and the names of its files; no file is opened (what an ELF object needs is `planner.abi`'s). Where
neither metadata nor names tell, the answer is None or uncertain, and the rules say so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from planner.model.plan import Evidence
from planner.versions import minor

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord, RecordFiles

# `py310h1b77274_2`, `np112py36_0`, `py3.10_cuda12.1`, `cuda118py311h...`; not `py_0`, `pyhd8ed1ab_0`, `pypy39_pp73`.
_BUILD_TAG = re.compile(r"(?<![a-z])py([23])\.?(\d{1,2})(?!\d)")
_LOWER = re.compile(r">=(\d+)\.(\d+)")
_UPPER = re.compile(r"<(\d+)\.(\d+)(?:\.0?a0|\.0|a0)?(?:$|,)")
_FUZZY = re.compile(r"^={0,2}(\d+\.\d+)(?:\.\d+)*(?:\.?\*)?$")
_FOLDER = re.compile(r"^lib/python(\d+\.\d+)t?/")
_TAGGED = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)[a-z]*(?:-[^/]*)?\.(?:so|pyd)$", re.IGNORECASE)
_SPEC = re.compile(r"^\s*(?:[^\s=<>!~\[]*::)?([A-Za-z0-9_.-]+)\s*(.*)$")
_MODULE = re.compile(r"\.(?:so|pyd)$", re.IGNORECASE)
_BINARY = re.compile(r"\.(?:so(?:\.[0-9.]+)?|pyd|dll|dylib)$", re.IGNORECASE)
_PROGRAM = re.compile(r"^(?:bin|sbin|libexec)/|^Library/.*\.exe$", re.IGNORECASE)
# The last part of the build of `python` or `python_abi`.
_FLAVOUR = re.compile(r"(?:^|_)(cp\d+t?|cpython|pypy\d*|graalpy\d*|native\d*_graalpy|pypy\d+_pp\d+)$")
_RUNTIMES = frozenset(
    {
        "__glibc",
        "_openmp_mutex",
        "libcxx",
        "libgcc",
        "libgcc-ng",
        "libgfortran",
        "libgfortran-ng",
        "libgfortran5",
        "libgomp",
        "libstdcxx",
        "libstdcxx-ng",
        "llvm-openmp",
        "python_abi",
        "ucrt",
        "vc",
        "vc14_runtime",
        "vs2015_runtime",
    }
)
# Packages that exist to be depended on and hold no files of their own.
_EMPTY = frozenset({"_libgcc_mutex", "blas", "python_abi", "vc"})
_EMPTY_ARCHIVE = 4096  # bytes: an archive this small has room for its own metadata only
_PYTHON_ITSELF = frozenset({"cpython", "python", "python_abi"})


class Mismatch(Struct, frozen=True):
    """A build that the planned python cannot use: what it was built for, what shows it, and what would be seen.

    `effect` is "import" where compiled modules are bound to the other python, "gone" where its modules merely lie in
    a folder that the planned python does not read. `requirement` is the text that binds it.
    """

    built_for: str
    effect: Literal["import", "gone"]
    certain: bool
    requirement: str
    evidence: Evidence


def meta_path(record: PackageRecord) -> str:
    """Where an installed record stands, relative to its prefix."""
    return f"conda-meta/{record.dist_name}.json"


def split_spec(spec: str) -> tuple[str, str]:
    """The name and the version constraint of a `depends` line, without its build; it never raises."""
    match = _SPEC.match(spec)
    if match is None:
        return spec.strip().lower(), ""
    return match[1].lower(), re.sub(r",\s+", ",", match[2]).split(" ", maxsplit=1)[0]


def flavour(python: PackageRecord, python_abi: PackageRecord | None) -> tuple[str, PackageRecord] | None:
    """The ABI of a python, `cpython` written as the cpXY it stands for, and the record that shows it; None if none does."""
    for record in (python_abi, python):
        found = _FLAVOUR.search(record.build) if record is not None else None
        if record is not None and found:
            tag = found.group(1)
            return (f"cp{minor(python.version).replace('.', '')}" if tag == "cpython" else tag), record
    return None


def declared_python(record: PackageRecord) -> tuple[str, str] | None:
    """The one X.Y that a record's requirements bind it to, with the line that does so; None when they do not."""
    for wanted in ("python_abi", "python"):
        for spec in record.depends:
            name, constraint = split_spec(spec)
            bound = _single_minor(constraint) if name == wanted else None
            if bound is not None:
                return bound, spec
    return None


def build_python(record: PackageRecord) -> str | None:
    """The X.Y in a record's build string, `3.6` of `py36_0`; None when there is none."""
    match = _BUILD_TAG.search(record.build)
    return f"{match[1]}.{match[2]}" if match else None


def is_compiled(record: PackageRecord, files: RecordFiles) -> bool | None:
    """Whether a record brings compiled code, by the names of its files, else by its requirements; None if unknown."""
    if files.known and any(_BINARY.search(path) for path in files.paths):
        return True
    if record.noarch is not None or record.subdir == "noarch":
        # CEP 20: abi3 packages are noarch python in a platform's subdir.
        return record.noarch == "python" and record.subdir not in {"", "noarch"}
    if not files.paths and (files.known or record.name in _EMPTY or (record.size or _EMPTY_ARCHIVE) < _EMPTY_ARCHIVE):
        return False
    if _needs(record, _RUNTIMES):
        return True
    if not files.known:
        return None
    return False if _needs(record, _PYTHON_ITSELF) or not any(_PROGRAM.search(path) for path in files.paths) else None


def mismatch(record: PackageRecord, planned: str, files: RecordFiles | None, *, windows: bool) -> Mismatch | None:
    """Why python `planned` (X.Y) cannot use this build; None when it can, or when nothing binds it to another.

    `files` is None for a record that is not installed yet, whose file names nobody knows.
    """
    if record.noarch == "python" or record.name in _PYTHON_ITSELF:
        return None
    if files is not None and files.known:
        if not files.paths:
            return None
        found = _by_windows_files if windows else _by_unix_files
        return found(record, planned, files.paths)
    return _by_metadata(record, planned, windows=windows)


def _by_unix_files(record: PackageRecord, planned: str, paths: tuple[str, ...]) -> Mismatch | None:
    folders = {match[1]: path for path in reversed(paths) if (match := _FOLDER.match(path))}
    # conda-forge's python reads lib/python3.1/site-packages whatever its minor is.
    folders.pop("3.1", None)
    tags = _tags(paths)
    if planned in folders or (not folders and planned in tags):
        return None
    if tags:
        return _tagged(tags)
    if folders:
        built_for, path = min(folders.items())
        folder = "/".join(path.split("/")[:2])
        evidence = Evidence("file", path, f"lies in {folder}")
        return Mismatch(built_for, "gone", certain=True, requirement=folder, evidence=evidence)
    declared = declared_python(record)
    if declared is None or declared[0] == planned:
        return None
    return _from_line(record, declared, certain=False)


def _by_windows_files(record: PackageRecord, planned: str, paths: tuple[str, ...]) -> Mismatch | None:
    """On Windows the folder has no version: what is not bound by its own name or record stays importable."""
    tags = _tags(paths)
    if planned in tags:
        return None
    if tags:
        return _tagged(tags)
    module = next((p for p in paths if _MODULE.search(p) and p.lower().startswith("lib/site-packages/")), None)
    likely = _metadata_python(record)
    if module is None or likely is None or likely == planned:
        return None
    # An untagged .pyd may be built for the stable ABI (abi3), which names do not tell on Windows.
    evidence = Evidence("file", module, "an extension module whose name tells no python")
    return Mismatch(likely, "import", certain=False, requirement=record.build, evidence=evidence)


def _by_metadata(record: PackageRecord, planned: str, *, windows: bool) -> Mismatch | None:
    compiled = _needs(record, _RUNTIMES)
    declared = declared_python(record)
    if declared is not None:
        return None if declared[0] == planned else _from_line(record, declared, certain=compiled or not windows)
    built_for = build_python(record)
    if built_for is None or built_for == planned or record.noarch is not None:
        return None
    evidence = Evidence("metadata", meta_path(record), f"build: {record.build}")
    certain = _needs(record, _PYTHON_ITSELF) and (compiled or not windows)
    return Mismatch(built_for, "import", certain=certain, requirement=record.build, evidence=evidence)


def _from_line(record: PackageRecord, declared: tuple[str, str], *, certain: bool) -> Mismatch:
    built_for, line = declared
    evidence = Evidence("metadata", meta_path(record), f"depends: {line}")
    return Mismatch(built_for, "import", certain=certain, requirement=line, evidence=evidence)


def _needs(record: PackageRecord, names: frozenset[str]) -> bool:
    return any(split_spec(spec)[0] in names for spec in record.depends)


def _metadata_python(record: PackageRecord) -> str | None:
    declared = declared_python(record)
    return declared[0] if declared else build_python(record)


def tagged_for(path: str) -> str | None:
    """The X.Y of the python that an extension module is tagged for, by its name."""
    match = _TAGGED.search(path)
    return f"{match[1]}.{match[2]}" if match else None


def _tags(paths: tuple[str, ...]) -> dict[str, str]:
    """The pythons that extension modules are tagged for, each with the first path that says so."""
    return {f"{match[1]}.{match[2]}": path for path in reversed(paths) if (match := _TAGGED.search(path))}


def _tagged(tags: dict[str, str]) -> Mismatch:
    built_for, path = min(tags.items(), key=lambda item: item[1])
    tag = f"cp{built_for.replace('.', '')}"
    evidence = Evidence("file", path, f"an extension module tagged {tag}")
    return Mismatch(built_for, "import", certain=True, requirement=tag, evidence=evidence)


def _single_minor(constraint: str) -> str | None:
    """The one X.Y that a version constraint allows, as compiled packages have it; None when it allows more."""
    exact = _FUZZY.match(constraint)
    if exact:
        return minor(exact[1])
    lower, upper = _LOWER.search(constraint), _UPPER.search(constraint)
    if lower is None or upper is None or lower[1] != upper[1] or int(upper[2]) != int(lower[2]) + 1:
        return None
    return f"{lower[1]}.{lower[2]}"
