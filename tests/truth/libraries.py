"""Small C libraries of the lab's own, and what is linked against them: packages, programs and Python extensions.

Real libraries of this kind (CUDA, libstdc++) are too large to build; these have their SONAMEs, version nodes and habits,
and the real linker and loader treat them alike. Sources lie in `clibs/`. The OpenMP runtimes are the real ones, out of
wheels.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.truth.catalogue import Release
from tests.truth.channel import Package
from tests.truth.wheels import bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.truth.cpython import Interpreter
    from tests.truth.installations import Source
    from tests.truth.wheels import Wheel

SOURCES = Path(__file__).parent / "clibs"
RunPath = Literal["rpath", "runpath", "none"]


@dataclass(frozen=True, slots=True)
class Library:
    """A C library's release: its file (which is its SONAME), source, version script and LAB_VERSION."""

    name: str
    version: str
    link_name: str
    soname: str
    source: str
    script: str | None = None
    number: int = 0
    extra: tuple[tuple[str, str], ...] = ()  # further libraries in the same package: SONAME and source
    build: str = "h1_0"
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consumer:
    """A package linked against one release of one library: an extension for each python, or a program.

    `needs` is what its record says about the library: exact, loose, or wrong, as packagers do.
    """

    name: str
    version: str
    library: tuple[str, str]
    symbol: str
    needs: tuple[str, ...]
    run_path: RunPath = "rpath"
    program: bool = False
    build: str = "0"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A real library that a wheel holds: the end of its path there."""

    name: str
    version: str
    link_name: str
    release: Release
    member: str


LIBRARIES = (
    # Under the names that real ones have, since the table of ABI series goes by them; and with their SONAMEs.
    Library("cuda-cudart", "11.8.89", "cudart", "libcudart.so.11.0", "cudart.c", "cudart-11.map", 11080),
    Library("cuda-cudart", "12.4.127", "cudart", "libcudart.so.12", "cudart.c", "cudart-12.map", 12040),
    Library("cuda-cudart", "12.6.77", "cudart", "libcudart.so.12", "cudart.c", "cudart-12.map", 12060),
    Library("icu", "73.2", "icuuc", "libicuuc.so.73", "series.c", number=73),
    Library("icu", "75.1", "icuuc", "libicuuc.so.75", "series.c", number=75),
    Library("libprotobuf", "4.25.3", "protobuf", "libprotobuf.so.25.3.0", "series.c", number=25),
    Library("libprotobuf", "5.27.5", "protobuf", "libprotobuf.so.27.5.0", "series.c", number=27),
    Library("libarrow", "14.0.2", "arrow", "libarrow.so.1400", "series.c", number=14),
    Library("libarrow", "18.0.0", "arrow", "libarrow.so.1800", "series.c", number=18),
    Library("openssl", "1.1.1w", "crypto", "libcrypto.so.1.1", "series.c", number=11),
    Library("openssl", "3.0.15", "crypto", "libcrypto.so.3", "series.c", number=30),
    Library("openssl", "3.4.0", "crypto", "libcrypto.so.3", "series.c", number=34),
    Library("labstdcxx", "12.1.0", "stdlab", "libstdlab.so.6", "stdlab.c", "stdlab-12.map", 12),
    Library("labstdcxx", "13.2.0", "stdlab", "libstdlab.so.6", "stdlab.c", "stdlab-13.map", 13),
    Library("labmoves", "3.1.0", "moves", "libmoves.so.3", "moves.c", number=1),
    Library(
        "labmoves",
        "3.2.0",
        "moves",
        "libmoves.so.3",
        "moves.c",
        number=2,
        extra=(("libmovesextra.so.3", "movesextra.c"),),
    ),
    Library("labzip", "1.5.0", "labzip", "liblabzip.so.1", "zip.c", number=15),
    Library("labzip", "1.6.0", "labzip", "liblabzip.so.1", "zip.c", number=16),
    Library("labzip", "2.0.0", "labzip", "liblabzip.so.2", "zip.c", number=20),
    # Two builds of one release: the small one lacks a function.
    Library("labvariant", "1.0.0", "labvariant", "liblabvariant.so.1", "moves.c", number=1, build="full_0"),
    Library("labvariant", "1.0.0", "labvariant", "liblabvariant.so.1", "moves.c", number=2, build="lite_0"),
)
RUNTIMES = (
    # Wheels hold them for all pythons alike. LLVM's version is the one that pyomp's build of it names.
    Runtime(
        "intel-openmp", "2024.0.3", "iomp5", Release("intel-openmp", "2024.0.3", ("3.11",)), "data/lib/libiomp5.so"
    ),
    Runtime("llvm-openmp", "22.1.8", "omp", Release("pyomp", "0.6.0", ("3.11",)), "openmp/lib/libomp.so"),
)
CONSUMERS = (
    # Their records say less than they need: what breaks is theirs.
    Consumer("labgpu", "1.0", ("cuda-cudart", "11.8.89"), "labcudaMalloc", ("cuda-cudart >=11",)),
    Consumer("labgpu", "2.0", ("cuda-cudart", "12.4.127"), "labcudaMalloc", ("cuda-cudart >=12.4,<13",)),
    Consumer("labtext", "1.0", ("icu", "73.2"), "lab_series", ("icu >=73",)),
    Consumer("labwire", "1.0", ("libprotobuf", "4.25.3"), "lab_series", ("libprotobuf >=4.25.3",)),
    Consumer("labtable", "1.0", ("libarrow", "14.0.2"), "lab_series", ("libarrow >=14",)),
    Consumer("labtls", "1.0", ("openssl", "1.1.1w"), "lab_series", ("openssl",), program=True),
    Consumer("labtls", "2.0", ("openssl", "3.0.15"), "lab_series", ("openssl >=3.0",), program=True),
    Consumer("labcalc", "1.0", ("labstdcxx", "13.2.0"), "lab_format_new", ("labstdcxx",), "runpath"),
    Consumer("labold", "1.0", ("labstdcxx", "13.2.0"), "lab_string_new", ("labstdcxx",)),
    Consumer("labplug", "1.0", ("labmoves", "3.1.0"), "mv_legacy", ("labmoves >=3.1,<4",)),
    Consumer("labopen", "1.0", ("labmoves", "3.1.0"), "mv_open", ("labmoves >=3.1,<4",)),
    Consumer("labtool", "1.0", ("labzip", "1.5.0"), "labzip_open", ("labzip >=1.5",), "runpath", program=True),
    Consumer("labstream", "1.0", ("labzip", "1.6.0"), "labzip_stream", ("labzip",), program=True),
    Consumer("labvar", "1.0", ("labvariant", "1.0.0"), "mv_legacy", ("labvariant",)),
    Consumer("labnone", "1.0", ("labzip", "1.5.0"), "labzip_open", ("labzip >=1.5",), "none"),
    # Their records say what they need: the solver protects them.
    Consumer("labsafe", "1.0", ("labzip", "1.5.0"), "labzip_open", ("labzip >=1.5,<2.0a0",), build="0"),
    Consumer("labsafe", "1.1", ("labzip", "2.0.0"), "labzip_open", ("labzip >=2.0,<3.0a0",), build="0"),
    Consumer("libmambapy", "1.5.8", ("labzip", "1.5.0"), "labzip_open", ("labzip >=1.5",)),
    Consumer("labgemm", "0.9", ("intel-openmp", "2024.0.3"), "omp_get_max_threads", ("intel-openmp",)),
    Consumer("labgemm", "1.0", ("llvm-openmp", "22.1.8"), "omp_get_max_threads", ("llvm-openmp",)),
    Consumer("labsolve", "1.0", ("intel-openmp", "2024.0.3"), "omp_get_max_threads", ("intel-openmp",)),
)


def compiler() -> str | None:
    """The C compiler, None without one: the lab is then smaller."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def packages(interpreters: dict[str, Interpreter], runtimes: Iterable[Wheel], work: Path) -> Iterator[Package]:
    """Compile everything below `work`; `runtimes` are the wheels of `RUNTIMES`."""
    built = {}
    for wheel in runtimes:
        runtime = next(one for one in RUNTIMES if one.release == wheel.release)
        folder = built[runtime.name, runtime.version] = work / f"{runtime.name}-{runtime.version}"
        _take_out(runtime.member, wheel.path, folder / "lib")
        yield Package(runtime.name, runtime.version, "h1_0", (), folder=folder)
    for library in LIBRARIES:
        folder = work / f"{library.name}-{library.version}-{library.build}"
        _build_library(library, folder)
        built.setdefault((library.name, library.version), folder)
        yield Package(
            library.name,
            library.version,
            library.build,
            library.depends,
            build_number=1 if library.build.startswith("full") else 0,
            folder=folder,
        )
    link_names = {(one.name, one.version): one.link_name for one in (*LIBRARIES, *RUNTIMES)}
    for consumer in CONSUMERS:
        libraries, link_name = built[consumer.library] / "lib", link_names[consumer.library]
        if consumer.program:
            folder = work / f"{consumer.name}-{consumer.version}"
            build_program(folder / "bin" / consumer.name, consumer.symbol, libraries, link_name, consumer.run_path)
            yield Package(consumer.name, consumer.version, f"h{consumer.build}_0", consumer.needs, folder=folder)
            continue
        for python, interpreter in interpreters.items():
            folder = work / f"{consumer.name}-{consumer.version}-{python}"
            _build_extension(consumer, interpreter, folder, libraries, link_name)
            build = f"py{python.replace('.', '')}_{consumer.build}"
            yield Package(consumer.name, consumer.version, build, (*bounds(python), *consumer.needs), folder=folder)


def build_program(target: Path, symbol: str, libraries: Path, link_name: str, run_path: RunPath) -> None:
    """A program at `target` that calls `symbol`; its run path is relative to where it lies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["-DLAB_PROGRAM", f"-DLAB_SYMBOL={symbol}", str(SOURCES / "tool.c"), "-o", str(target)]
    _compile(*command, *_linked(libraries, link_name, run_path, "$ORIGIN/../lib"))


def build_shared(target: Path, symbol: str, libraries: Path, link_name: str) -> None:
    """A shared object at `target`, which lies beside its library and finds it by RUNPATH."""
    command = ["-shared", "-fPIC", f"-DLAB_SYMBOL={symbol}", str(SOURCES / "tool.c"), "-o", str(target)]
    _compile(*command, *_linked(libraries, link_name, "runpath", "$ORIGIN"))


def write_source(folder: Path, source: Source) -> None:
    """A source distribution; its extension, if it has one, links against the libraries of the prefix that builds it."""
    package = folder / source.name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"from {source.name}._core import answer\n" if source.symbol else "")
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {source.name}\nVersion: 1.0\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    shutil.copyfile(SOURCES / "core.c", folder / "core.c")
    tags = {"rpath": "-Wl,--disable-new-dtags", "runpath": "-Wl,--enable-new-dtags", "none": ""}[source.run_path]
    arguments = [tags, "-Wl,-rpath,{prefix}/lib"] if tags else []
    (folder / "setup.py").write_text(
        "import sys\n"
        "from setuptools import Extension, setup\n"
        f"arguments = [text.replace('{{prefix}}', sys.prefix) for text in {arguments!r}]\n"
        f"core = Extension({source.name + '._core'!r}, ['core.c'], define_macros=[('LAB_SYMBOL', {source.symbol!r})],\n"
        f"    libraries=[{source.link_name!r}], library_dirs=[sys.prefix + '/lib'], extra_link_args=arguments)\n"
        f"setup(name={source.name!r}, version='1.0', packages=[{source.name!r}],\n"
        f"    python_requires={source.requires_python!r}, ext_modules={'[core]' if source.symbol else '[]'})\n"
    )


def archive(folder: Path, name: str) -> Path:
    """The source archive of such a folder, beside it, as an index would offer it."""
    target = folder.parent / f"{name}-1.0.tar.gz"
    with tarfile.open(target, "w:gz") as packed:
        packed.add(folder, f"{name}-1.0")
    return target


def _take_out(member: str, wheel: Path, place: Path) -> None:
    """Copy a library out of a wheel; its file name is its SONAME."""
    place.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(f"/{member}"))
        (place / path.rpartition("/")[2]).write_bytes(archive.read(path))


def _build_library(library: Library, folder: Path) -> None:
    place = folder / "lib"
    place.mkdir(parents=True)
    script = [f"-Wl,--version-script={SOURCES / library.script}"] if library.script else []
    for soname, source in ((library.soname, library.source), *library.extra):
        command = [
            "-shared",
            "-fPIC",
            f"-DLAB_VERSION={library.number}",
            str(SOURCES / source),
            f"-Wl,-soname,{soname}",
            *script,
        ]
        _compile(*command, "-o", str(place / soname))
    plain = f"lib{library.link_name}.so"
    if plain != library.soname:
        (place / plain).symlink_to(library.soname)


def _build_extension(
    consumer: Consumer, interpreter: Interpreter, folder: Path, libraries: Path, link_name: str
) -> None:
    site = folder / "lib" / f"python{interpreter.minor}" / "site-packages"
    package = site / consumer.name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"from {consumer.name}._core import answer\n")
    information = site / f"{consumer.name}-{consumer.version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {consumer.name}\nVersion: {consumer.version}\n"
    )
    (information / "INSTALLER").write_text("conda\n")
    target = package / f"_core.cpython-{interpreter.tag[2:]}-x86_64-linux-gnu.so"
    command = ["-shared", "-fPIC", f"-DLAB_SYMBOL={consumer.symbol}", f"-I{interpreter.include}"]
    linked = _linked(libraries, link_name, consumer.run_path, "$ORIGIN/../../..")
    _compile(*command, str(SOURCES / "core.c"), "-o", str(target), *linked)


def _linked(libraries: Path, link_name: str, run_path: RunPath, origin: str) -> list[str]:
    tags = {"rpath": ["-Wl,--disable-new-dtags"], "runpath": ["-Wl,--enable-new-dtags"], "none": []}[run_path]
    return [f"-L{libraries}", f"-l{link_name}", *tags, *([f"-Wl,-rpath,{origin}"] if tags else [])]


def _compile(*arguments: str) -> None:
    program = compiler()
    if program is None:
        raise RuntimeError("no C compiler")
    subprocess.run([program, "-O1", *arguments], check=True, capture_output=True)
