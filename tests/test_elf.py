"""The ELF reader against pyelftools, over real objects, both word sizes, both byte orders, and files that are broken."""

import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from msgspec.structs import replace

from planner.abi.elf import ElfFacts, ElfFault, VersionNeed, read_elf
from planner.abi.symbols import Definition, Symbol, definitions, gives, undefined_symbols

FIXTURES = Path(__file__).parents[1] / "fixtures" / "elf"
KINDS = {"x86_64": (64, "little", 62), "aarch64": (64, "little", 183), "x86": (32, "little", 3)} | {
    "powerpc": (32, "big", 20),
    "powerpc64": (64, "big", 21),
    "s390x": (64, "big", 22),
}
OBJECTS = sorted(str(path) for path in FIXTURES.glob("*/*.so*"))
FUZZ = int(os.environ.get("PLANNER_FUZZ", "2000"))
GCC = shutil.which("gcc")
gcc = pytest.mark.skipif(GCC is None, reason="there is no gcc to build with")


@cache
def installed_objects():
    """Every shared object of the interpreter that runs the tests and of its site-packages, rattler's 40 MB included."""
    folders = {sysconfig.get_path("platlib"), os.path.join(sysconfig.get_path("stdlib"), "lib-dynload")}
    found = sorted(str(path) for folder in folders for path in Path(folder).rglob("*.so*") if path.is_file())
    assert len(found) > 20
    return (*found, sys.executable)


def by_oracle(path):
    """The same facts as pyelftools reads them."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        dynamic = elf.get_section_by_name(".dynamic")
        tags = list(dynamic.iter_tags()) if dynamic else []
        needs, defs = elf.get_section_by_name(".gnu.version_r"), elf.get_section_by_name(".gnu.version_d")
        symbols = elf.get_section_by_name(".dynsym")
        versions = elf.get_section_by_name(".gnu.version")
        needed = [
            (verneed.name, aux.name, bool(aux["vna_flags"] & 2), aux["vna_other"] & 0x7FFF)
            for verneed, auxiliaries in (needs.iter_versions() if needs else ())
            for aux in auxiliaries
        ]
        defined = [
            (verdef["vd_ndx"], next(iter(auxiliaries)).name, bool(verdef["vd_flags"] & 1))
            for verdef, auxiliaries in (defs.iter_versions() if defs else ())
        ]
        wanted, given = set(), {}
        by_index = {index: (version, library) for library, version, _, index in needed}
        names = {index: name for index, name, base in defined if not base}
        for number, symbol in enumerate(symbols.iter_symbols() if symbols else ()):
            index = versions.get_symbol(number)["ndx"] if versions else "VER_NDX_GLOBAL"
            bare = index & 0x7FFF if isinstance(index, int) else 0
            if not symbol.name or symbol["st_info"]["bind"] not in {"STB_GLOBAL", "STB_WEAK", "STB_LOOS"}:
                continue
            if symbol["st_shndx"] == "SHN_UNDEF":
                weak = symbol["st_info"]["bind"] == "STB_WEAK"
                wanted.add(Symbol(symbol.name, *by_index.get(bare, (None, None)), weak=weak))
            elif symbol["st_other"]["visibility"] in {"STV_DEFAULT", "STV_PROTECTED"} and index != "VER_NDX_LOCAL":
                hidden = isinstance(index, int) and bool(index & 0x8000)
                given.setdefault(symbol.name, set()).add(Definition(names.get(bare), default=not hidden))
        return {
            "soname": next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None),
            "needed": tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
            "rpath": folders(tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"),
            "runpath": folders(tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"),
            "version_needs": tuple(VersionNeed(*need) for need in needed),
            "version_defs": tuple((index, name) for index, name, base in defined if not base),
            "bits": elf.elfclass,
            "byte_order": "little" if elf.little_endian else "big",
        }, (wanted, given)


def folders(values):
    return tuple(folder for value in values for folder in value.split(":") if folder)


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: "/".join(Path(path).parts[-2:]))
def test_fixtures_read_as_the_oracle_reads_them(path):
    agree(path)


def test_real_objects_read_as_the_oracle_reads_them():
    for path in installed_objects():
        agree(path)


def agree(path):
    facts = read_elf(path)
    assert isinstance(facts, ElfFacts), facts
    expected, (wanted, given) = by_oracle(path)
    assert {name: getattr(facts, name) for name in expected} == expected
    assert set(undefined_symbols(path)) == wanted
    names = sorted(given)[:500]
    found = definitions(path, [*names, "no_such_symbol", ""])
    assert {name: set(there) for name, there in found.items()} == {name: given[name] for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_consumer_needs(kind):
    facts = read_elf(str(FIXTURES / kind / "consumer.so"))
    assert (facts.bits, facts.byte_order, facts.machine) == KINDS[kind]
    assert facts.needed == ("libprovider.so.1", "libplain.so")
    assert facts.runpath == ("$ORIGIN/../lib", "/opt/lib")
    assert facts.rpath == ()
    assert facts.binds_now
    assert {(need.library, need.version) for need in facts.version_needs} == {
        ("libprovider.so.1", "PROVIDER_1.0"),
        ("libprovider.so.1", "PROVIDER_2.0"),
    }
    wanted = {symbol.name: symbol for symbol in undefined_symbols(facts.path)}
    assert wanted["greet"] == Symbol("greet", "PROVIDER_2.0", "libprovider.so.1")
    assert wanted["plain"] == Symbol("plain")
    assert wanted["nobody"].weak


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_provider_gives(kind):
    folder = FIXTURES / kind
    given = definitions(str(folder / "libprovider.so.1"), ["greet", "part", "inner", "greet_old"])
    assert set(given) == {"greet", "part"}
    assert gives(given["greet"], Symbol("greet", "PROVIDER_1.0"))
    assert gives(given["greet"], Symbol("greet"))
    assert not gives(given["greet"], Symbol("greet", "PROVIDER_3.0"))
    plain = definitions(str(folder / "libplain.so"), ["plain", "inner"])
    assert plain == {"plain": (Definition(),)}
    # As the loader has it: where the library knows no versions, a version is not asked for.
    assert gives(plain["plain"], Symbol("plain", "PLAIN_1.0", "libplain.so"))


@gcc
@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_every_style_of_hash_table_and_of_search_path(tmp_path, style):
    built = tmp_path / "consumer.so"
    flags = [f"-Wl,--hash-style={style}", "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/a:/b"]
    subprocess.run([GCC, "-shared", "-fPIC", *flags, FIXTURES / "consumer.c", "-o", built], check=True)
    agree(str(built))
    facts = read_elf(str(built))
    assert (facts.rpath, facts.runpath, facts.binds_now) == (("$ORIGIN/a", "/b"), (), False)


@gcc
def test_an_object_that_exports_nothing_still_shows_what_it_needs(tmp_path):
    built, source = tmp_path / "needs.so", tmp_path / "needs.c"
    source.write_text("extern int far(void); static int near(void) { return far(); }\nint (*const at)(void) = near;\n")
    hide = tmp_path / "hide.map"
    hide.write_text("{ local: *; };\n")
    subprocess.run([GCC, "-shared", "-fPIC", f"-Wl,--version-script={hide}", source, "-o", built], check=True)
    assert Symbol("far") in undefined_symbols(str(built))


def test_the_floors_of_a_real_object():
    floors = [facts.floor("GLIBC") for path in installed_objects() if isinstance(facts := read_elf(path), ElfFacts)]
    assert any(floor and floor.startswith("2.") for floor in floors)
    needs = tuple(VersionNeed("libc.so.6", f"GLIBC_{text}") for text in ("2.9", "2.28", "2.3.4", "PRIVATE"))
    facts = ElfFacts("x", 64, "little", 62, program=False, version_needs=needs)
    assert facts.floor("GLIBC") == "2.28"
    assert facts.floor("GLIBCXX") is None


def test_what_is_no_elf_object_is_none_and_never_blocks(tmp_path):
    pipe, text, empty = tmp_path / "pipe", tmp_path / "libx.so", tmp_path / "empty.so"
    os.mkfifo(pipe)
    text.write_text("INPUT(-lfoo)\n")
    empty.touch()
    assert [read_elf(str(path)) for path in (pipe, text, empty, "/dev/zero")] == [None] * 4
    assert undefined_symbols(str(text)) is None
    assert definitions(str(text), ["x"]) is None
    relocatable = bytearray((FIXTURES / "x86_64" / "consumer.so").read_bytes())
    relocatable[16] = 1
    text.write_bytes(relocatable)
    assert read_elf(str(text)) is None


def test_a_file_that_cannot_be_opened_is_a_fault(tmp_path, open_tmp, unprivileged):
    assert read_elf(str(tmp_path / "gone.so")).what == "it cannot be read: No such file or directory"
    assert isinstance(read_elf("a\0b"), ElfFault)
    locked = open_tmp / "locked.so"
    shutil.copy(OBJECTS[0], locked)
    with unprivileged(locked):
        assert read_elf(str(locked)).what == "it cannot be read: Permission denied"


@pytest.mark.parametrize("name", ["consumer.so", "libprovider.so.1"])
def test_a_file_cut_anywhere_is_facts_or_a_fault(tmp_path, name):
    whole = (FIXTURES / "x86_64" / name).read_bytes()
    cut = tmp_path / "cut.so"
    outcomes = set()
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        outcomes.add(type(read_elf(str(cut))))
        assert isinstance(undefined_symbols(str(cut)), (tuple, ElfFault, type(None)))
        assert isinstance(definitions(str(cut), ["greet"]), (dict, ElfFault, type(None)))
    assert outcomes == {ElfFacts, ElfFault, type(None)}


def test_a_program_header_table_without_end_is_a_fault(tmp_path):
    lying = bytearray((FIXTURES / "x86_64" / "libplain.so").read_bytes())
    struct.pack_into("<H", lying, 56, 0xFFFF)
    path = tmp_path / "lying.so"
    path.write_bytes(lying)
    assert "65535 program headers" in read_elf(str(path)).what


def test_memory_does_not_grow_with_the_object(tmp_path):
    sparse = tmp_path / "sparse.so"
    shutil.copy(FIXTURES / "x86_64" / "libprovider.so.1", sparse)
    os.truncate(sparse, 8 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(read_elf(str(sparse)), ElfFacts)
    assert undefined_symbols(str(sparse)) == ()
    assert definitions(str(sparse), ["greet"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # KiB


def test_an_object_of_more_than_a_gigabyte_is_read_in_a_few_pages(tmp_path, monkeypatch):
    """As `libtorch_cuda.so` is: its tables lie far behind one another, with code between them."""
    original = FIXTURES / "x86_64" / "libprovider.so.1"
    content, hole = bytearray(original.read_bytes()), 1_300_000_000
    whole = bytes(content)
    phoff, shoff = struct.unpack_from("<QQ", content, 32)
    struct.pack_into("<Q", content, 40, shoff + hole)
    for number in range(struct.unpack_from("<H", content, 56)[0]):
        at = phoff + 56 * number + 8
        struct.pack_into("<Q", content, at, struct.unpack_from("<Q", content, at)[0] + hole)
    large = tmp_path / "libtorch_cuda.so"
    with large.open("wb") as file:
        file.write(content)
        file.seek(hole)
        file.write(whole)
    sizes = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *what: (sizes.append(what[1]), pread(*what))[1])
    facts = read_elf(str(large))
    assert facts == replace(read_elf(str(original)), path=str(large))
    assert facts.soname == "libprovider.so.1"
    assert sum(sizes) < 64 << 10
    assert len(definitions(str(large), ["greet"])["greet"]) == len(definitions(str(original), ["greet"])["greet"])


def test_a_damaged_file_is_facts_or_a_fault_or_none():
    contents = [Path(path).read_bytes() for path in OBJECTS]
    in_memory = os.memfd_create("damaged")
    damaged = f"/proc/self/fd/{in_memory}"
    kinds = set()
    for number in range(FUZZ):
        draw = random.Random(number)  # noqa: S311 -- damage that is the same each time, no secret
        content = damage(draw, draw.choice(contents))
        os.ftruncate(in_memory, len(content))
        os.pwrite(in_memory, content, 0)
        kinds.add(type(read_elf(damaged)))
        assert isinstance(undefined_symbols(damaged), (tuple, ElfFault, type(None))), number
        assert isinstance(definitions(damaged, ["greet", "plain"]), (dict, ElfFault, type(None))), number
    os.close(in_memory)
    assert kinds >= {ElfFacts, ElfFault}


def damage(draw, content):
    """A few bytes of an object overwritten, most of them in its headers and tables, and sometimes its end cut off."""
    changed = bytearray(content)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(draw.choice((64, 1024, len(changed))))
        patch = draw.choice((b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f", draw.randbytes(draw.randrange(1, 9))))
        changed[at : at + len(patch)] = patch
    return changed[: draw.randrange(len(changed))] if draw.random() < 0.1 else changed
