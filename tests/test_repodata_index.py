"""The index of a `repodata.json`: right for every layout of the text, and never trusted for another content."""

import json
import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import repodata_index
from planner.cache import Cache
from planner.channels import _records_by_rattler, open_channels, records_of
from planner.model.solve import Repodata
from planner.repodata_index import open_index
from planner.repodata_records import plain_records
from tests.bench.channel import Channel


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("channel")
    Channel(20_000).write(folder)
    return folder


@pytest.fixture
def later(monkeypatch):
    """As if the files had been written some time ago: what changes from now on shows."""
    now = time.time_ns()
    monkeypatch.setattr(repodata_index.time, "time_ns", lambda: now + 10**11)


@pytest.fixture
def decoded(monkeypatch):
    """How many files have been decoded."""
    seen = []
    places = repodata_index._places
    monkeypatch.setattr(repodata_index, "_places", lambda file, size: (seen.append(file.name), places(file, size))[1])
    return seen


def members(path):
    document = json.loads(Path(path).read_bytes())
    return {kind: document.get(kind, {}) for kind in ("packages", "packages.conda")}


def by_index(index, names):
    found = {"packages": {}, "packages.conda": {}}
    for run in index.read(names):
        for fn, record in run.members().items():
            found["packages.conda" if run.conda else "packages"][fn] = msgspec.json.decode(record)
    return found


def document(index, names):
    return json.loads(b"".join(index.document(index.read(names))))


@pytest.mark.parametrize("subdir", ["linux-64", "noarch"])
def test_every_record_is_found_by_its_name(channel, subdir):
    path = channel / subdir / "repodata.json"
    index = open_index(str(path))
    whole = members(path)
    names = {record["name"] for kind in whole.values() for record in kind.values()}
    assert by_index(index, names) == whole
    cut = document(index, names)
    assert (cut["info"], cut["packages.conda"]) == ({"subdir": subdir}, whole["packages.conda"])
    assert list(cut["packages.conda"]) == list(whole["packages.conda"])
    for name in sorted(names)[::40]:
        assert {record["name"] for kind in by_index(index, [name]).values() for record in kind.values()} == {name}


def test_real_channels_are_found_record_for_record(real_data):
    for path in sorted((real_data / "channels").rglob("repodata.json")):
        whole = members(path)
        names = {record["name"] for kind in whole.values() for record in kind.values()}
        assert by_index(open_index(str(path)), names) == whole, path


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
files = st.builds("{}{}".format, st.text("ab-_.1", max_size=6) | texts, st.sampled_from([".conda", ".tar.bz2"]))
records = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "a-b", "C"])},
    optional={"depends": st.lists(texts), "x": st.recursive(texts, lambda inner: st.dictionaries(texts, inner))},
)


@settings(max_examples=60)
@given(
    st.dictionaries(files, records),
    st.dictionaries(files, records),
    st.sampled_from([None, 0, 1, 3]),
    st.booleans(),
)
def test_any_layout_is_read_as_json_reads_it_or_not_at_all(tmp_path_factory, old, new, indent, ascii_only):
    path = tmp_path_factory.mktemp("any") / "repodata.json"
    text = json.dumps({"info": {}, "packages": old, "packages.conda": new}, indent=indent, ensure_ascii=ascii_only)
    path.write_text(text, encoding="utf-8")
    index = open_index(str(path))
    if all(json.dumps(fn, ensure_ascii=ascii_only) == f'"{fn}"' for fn in (*old, *new)):
        assert index.plain
    if index.plain:
        assert by_index(index, ["a", "b", "a-b", "c"]) == {"packages": old, "packages.conda": new}


@pytest.mark.usefixtures("later")
def test_a_large_file_is_decoded_once(channel, tmp_path, decoded):
    path = str(channel / "linux-64" / "repodata.json")
    first = open_index(path, Cache(str(tmp_path)))
    again = open_index(path, Cache(str(tmp_path)))
    assert again == first
    assert len(decoded) == 1


@pytest.mark.usefixtures("later")
def test_a_small_file_leaves_nothing_in_the_cache(tmp_path):
    (tmp_path / "repodata.json").write_text('{"packages": {}}')
    open_index(str(tmp_path / "repodata.json"), Cache(str(tmp_path / "cache")))
    assert not (tmp_path / "cache").exists()


def test_a_file_that_has_just_changed_is_told_by_its_content(channel, tmp_path, decoded):
    """Two writes within one tick of the clock: same size, same times, same inode, and the right answer."""
    content = (channel / "linux-64" / "repodata.json").read_bytes()
    other = content.replace(b'"name":"numpy"', b'"name":"nymph"').replace(b'"numpy-', b'"nymph-')
    path, cache = tmp_path / "repodata.json", Cache(str(tmp_path / "cache"))
    path.write_bytes(content)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    assert open_index(str(path), cache).read(["numpy"])
    path.write_bytes(other)
    os.utime(path, ns=times)
    index = open_index(str(path), cache)
    assert index.read(["nymph"])
    assert not index.read(["numpy"])
    # Content that was seen before is known again, however it came back.
    path.write_bytes(content)
    assert open_index(str(path), cache).read(["numpy"])
    assert len(decoded) == 2


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text[:-9] + b"123456789", lambda _text: b""])
@pytest.mark.usefixtures("later")
def test_a_broken_entry_is_made_anew(channel, tmp_path, damage, decoded):
    path = str(channel / "linux-64" / "repodata.json")
    whole = open_index(path, Cache(str(tmp_path)))
    for entry in (tmp_path / "entries").iterdir():
        entry.write_bytes(damage(entry.read_bytes()))
    assert open_index(path, Cache(str(tmp_path))) == whole
    assert len(decoded) == 2


@pytest.mark.usefixtures("later")
def test_an_entry_of_another_version_is_none(channel, tmp_path, decoded, monkeypatch):
    path = str(channel / "linux-64" / "repodata.json")
    with monkeypatch.context() as older:
        older.setattr(repodata_index, "_VERSION", "0")
        open_index(path, Cache(str(tmp_path)))
    open_index(path, Cache(str(tmp_path)))
    assert len(decoded) == 2


@pytest.mark.usefixtures("later")
def test_a_question_reads_a_small_part_of_a_channel(channel, tmp_path, monkeypatch):
    """A counter instead of a clock: the bytes that records of a few names take, and no more."""
    cache = Cache(str(tmp_path / "cache"))
    ask = {"cache_dir": str(tmp_path / "cache"), "cache": cache}
    open_channels([str(channel)], "linux-64", **ask)
    found = open_channels([str(channel)], "linux-64", **ask)
    read = []
    runs = repodata_index.RepodataIndex.read
    monkeypatch.setattr(
        repodata_index.RepodataIndex,
        "read",
        lambda self, names: (read.extend(runs(self, names)), runs(self, names))[1],
    )
    assert all(record.name == "numpy" for item in found for record in records_of(item, ["numpy"]))
    assert {run.name for run in read} == {"numpy"}
    assert 0 < sum(len(run.text) for run in read) < Path(found[0].path).stat().st_size / 20


# --------------------------------------------------------------------------------------------------------------------
# Records


def assert_as_rattler_reads_them(path, subdir):
    index = open_index(str(path))
    repodata = Repodata("https://conda.example/c", subdir, str(path), index.digest)
    names = dict.fromkeys([*index.places.packages, *index.places.conda])
    plain = 0
    for name in names:
        found = plain_records(index.read([name]), repodata.channel, subdir)
        by_rattler = _records_by_rattler(repodata, (name,), None)
        assert records_of(repodata, (name,)) == by_rattler
        plain += found is not None
        if found is not None:
            assert tuple(sorted(found, key=lambda record: record.fn)) == by_rattler
    return plain, len(names)


def test_records_of_real_channels_are_as_rattler_reads_them(real_data):
    for path in sorted((real_data / "channels").rglob("repodata.json")):
        plain, every = assert_as_rattler_reads_them(path, path.parent.name)
        assert plain >= 0.99 * every


def test_generated_records_are_as_rattler_reads_them(channel):
    for subdir in ("linux-64", "noarch"):
        plain, every = assert_as_rattler_reads_them(channel / subdir / "repodata.json", subdir)
        assert plain == every


@pytest.mark.parametrize(
    "odd",
    [
        {"noarch": True},
        {"noarch": False},
        {"track_features": ""},
        {"track_features": "a b"},
        {"track_features": "a, b"},
        {"track_features": ["a", "b"]},
        {"timestamp": 0},
        {"timestamp": 1_500_000_000},
        {"timestamp": -5},
        {"sha256": "AB" * 32},
        {"subdir": "noarch"},
        {"subdir": None},
        {"build": "x y"},
        {"license": "", "features": "", "python_site_packages_path": ""},
    ],
)
@pytest.mark.parametrize("fn", ["a-1-0.conda", "a-1-0.tar.bz2", "a-1!2+b_-0.conda", "a-1%20x-0.conda"])
def test_odd_records_are_as_rattler_reads_them(tmp_path, odd, fn):
    plain = {"name": "a", "version": "1", "build": "0", "build_number": 0, "subdir": "linux-64", "depends": ["b"]}
    record = {key: value for key, value in {**plain, **odd}.items() if key != "subdir" or value}
    other = {"a-1-0.tar.bz2": plain, "a-2-0.tar.bz2": {**plain, "version": "2"}}
    kind = "packages.conda" if fn.endswith(".conda") else "packages"
    document = {"info": {"subdir": "linux-64"}, "packages": other, "packages.conda": {}}
    document[kind][fn] = record
    (tmp_path / "repodata.json").write_text(json.dumps(document))
    assert_as_rattler_reads_them(tmp_path / "repodata.json", "linux-64")
