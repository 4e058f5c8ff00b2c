"""The conda-meta of a prefix through the cache: always what lies there now, and read only where it has to be."""

import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from planner import cache, conda_meta, conda_meta_folder, files
from planner.cache import NO_CACHE, Cache
from planner.conda_meta_folder import read_folder
from planner.load import load_environment

RECORD = {
    "build": "h0_0",
    "build_number": 0,
    "channel": "https://conda.example/forge/linux-64",
    "constrains": ["x <2"],
    "depends": ["python >=3.10", "y"],
    "files": ["bin/tool", "lib/python3.10/site-packages/tool-1.0.dist-info/METADATA"],
    "fn": "tool-1.0-h0_0.conda",
    "link": {"source": "/opt/conda/pkgs/tool-1.0-h0_0", "type": 1},
    "md5": "0" * 32,
    "name": "tool",
    "paths_data": {
        "paths": [{"_path": "bin/tool", "path_type": "hardlink", "sha256": "1" * 64, "size_in_bytes": 12}],
        "paths_version": 1,
    },
    "requested_spec": "tool",
    "sha256": "2" * 64,
    "size": 1234,
    "subdir": "linux-64",
    "timestamp": 1600000000000,
    "url": "https://conda.example/forge/linux-64/tool-1.0-h0_0.conda",
    "version": "1.0",
}


def text(*, indent=2, **more):
    return json.dumps(RECORD | more, indent=indent, sort_keys=True)


def write(prefix, name="tool-1.0-h0_0.json", content=None):
    path = prefix / "conda-meta" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text() if content is None else content)
    return path


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that were read since it was last cleared."""
    names = []
    read = files.read_file

    def noted(path, *more):
        names.append(os.path.basename(path))
        return read(path, *more)

    monkeypatch.setattr(conda_meta_folder, "read_file", noted)
    return names


@pytest.fixture
def kept(tmp_path):
    return Cache(str(tmp_path / "cache"))


def labels(prefix, kept):
    return [file.record.label if file.record else file.wrong for file in read_folder(str(prefix), kept)]


@pytest.mark.usefixtures("later")
def test_what_has_not_changed_is_not_read_again(tmp_path, kept, opened):
    write(tmp_path)
    write(tmp_path, "other-2-0.json", text(name="other", version="2", build="0"))
    first = read_folder(str(tmp_path), kept)
    assert first == read_folder(str(tmp_path), NO_CACHE)
    assert [file.owned for file in first if file.record.name == "tool"] == [
        ("lib/python3.10/site-packages/tool-1.0.dist-info",)
    ]
    opened.clear()
    assert read_folder(str(tmp_path), kept) == first
    assert opened == []


@pytest.mark.usefixtures("later")
def test_only_what_changed_is_read_again(tmp_path, kept, opened):
    write(tmp_path)
    other = write(tmp_path, "other-2-0.json", text(name="other", version="2", build="0"))
    read_folder(str(tmp_path), kept)
    opened.clear()
    write(tmp_path, "more-1-0.json", text(name="more", version="1", build="0"))
    other.unlink()
    assert labels(tmp_path, kept) == ["more 1 0", "tool 1.0 h0_0"]
    assert opened == ["more-1-0.json"]
    opened.clear()
    assert labels(tmp_path, kept) == ["more 1 0", "tool 1.0 h0_0"]
    assert opened == []


def test_a_file_that_changed_a_moment_ago_is_read_each_time(tmp_path, kept, opened):
    path = write(tmp_path)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    for version in "1234":
        # In place, of one size, with its time put back, within one tick of the clock.
        path.write_text(text(version=f"{version}.0"))
        os.utime(path, ns=times)
        opened.clear()
        assert labels(tmp_path, kept) == [f"tool {version}.0 h0_0"]
        assert opened == [path.name]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("how", ["in place", "replaced", "a link led elsewhere"])
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, kept, how):
    path = write(tmp_path)
    if how == "a link led elsewhere":
        path.rename(tmp_path / "one")
        path.symlink_to(tmp_path / "one")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"]
    time.sleep(0.02)
    fresh = path if how == "in place" else tmp_path / "two"
    fresh.write_text(text(version="9.9"))
    os.utime(fresh, ns=times)
    if how == "replaced":
        fresh.replace(path)
    elif how != "in place":
        path.unlink()
        path.symlink_to(fresh)
    assert path.stat().st_mtime_ns == times[1]
    assert labels(tmp_path, kept) == ["tool 9.9 h0_0"]
    assert labels(tmp_path, kept) == ["tool 9.9 h0_0"]


@pytest.mark.usefixtures("later")
def test_what_is_no_record_is_told_each_time(tmp_path, kept):
    write(tmp_path)
    write(tmp_path, "cut-1-0.json", text(name="cut")[:300])
    write(tmp_path, "none-1-0.json", "{}")
    os.mkfifo(tmp_path / "conda-meta" / "pipe-1-0.json")
    (tmp_path / "conda-meta" / "gone-1-0.json").symlink_to("nowhere")
    first = labels(tmp_path, kept)
    assert first[0] == "it is cut short: its JSON ends in the middle"
    assert first[-1] == "tool 1.0 h0_0"
    assert labels(tmp_path, kept) == first == labels(tmp_path, NO_CACHE)


@pytest.mark.usefixtures("later")
def test_a_broken_foreign_or_older_entry_is_not_used(tmp_path, kept, opened, monkeypatch):
    write(tmp_path)
    read_folder(str(tmp_path), kept)
    (entry,) = (tmp_path / "cache" / "entries").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    opened.clear()
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"]
    assert opened == ["tool-1.0-h0_0.json"]
    monkeypatch.setattr(cache, "made_by", lambda *_: "of another source")
    opened.clear()
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"]
    assert opened == ["tool-1.0-h0_0.json"]
    kept.put("conda-meta", "of another source", str(tmp_path / "conda-meta"), b"\xc1 no msgpack")
    opened.clear()
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"]
    assert opened == ["tool-1.0-h0_0.json"]


def test_another_source_makes_another_version(tmp_path, monkeypatch):
    source = tmp_path / "conda_meta.py"
    source.write_bytes(Path(conda_meta.__file__).read_bytes())
    before = cache.made_by(conda_meta)
    monkeypatch.setattr(conda_meta, "__file__", str(source))
    cache.made_by.cache_clear()
    assert cache.made_by(conda_meta) == before
    source.write_bytes(source.read_bytes() + b"\n# another\n")
    cache.made_by.cache_clear()
    assert cache.made_by(conda_meta) != before
    cache.made_by.cache_clear()


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", [b"tool-\xff-0.json", b"tool\n-1-0.json"])
def test_names_that_are_no_text(tmp_path, kept, name):
    write(tmp_path)
    (tmp_path / "conda-meta" / os.fsdecode(name)).write_text(text(timestamp=10**30, size=2**70))
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"] * 2
    assert labels(tmp_path, kept) == ["tool 1.0 h0_0"] * 2


LAYOUTS = {
    "conda": text(),
    "mamba": text(indent=4),
    "compact": text(indent=None),
    "tabs": text(indent="\t"),
    "one space": text(indent=1),
    "unsorted": json.dumps(dict(reversed(RECORD.items())), indent=2),
    "no files": text(files=[], paths_data={"paths": [], "paths_version": 1}),
    "no lists": json.dumps({key: RECORD[key] for key in RECORD if key not in {"files", "paths_data"}}, indent=2),
    "an object behind": text(zebra={"paths": [1], "paths_version": 1}),
    "an object behind the size": text(sv={"paths": [1], "paths_version": 1}),
    "an object between": text(link={"files": ["a"], "fn": {"paths_version": 1}}),
    "a list between": text(files=["a"], flags=["b"]),
    "a list in files": text(files=[["a"], {"b": ["c"]}]),
    "marks in texts": text(license='"files": [\n  ],\n  "fn"', summary='\n  "paths_data": {\n'),
    "windows": text(files=["Lib\\site-packages\\tool-1.0.dist-info\\RECORD", "Lib\\site-packages\\tool.py"]),
    "egg": text(files=["lib/python3.10/site-packages/tool-1.0-py3.10.egg-info/PKG-INFO", "lib/a", "lib/b"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cutting_the_path_lists_out_changes_nothing(layout):
    content = LAYOUTS[layout].encode()
    assert same_as_decoding_all(content)


def same_as_decoding_all(content):
    bare, listed = conda_meta._parts(content)
    whole = msgspec.json.decode(content, type=conda_meta._Record)
    owned = list(dict.fromkeys(conda_meta._metadata(content)))
    in_files = [path for path in owned if not path.startswith("site-packages/")]
    return (
        msgspec.json.decode(bare, type=conda_meta._Record) == whole
        and list(dict.fromkeys(conda_meta._metadata(listed))) == in_files
    )


def test_every_layout_that_is_known_is_cut():
    for layout in ("conda", "mamba"):
        content = LAYOUTS[layout].encode()
        assert len(conda_meta._parts(content)[0]) < len(content) - 150


def test_a_record_cut_anywhere_is_no_record_or_the_same(tmp_path):
    content = text(indent=2)
    for length in range(len(content)):
        write(tmp_path, content=content[:length])
        (file,) = read_folder(str(tmp_path), NO_CACHE)
        assert file.record is None, length
        assert file.wrong


def test_every_real_record(real_data):
    cut = 0
    for path in sorted(real_data.glob("installations/**/conda-meta/*.json")):
        content = path.read_bytes()
        if path.parent.parent.name != "bad":
            assert same_as_decoding_all(content), path
            cut += len(conda_meta._parts(content)[0]) < len(content) // 2
    assert cut > 400


def real_prefixes(real_data):
    return sorted({str(path.parent) for path in real_data.glob("installations/**/conda-meta")})


@pytest.mark.usefixtures("later")
def test_every_real_environment_is_the_same_with_and_without_a_cache(real_data, kept, opened):
    for prefix in real_prefixes(real_data):
        plain = load_environment("x", prefix)
        assert load_environment("x", prefix, kept=kept) == plain
        opened.clear()
        assert load_environment("x", prefix, kept=kept) == plain
        assert opened == []


def test_a_neighbour_lacks_nothing_but_what_conda_owns(real_data):
    for prefix in real_prefixes(real_data):
        plain, neighbour = load_environment("x", prefix), load_environment("x", prefix, in_full=False)
        assert neighbour.records == plain.records
        assert neighbour.dists == plain.pip_dists
        assert neighbour.sites == plain.sites
        assert {dist.location for dist in plain.dists} <= set(neighbour.sites)
