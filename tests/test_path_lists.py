"""Path lists through the cache: always what the files of conda-meta say now, and decoded only where they have to be."""

import json
import os

import pytest

from planner import conda_meta, path_lists
from planner.cache import NO_CACHE, Cache
from planner.load import load_environment, record_files
from planner.path_lists import PathLists


def write(prefix, *paths, package="tool", version="1.0", file=None):
    path = prefix / "conda-meta" / (file or f"{package}-{version}-0.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"name": package, "version": version, "build": "0", "build_number": 0, "depends": []}
    more = {"fn": f"{package}-{version}-0.conda", "files": list(paths), "link": {"type": 1}}
    path.write_text(json.dumps(record | more))
    return path


@pytest.fixture
def decoded(monkeypatch):
    """The packages whose path lists were decoded."""
    names = []
    real = conda_meta.paths

    def noted(content, record):
        names.append(record.name)
        return real(content, record)

    monkeypatch.setattr(path_lists.conda_meta, "paths", noted)
    return names


@pytest.fixture
def kept(tmp_path):
    return Cache(str(tmp_path / "cache"))


def lists(prefix, kept, *, keep=True):
    """The path list of every record, as a run would ask for them; it must be what is read without any cache."""
    found = PathLists(str(prefix), kept)
    records = load_environment("work", str(prefix)).records
    told = {record.name: found(record) for record in records}
    assert told == {record.name: record_files(str(prefix), record) for record in records}
    assert [found(record) for record in records] == list(told.values())
    if keep:
        found.keep()
    return {name: item.paths for name, item in told.items()}


@pytest.mark.usefixtures("later")
def test_a_list_is_decoded_once_for_all_runs(tmp_path, kept, decoded):
    write(tmp_path, "bin/tool", "a\\b")
    write(tmp_path, package="empty")
    expected = {"empty": (), "tool": ("a/b", "bin/tool")}
    assert lists(tmp_path, kept) == expected
    assert decoded == ["empty", "tool"]
    assert lists(tmp_path, kept) == expected
    assert decoded == ["empty", "tool"]
    assert lists(tmp_path, NO_CACHE) == expected
    assert len(decoded) == 4


@pytest.mark.usefixtures("later")
def test_a_file_that_changed_is_read_again_and_the_others_are_not(tmp_path, kept, decoded):
    path = write(tmp_path, "bin/tool")
    write(tmp_path, "bin/x", package="x")
    lists(tmp_path, kept)
    status = path.stat()
    path.write_text(path.read_text().replace("bin/tool", "bin/loot"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert lists(tmp_path, kept) == {"tool": ("bin/loot",), "x": ("bin/x",)}
    assert decoded == ["tool", "x", "tool"]
    path.unlink()
    write(tmp_path, "bin/z", package="z")
    assert lists(tmp_path, kept) == {"x": ("bin/x",), "z": ("bin/z",)}
    assert lists(tmp_path, kept) == {"x": ("bin/x",), "z": ("bin/z",)}
    assert decoded == ["tool", "x", "tool", "z"]


def test_what_changed_a_moment_ago_is_read_each_time(tmp_path, kept, decoded):
    write(tmp_path, "bin/tool")
    for _ in range(2):
        assert lists(tmp_path, kept) == {"tool": ("bin/tool",)}
    assert decoded == ["tool", "tool"]


@pytest.mark.usefixtures("later")
def test_another_build_in_the_same_file_is_another_list(tmp_path, kept):
    write(tmp_path, "bin/tool")
    lists(tmp_path, kept)
    (record,) = load_environment("work", str(tmp_path)).records
    other = type(record)("tool", "2.0", "0", fn="tool-1.0-0.conda")
    assert not PathLists(str(tmp_path), kept)(other).known


@pytest.mark.usefixtures("later")
def test_a_record_that_lies_under_another_name_or_is_cut_is_found_as_without_a_cache(tmp_path, kept):
    write(tmp_path, "bin/tool", file="tool-renamed.json")
    assert lists(tmp_path, kept) == {"tool": ("bin/tool",)}
    path = write(tmp_path, "bin/other", package="cut")
    lists(tmp_path, kept)
    (cut, _) = load_environment("work", str(tmp_path)).records
    path.write_text(path.read_text()[:-9])
    assert not PathLists(str(tmp_path), kept)(cut).known


@pytest.mark.parametrize("damage", [lambda _: b"", lambda old: old[:-3], lambda old: old[:-3] + b"abc"])
@pytest.mark.usefixtures("later")
def test_a_broken_entry_is_as_good_as_none(tmp_path, kept, decoded, damage):
    write(tmp_path, "bin/tool")
    lists(tmp_path, kept)
    (entry,) = [path for path in (tmp_path / "cache" / "entries").iterdir() if path.name.startswith("path-lists")]
    entry.write_bytes(damage(entry.read_bytes()))
    assert lists(tmp_path, kept) == {"tool": ("bin/tool",)}
    assert decoded == ["tool", "tool"]


@pytest.mark.usefixtures("later")
def test_an_entry_of_another_content_is_as_good_as_none(tmp_path, kept):
    write(tmp_path, "bin/tool")
    lists(tmp_path, kept)
    found = PathLists(str(tmp_path), kept)
    for content in (b"\x93", b"\x81\xa1x\x01", b"\x80"):
        kept.put(path_lists._KIND, found._version, found._key, content)
        assert lists(tmp_path, kept) == {"tool": ("bin/tool",)}
