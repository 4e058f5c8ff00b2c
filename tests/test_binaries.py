"""The parts of the binary model: trees, the loader's search against the real one, packages at hand, series, system."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner.abi import archives
from planner.abi.archives import extracted, open_archives
from planner.abi.binaries import work_folder
from planner.abi.comparison import Comparison
from planner.abi.elf import ElfFacts, read_elf
from planner.abi.extensions import NumpyUse, numpy_use
from planner.abi.installed import installed_tree
from planner.abi.library_path import LibraryPath
from planner.abi.loader import Loader
from planner.abi.planned import installed_paths, planned_tree
from planner.abi.series import held_by_requirement, move
from planner.abi.system import GLIBC, System
from planner.abi.tree import Entry, Tree, kin, takes_part
from planner.facts import known_facts
from planner.model.installed import DirectUrl, Environment, PackageRecord, PipDist, RecordFiles
from planner.model.plan import PackageChange
from tests import objects

gcc = pytest.mark.skipif(objects.GCC is None, reason="there is no gcc to build with")
HERE = (62, 64, "little")


def record(name, version="1.0", build="h0_0", **more):
    return PackageRecord(name, version, build, subdir="linux-64", fn=f"{name}-{version}-{build}.conda", **more)


def tree(prefix, *found):
    return Tree(str(prefix), {entry.path: entry for entry in found})


def on_disk(prefix):
    environment = Environment("work", str(prefix), "linux-64")
    return installed_tree(environment, lambda _record: RecordFiles(()))


# --------------------------------------------------------------------------------------------------------------------
# Trees


def test_symlinks_are_followed_through_files_and_folders(tmp_path):
    outside = tmp_path / "outside.so"
    outside.touch()
    there = tree(
        "/p",
        Entry("lib/liba.so.1.2", "conda:a", "/p/lib/liba.so.1.2"),
        Entry("lib/liba.so.1", "conda:b", link="liba.so.1.2"),
        Entry("lib/liba.so", "conda:b", link="/p/lib/liba.so.1"),
        Entry("lib64", "conda:c", link="lib"),
        Entry("lib/out.so", "conda:c", link=str(outside)),
        Entry("lib/round.so", "conda:c", link="round.so"),
        Entry("lib/broken.so", "conda:c", link="nothing.so"),
    )
    assert there.final("lib/liba.so").owner == "conda:a"
    assert there.final("lib64/liba.so").path == "lib/liba.so.1.2"
    assert there.final("/p/lib/liba.so").path == "lib/liba.so.1.2"
    assert there.final("lib/out.so").path == str(outside)
    assert there.final("lib/round.so") is None
    assert there.final("lib/broken.so") is None
    assert there.final("../elsewhere.so") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "lib/python3.10/site-packages/a/_x.cpython-310-x86_64-linux-gnu.so",
            "lib/python3.13t/site-packages/a/_x.cpython-313t-x86_64-linux-gnu.so",
        ),
        ("lib/python3.10/site-packages/a/_x.abi3.so", "lib/python3.12/site-packages/a/_x.abi3.so"),
        ("lib/libfoo.so.1.2.3", "lib/libfoo.so.2"),
        ("lib/libfoo-1.2.so", "lib/libfoo-1.3.so"),
    ],
)
def test_an_upgrade_keeps_kin(old, new):
    assert kin(old) == kin(new)
    assert kin(old) != kin("lib/libother.so")


def test_what_takes_part_in_linking():
    assert takes_part("lib/libfoo.so.1")
    assert takes_part("bin/tool")
    assert takes_part("nvvm/bin/cicc")
    assert not takes_part("lib/libfoo.a")
    assert not takes_part("share/binary/readme")
    assert not takes_part("lib/python3.11/x.sox")


def test_the_installed_tree_is_what_lies_there_without_other_environments(tmp_path):
    for path in ("lib/liba.so.1", "bin/tool", "envs/other/lib/libb.so", "pkgs/c/lib/libc.so", "sub/env/lib/libd.so"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "sub/env/conda-meta").mkdir()
    (tmp_path / "lib/liba.so").symlink_to("liba.so.1")
    (tmp_path / "lib64").symlink_to("lib")
    found = on_disk(tmp_path)
    assert sorted(found.entries) == ["bin/tool", "lib/liba.so", "lib/liba.so.1", "lib64"]
    assert found.entries["lib/liba.so"].link == "liba.so.1"
    assert found.entries["bin/tool"].owner == "file:bin/tool"


# --------------------------------------------------------------------------------------------------------------------
# The loader


def test_the_modules_of_an_editable_distribution_lie_in_its_source_folder(tmp_path):
    prefix, source = tmp_path / "env", tmp_path / "src dir"
    for path in ("pkg/_x.cpython-311-x86_64-linux-gnu.so", "pkg/x.py", ".git/hook.so", "a/b/c/d/e/deep.so"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).touch()
    prefix.mkdir()
    dist = PipDist(
        "edited",
        "1.0",
        "edited",
        "lib/python3.11/site-packages",
        "lib/python3.11/site-packages/edited-1.0.dist-info",
        python="3.11",
        direct_url=DirectUrl(source.as_uri(), editable=True, kind="dir"),
    )
    found = installed_tree(Environment("work", str(prefix), "linux-64", dists=(dist,)), lambda _record: RecordFiles(()))
    path = str(source / "pkg/_x.cpython-311-x86_64-linux-gnu.so")
    assert {entry.path: entry.owner for entry in found.entries.values()} == {path: "pip:edited"}
    assert found.final(path).owner == "pip:edited"
    plain = replace(dist, direct_url=DirectUrl(source.as_uri(), kind="dir"))
    assert not installed_tree(
        Environment("work", str(prefix), "linux-64", dists=(plain,)), lambda _record: RecordFiles(())
    ).entries


@gcc
@pytest.mark.parametrize(("planned", "broken"), [("3.11", ["import"]), ("3.12", [])])
def test_an_editable_module_loses_the_library_that_leaves_the_prefix(tmp_path, planned, broken):
    prefix, source = tmp_path / "env", tmp_path / "src"
    module = source / "edited.cpython-311-x86_64-linux-gnu.so"
    table = objects.ObjectTable(needs={"libfoo.so.1": ("foo",)}, rpath=str(prefix / "lib"))
    objects.write(table, module)
    objects.write(objects.ObjectTable(gives=("foo",)), prefix / "lib/libfoo.so.1")
    mine = Entry(str(module), "pip:edited", str(module))
    library = Entry("lib/libfoo.so.1", "conda:foo", str(prefix / "lib/libfoo.so.1"))
    before, after = tree(prefix, mine, library), tree(prefix, mine)
    found = Comparison(Loader(before, None), Loader(after, None), minor=planned, glibc=None).breaks()
    assert [item.effect for item in found] == broken
    assert all(item.subject == "pip:edited" and item.wanted == "libfoo.so.1" for item in found)
    same = Comparison(Loader(before, None), Loader(before, None), minor=planned, glibc=None)
    assert not same.breaks()


def build(prefix, **files):
    for path, table in files.items():
        objects.write(objects.ObjectTable(**table), prefix / path.replace("__", "/").replace("_so", ".so"))


def resolved(prefix, program, library_path=()):
    """What our loader finds for a program, by name."""
    loader = Loader(on_disk(prefix), System(), LibraryPath(tuple(library_path)))
    process = loader.program(program)
    names = {name: loader.tree.absolute(process.objects[place].found) for name, place in process.names}
    return names, {lack.name for lack in process.lacks}


def by_the_real_one(program, **variables):
    """What the machine's own loader finds, by name, without running the program."""
    facts = read_elf(str(program))
    assert isinstance(facts, ElfFacts)
    listed = subprocess.run(
        [facts.interpreter, program],
        capture_output=True,
        text=True,
        env={**variables, "LD_TRACE_LOADED_OBJECTS": "1"},
        check=False,
    ).stdout
    found, missing = {}, set()
    for line in listed.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if rest == "not found":
            missing.add(name)
        elif arrow:
            found[name] = os.path.normpath(rest.rpartition(" (")[0])
    return found, missing


@gcc
@pytest.mark.skipif(sys.platform != "linux", reason="asks the loader of glibc")
@pytest.mark.parametrize("tags", ["rpath", "runpath"])
@pytest.mark.parametrize("where", ["", "other"])
def test_the_search_is_the_real_loader_s(tmp_path, tags, where):
    # A program with a search path needs a library that has none and needs another; RPATH is inherited, RUNPATH is not.
    inner = {"gives": ("inner",)}
    middle = {"gives": ("middle",), "needs": {"libinner.so": ("inner",)}}
    tool = {"needs": {"libmiddle.so": ("middle",), "libc.so.6": ()}, tags: "$ORIGIN/../lib"}
    build(tmp_path, lib__libmiddle_so=middle, lib__libinner_so=inner, bin__tool=tool, other__libinner_so=inner)
    variables = {"LD_LIBRARY_PATH": str(tmp_path / where)} if where else {}
    ours, lacking = resolved(tmp_path, "bin/tool", tuple(variables.values()))
    theirs, missing = by_the_real_one(tmp_path / "bin" / "tool", **variables)
    assert lacking == missing
    assert {name: ours[name] for name in theirs if name.startswith(("libm", "libi"))} == {
        name: path for name, path in theirs.items() if name.startswith(("libm", "libi"))
    }
    assert missing == ({"libinner.so"} if tags == "runpath" and not where else set())


@gcc
def test_a_library_is_found_by_file_name_and_known_by_soname(tmp_path):
    # As auditwheel leaves them: the copy has a name of its own, and the SONAME of the original.
    copy = {"gives": ("run",), "soname": "libcudart.so.13"}
    user = {"gives": ("use",), "needs": {"libcudart.so.13": ("run",)}}
    tool = {"needs": {"libcudart.faf08d9a.so.13": (), "libuser.so": ()}, "rpath": "$ORIGIN/../lib"}
    for path, table in {"lib/libcudart.faf08d9a.so.13": copy, "lib/libuser.so": user, "bin/tool": tool}.items():
        objects.write(objects.ObjectTable(**table), tmp_path / path)
    ours, lacking = resolved(tmp_path, "bin/tool")
    assert not lacking
    assert ours["libcudart.so.13"] == str(tmp_path / "lib/libcudart.faf08d9a.so.13")


@gcc
def test_an_object_for_another_machine_is_passed_over(tmp_path):
    build(tmp_path, bin__tool={"needs": {"libplain.so": ()}, "rpath": "$ORIGIN/../wrong:$ORIGIN/../lib"})
    for folder, kind in (("wrong", "s390x"), ("lib", "x86_64")):
        (tmp_path / folder).mkdir()
        shutil.copy(Path(objects.__file__).parents[1] / "fixtures/elf" / kind / "libplain.so", tmp_path / folder)
    ours, lacking = resolved(tmp_path, "bin/tool")
    assert not lacking
    assert ours["libplain.so"] == str(tmp_path / "lib/libplain.so")


@gcc
def test_the_real_python_and_its_modules_load():
    prefix = Path(sys.base_prefix)
    loader = Loader(on_disk(prefix), System())
    modules = sorted(path for path in loader.tree.entries if "lib-dynload" in path and path.endswith(".so"))
    lacks = {lack.name for path in modules for lack in loader.module(path).lacks}
    assert modules
    assert not lacks


def test_the_system_s_libraries_are_found_by_its_cache_and_its_folders(tmp_path):
    assert System().find("libc.so.6", HERE)
    assert System(cache="/nonexistent").find("libc.so.6", HERE) is None or os.path.isdir("/lib64")
    assert System().find("libno_such_thing.so.1", HERE) is None
    assert System().find("libc.so.6", (22, 64, "big")) is None
    garbage = tmp_path / "ld.so.cache"
    for content in (
        b"",
        b"glibc-ld.so.cache1.1",
        b"glibc-ld.so.cache1.1" + b"\xff" * 200,
        b"ld.so-1.7.0\0" + b"\xff" * 40,
    ):
        garbage.write_bytes(content)
        assert System(cache=str(garbage), folders=()).find("libc.so.6", HERE) is None
    assert "libc.so.6" in GLIBC


# --------------------------------------------------------------------------------------------------------------------
# Packages


def package(folder, item, paths, content=None):
    (folder / "info").mkdir(parents=True)
    index = {"name": item.name, "version": item.version, "build": item.build, "subdir": "linux-64"}
    (folder / "info/index.json").write_text(json.dumps(index))
    (folder / "info/paths.json").write_text(json.dumps({"paths_version": 1, "paths": paths}))
    for path, text in (content or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_an_extracted_package_is_taken_only_for_what_it_says_it_is(tmp_path):
    item = record("foo")
    paths = [{"_path": "lib/libfoo.so.1", "path_type": "hardlink"}, {"_path": "../../etc/x.so"}, {"_path": "/etc/x.so"}]
    folder = package(tmp_path / "foo-1.0-h0_0", item, paths, {"lib/libfoo.so.1": ""})
    found = extracted(item, [str(tmp_path)])
    assert [file.path for file in found.files] == ["lib/libfoo.so.1"]
    assert found.files[0].source == str(folder / "lib/libfoo.so.1")
    assert extracted(record("foo", sha256="a" * 64), [str(tmp_path)]) is not None
    (folder / "info/repodata_record.json").write_text(json.dumps({"sha256": "b" * 64}))
    assert extracted(record("foo", sha256="a" * 64), [str(tmp_path)]) is None
    (folder / "info/index.json").write_text('{"name": "foo", "version": "2", "build": "h0_0"}')
    assert extracted(item, [str(tmp_path)]) is None
    for wrong in ("", "[]", "{", '{"paths": 1}', "\xff"):
        (folder / "info/paths.json").write_text(wrong)
        assert extracted(item, [str(tmp_path)]) is None


def packed(folder, item, tmp_path):
    """A real .conda file, made by the standard library and zstandard."""
    import io
    import tarfile
    import zipfile

    import zstandard

    def tarred(*names):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name in names:
                tar.add(folder / name, arcname=name)
        return zstandard.ZstdCompressor().compress(buffer.getvalue())

    path = tmp_path / item.fn
    rest = [entry.name for entry in folder.iterdir() if entry.name != "info"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{item.dist_name}.tar.zst", tarred(*rest))
        archive.writestr(f"info-{item.dist_name}.tar.zst", tarred("info"))
    return str(path)


def test_an_archive_is_unpacked_below_the_cache_and_gone_afterwards(tmp_path):
    item = record("foo")
    paths = [
        {"_path": "lib/libfoo.so.1", "path_type": "hardlink"},
        {"_path": "lib/libfoo.so", "path_type": "softlink"},
    ]
    folder = package(tmp_path / "made", item, paths, {"lib/libfoo.so.1": "x"})
    (folder / "lib/libfoo.so").symlink_to("libfoo.so.1")
    path = packed(folder, item, tmp_path)
    cache = tmp_path / "cache"
    with work_folder(str(cache)) as work:
        found = open_archives([(item, path)], work)["foo"]
        assert [(file.path, file.link) for file in found.files] == [
            ("lib/libfoo.so.1", None),
            ("lib/libfoo.so", "libfoo.so.1"),
        ]
        assert found.opened
        assert found.files[0].source.startswith(str(cache))
        assert Path(found.files[0].source).read_text() == "x"
    assert not list(cache.iterdir())
    assert archives.archive(item, [str(tmp_path)]) == path
    assert archives.archive(record("foo", size=1), [str(tmp_path)]) is None


def test_an_archive_of_plain_files_is_only_listed(tmp_path):
    item = record("words")
    folder = package(tmp_path / "made", item, [{"_path": "share/words"}], {"share/words": "x"})
    path = packed(folder, item, tmp_path)
    with work_folder(str(tmp_path / "cache")) as work:
        assert [file.path for file in open_archives([(item, path)], work)["words"].files] == ["share/words"]
    assert not (tmp_path / "cache").exists()


def test_a_damaged_archive_is_left_out(tmp_path):
    damaged = tmp_path / "foo-1.0-h0_0.conda"
    damaged.write_bytes(b"PK\x03\x04 no archive")
    with work_folder(str(tmp_path / "cache")) as work:
        assert open_archives([(record("foo"), str(damaged))], work) == {}


def test_noarch_packages_are_laid_out_for_the_planned_python():
    found = archives.Contents(
        tuple(archives.PackagedFile(path) for path in ("site-packages/a/_x.abi3.so", "python-scripts/a", "etc/a")),
        "",
        opened=True,
    )
    item = record("a", noarch="python")
    assert installed_paths(found, item, "lib/python3.11/site-packages") == (
        "bin/a",
        "etc/a",
        "lib/python3.11/site-packages/a/_x.abi3.so",
    )
    assert installed_paths(found, item, None) == ("bin/a", "etc/a")


def test_the_planned_tree_takes_away_and_brings_and_says_what_it_does_not_know():
    before = tree(
        "/p",
        Entry("lib/liba.so.1", "conda:a", "/p/lib/liba.so.1"),
        Entry("lib/libb.so.1", "conda:b", "/p/lib/libb.so.1"),
        Entry("lib/libmine.so", "file:lib/libmine.so", "/p/lib/libmine.so"),
    )
    paths = {"a": ("lib/liba.so.1",), "b": ("lib/libb.so.1",)}
    changes = [
        PackageChange("a", "upgrade", record("a"), record("a", "2.0")),
        PackageChange("b", "upgrade", record("b"), record("b", "2.0")),
        PackageChange("c", "install", None, record("c", noarch="generic")),
    ]
    brought = {"a": archives.Contents((archives.PackagedFile("lib/liba.so.2", "/c/lib/liba.so.2"),), "", opened=True)}
    listed = lambda item: RecordFiles(paths[item.name])  # noqa: E731
    after = planned_tree(before, changes, listed, brought, None, lambda _: None)
    assert sorted(after.entries) == ["lib/liba.so.2", "lib/libmine.so"]
    assert (after.incomplete, after.doubtful) == ({"conda:b"}, {"lib/libb.so.1"})
    # What is written of both versions may say that the files come again, with other bytes, or that they go.
    again = planned_tree(before, changes, listed, brought, None, lambda change: change.name == "b")
    assert (again.entries["lib/libb.so.1"].source, again.incomplete) == (None, set())
    left = planned_tree(before, changes, listed, brought, None, lambda _: False)
    assert sorted(left.entries) == ["lib/liba.so.2", "lib/libmine.so"]
    assert (left.incomplete, left.doubtful) == (set(), set())


# --------------------------------------------------------------------------------------------------------------------
# numpy, series


@gcc
@pytest.mark.parametrize(
    ("numpy", "use"), [("1", NumpyUse(1)), ("2.0", NumpyUse(2, "2.0")), ("2.1", NumpyUse(2, "2.1")), (None, None)]
)
def test_what_a_module_says_of_numpy(tmp_path, numpy, use):
    path = tmp_path / "site-packages" / "x.so"
    objects.write(objects.ObjectTable(numpy=numpy), path)
    assert numpy_use(str(path)) == use


def test_a_mark_on_the_border_of_two_chunks_is_found(tmp_path):
    path = tmp_path / "x.so"
    words = b"_ARRAY_API\0numpy._core._multiarray_umath\0(NumPy 2.1)"
    for before in ((1 << 20) - 20, (1 << 20) - 5, (1 << 20) + 3):
        path.write_bytes(b"\0" * before + words)
        numpy_use.cache_clear()
        assert numpy_use(str(path)) == NumpyUse(2, "2.1")
    assert numpy_use(str(tmp_path / "gone.so")) is None


def test_every_series_names_a_source_and_a_day():
    table = known_facts().series
    assert len(table) > 50
    assert all(series.source and series.checked.year >= 2026 for series in table)
    keys = [(series.package, series.below) for series in table]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "old", "new", "fate"),
    [
        ("openssl", "3.0.15", "3.3.1", "stays"),
        ("openssl", "3.3.1", "3.0.15", "unknown"),
        ("openssl", "1.1.1w", "3.0.0", "leaves"),
        ("openssl", "3.4.0", "4.0.0", "unknown"),
        ("openssl", "3.4.0", "1.1.1w", "unknown"),
        ("libarrow", "14.0.1", "14.0.2", "stays"),
        ("libarrow", "14.0.2", "15.0.0", "leaves"),
        ("libprotobuf", "4.25.1", "4.25.2", "leaves"),
        ("libstdcxx-ng", "12.2.0", "14.1.0", "stays"),
        ("libstdcxx-ng", "14.1.0", "12.2.0", "unknown"),
        ("hdf5", "1.14.3", "1.14.4", "unknown"),
        ("hdf5", "2.0.0", "2.1.0", "stays"),
    ],
)
def test_what_becomes_of_a_series(name, old, new, fate):
    assert move(record(name, old), record(name, new)).fate == fate


def test_a_library_that_the_table_does_not_have_has_no_series():
    assert move(record("obscure", "1"), record("obscure", "2")) is None


@pytest.mark.parametrize(
    ("line", "version", "holds"),
    [
        ("foo >=1.2,<2.0a0", "1.4", True),
        ("foo >=1.2,<2.0a0", "2.1", False),
        ("foo >=1.2", "1.4", False),
        ("foo", "1.4", False),
        ("foo 1.4.*", "1.4.2", True),
        ("foo 1.4", "1.4", True),
        ("foo ==1.4", "1.4", True),
        ("foo =1.4", "1.4.7", True),
        ("other <2", "1.4", False),
    ],
)
def test_only_a_requirement_with_an_upper_bound_holds(line, version, holds):
    held, _ = held_by_requirement(record("user", depends=(line,)), record("foo", version))
    assert (held is not None) == holds


class Ranged(http.server.SimpleHTTPRequestHandler):
    """A server that answers requests for a part of a file, as those of channels do."""

    def do_GET(self):
        content = Path(self.translate_path(self.path))
        if not content.is_file():
            self.send_error(404)
            return
        whole = content.read_bytes()
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, whole, {})
            return
        start = int(asked[1]) if asked[1] else max(0, len(whole) - int(asked[2]))
        end = min(int(asked[2]), len(whole) - 1) if asked[1] and asked[2] else len(whole) - 1
        self._answer(206, whole[start : end + 1], {"Content-Range": f"bytes {start}-{end}/{len(whole)}"})

    def _answer(self, status, content, more):
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", "Content-Length": str(len(content)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args):
        pass


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Ranged, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_is_asked_for_lists_and_with_deep_for_whole_packages(tmp_path, served):
    folder, url = served
    item = record("foo")
    made = package(tmp_path / "made", item, [{"_path": "lib/libfoo.so.1"}], {"lib/libfoo.so.1": "x"})
    packed(made, item, folder)
    there, gone = replace(item, url=f"{url}/{item.fn}"), replace(record("gone"), url=f"{url}/gone.conda")
    listed = archives.list_remote([there, gone])
    assert set(listed) == {"foo"}
    assert [file.path for file in listed["foo"].files] == ["lib/libfoo.so.1"]
    assert not listed["foo"].opened
    assert listed["foo"].files[0].source is None
    with work_folder(str(tmp_path / "cache")) as work:
        fetched = archives.fetch([there, gone], work)
        assert set(fetched) == {"foo"}
        assert Path(fetched["foo"].files[0].source).read_text() == "x"
        wrong = replace(there, sha256="0" * 64, name="bar")
        assert archives.fetch([wrong], work) == {}
    assert not list((tmp_path / "cache").iterdir())


def test_a_package_that_is_linked_again_lies_where_the_planned_python_looks():
    path = "lib/python3.11/site-packages/a/_x.abi3.so"
    before = tree("/p", Entry(path, "conda:a", f"/p/{path}"), Entry("bin/a", "conda:a", "/p/bin/a"))
    same = record("a", noarch="python")
    changes = [PackageChange("a", "relink", same, same)]
    after = planned_tree(
        before, changes, lambda _: RecordFiles((path, "bin/a")), {}, "lib/python3.12/site-packages", lambda _: None
    )
    assert sorted(after.entries) == ["bin/a", "lib/python3.12/site-packages/a/_x.abi3.so"]
    assert after.entries["lib/python3.12/site-packages/a/_x.abi3.so"].source == f"/p/{path}"
    assert not after.incomplete


# --------------------------------------------------------------------------------------------------------------------
# Packages of which nobody knows the files


@gcc
def test_what_the_machine_has_is_not_taken_for_what_may_come_again(tmp_path):
    program, library = tmp_path / "bin/a", tmp_path / "lib/libm.so.6"
    objects.write(objects.ObjectTable(needs={"libm.so.6": ("cos",)}, rpath="$ORIGIN/../lib"), program)
    objects.write(objects.ObjectTable(gives=("cos",)), library)
    kept = Entry("bin/a", "conda:a", str(program))
    before = tree(tmp_path, kept, Entry("lib/libm.so.6", "conda:m", str(library)))
    after = Tree(str(tmp_path), {"bin/a": kept}, frozenset({"conda:m"}), frozenset({"lib/libm.so.6"}))
    found = Comparison(Loader(before, System()), Loader(after, System()), minor=None, glibc=None).breaks()
    assert [(item.kind, item.wanted, item.certain) for item in found] == [("library", "libm.so.6", False)]


@gcc
def test_symbols_of_a_python_that_nobody_has_seen_are_not_missed(tmp_path):
    python, module = tmp_path / "bin/python", "lib/python3.11/site-packages/a/_x.abi3.so"
    for path in (python, tmp_path / module):
        path.parent.mkdir(parents=True)
    made = {python: ("int PyLong_New(void) { return 1; } int main(void) { return 0; }", ["-rdynamic"])}
    made[tmp_path / module] = (
        "int PyLong_New(void); int PyInit_x(void) { return PyLong_New(); }",
        ["-shared", "-fPIC"],
    )
    for path, (source, options) in made.items():
        subprocess.run([objects.GCC, "-x", "c", "-", *options, "-o", path], input=source, text=True, check=True)
    kept = Entry(module, "conda:a", str(tmp_path / module))
    before = tree(tmp_path, kept, Entry("bin/python", "conda:python", str(python)))
    for owners, broken in ((frozenset({"conda:python"}), []), (frozenset(), ["PyLong_New"])):
        after = Tree(str(tmp_path), {module: kept}, owners, frozenset({"bin/python"} if owners else ()))
        found = Comparison(Loader(before, None), Loader(after, None), minor="3.11", glibc=None).breaks()
        assert [item.wanted for item in found if item.certain] == broken


def test_a_path_is_inside_however_the_prefix_is_spelled(tmp_path):
    (tmp_path / "root/lib").mkdir(parents=True)
    (tmp_path / "conda").symlink_to("root")
    for prefix, other in (("root", "conda"), ("conda", "root")):
        tree = Tree(str(tmp_path / prefix), {})
        assert tree.inside(f"{tmp_path}/{other}/lib/libfoo.so.1") == "lib/libfoo.so.1"
        assert tree.inside(f"{tmp_path}/rooted/lib/libfoo.so.1") is None
        assert tree.inside(f"{tmp_path}/lib/libfoo.so.1") is None
