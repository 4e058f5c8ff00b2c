"""What processes do ahead only fills the cache: with them, without them, and when they die, the answers are the same."""

import json
import os
import time

import pytest

from planner import ahead, conda_meta_folder, repodata_index
from planner.cache import NO_CACHE, Cache
from planner.load import load_installation
from planner.repodata_index import open_index


@pytest.fixture
def kept(tmp_path):
    return Cache(str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    monkeypatch.setattr(ahead, "_LARGE", 0)
    monkeypatch.setattr(ahead, "_MANY", 1)


@pytest.fixture(scope="module")
def repodata(tmp_path_factory):
    """Two files just large enough for their indexes to be kept, the smaller one first."""
    paths = []
    for subdir, count in (("noarch", 24_000), ("linux-64", 25_000)):
        path = tmp_path_factory.mktemp(subdir) / "repodata.json"
        packages = {
            f"p{number}-1-0.conda": {"name": f"p{number}", "version": "1", "build": "0", "depends": ["p0"] * 20}
            for number in range(count)
        }
        path.write_text(json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}))
        assert path.stat().st_size > repodata_index._WORTH_KEEPING
        paths.append(str(path))
    return tuple(paths)


@pytest.fixture(scope="module")
def prefixes(tmp_path_factory):
    """Environments of which the last change is long enough ago to be kept."""
    top = tmp_path_factory.mktemp("installation")
    made = []
    for number in range(9):
        prefix = top / "envs" / f"e{number}" if number else top
        (prefix / "conda-meta").mkdir(parents=True)
        for name in ("python", "tool"):
            record = {"name": name, "version": f"3.{number}", "build": "0", "channel": "c", "subdir": "linux-64"}
            (prefix / "conda-meta" / f"{name}-3.{number}-0.json").write_text(json.dumps(record))
        made.append((prefix.name, str(prefix)))
    time.sleep(3.1)  # a tick of the coarsest clock: the process has no other one than the machine's
    return made


@pytest.fixture
def none_made(monkeypatch):
    """From now on whatever the cache lacks is a fault."""

    def forbid():
        def made(*_):
            raise AssertionError("this should have been in the cache")

        monkeypatch.setattr(repodata_index, "_places", made)
        monkeypatch.setattr(conda_meta_folder, "read_file", made)

    return forbid


def test_indexes_are_there_when_the_process_is_done(kept, repodata, none_made, monkeypatch):
    plain = [open_index(path) for path in repodata]
    here = []
    monkeypatch.setattr(ahead, "open_index", lambda path, kept: (here.append(path), open_index(path, kept)))
    ahead.make_indexes(kept, [*repodata, repodata[1]])
    assert here == [repodata[0]]
    none_made()
    assert [open_index(path, kept) for path in repodata] == plain
    assert plain[1].places.conda["p24999"]


def test_environments_are_read_from_the_other_end(kept, prefixes, none_made):
    root = prefixes[0][1]
    plain = load_installation(root, prefixes)
    folders = [prefix for _, prefix in prefixes]
    ahead.environments(kept, folders).wait()
    assert all(conda_meta_folder.is_kept(prefix, kept) for prefix in folders)
    none_made()
    assert load_installation(root, prefixes, kept=kept) == plain


def test_a_process_leaves_what_somebody_else_has_read(kept, prefixes, monkeypatch):
    monkeypatch.setattr(ahead, "Cache", lambda _: kept)
    read = []
    monkeypatch.setattr(ahead, "read_folder", lambda prefix, _: read.append(prefix))
    conda_meta_folder.read_folder(prefixes[3][1], kept)
    ahead.read("", *[prefix for _, prefix in prefixes[2:5]])
    assert read == [prefixes[2][1], prefixes[4][1]]


@pytest.mark.parametrize("after", [0, 0.05, 0.15])
def test_a_process_that_is_killed_changes_no_answer(kept, prefixes, repodata, after):
    folders = [prefix for _, prefix in prefixes]
    processes = [ahead.Ahead("index", kept, repodata), ahead.environments(kept, folders)]
    time.sleep(after)
    for process in processes:
        process._process.kill()
        process.wait()
    assert load_installation(folders[0], prefixes, kept=kept) == load_installation(folders[0], prefixes)
    for path in repodata:
        assert open_index(path, kept) == open_index(path)


def test_what_cannot_be_read_is_left_to_who_asks(kept, tmp_path):
    broken = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in broken:
        path.write_text("{" * repodata_index._WORTH_KEEPING)
    ahead.make_indexes(kept, [*map(str, broken), str(tmp_path / "nowhere")])
    for path in broken:
        assert not open_index(str(path), kept).plain


def test_nothing_is_started_for_nothing(kept, repodata, prefixes, tmp_path, monkeypatch):
    folders = [prefix for _, prefix in prefixes]
    fresh = Cache(os.path.join(str(kept.folder), "other"))
    for prefix in folders:
        conda_meta_folder.read_folder(prefix, kept)
    monkeypatch.setattr(ahead, "_started", lambda *_: pytest.fail("a process was started"))
    monkeypatch.setattr(ahead, "open_index", lambda *_: pytest.fail("an index was made that nobody keeps"))

    def ask(kept, paths=repodata):
        ahead.make_indexes(kept, paths)
        ahead.environments(kept, folders)

    ask(NO_CACHE)
    (tmp_path / "file").write_text("where the folder should be")
    ask(Cache(str(tmp_path / "file")))
    ask(kept, repodata[:1])
    with monkeypatch.context() as one:
        one.setattr(ahead, "_processors", lambda: 1)
        ask(fresh)
    with monkeypatch.context() as small:
        small.setattr(ahead, "_LARGE", 1 << 40)
        small.setattr(ahead, "_MANY", len(folders) + 1)
        ask(fresh)


def test_no_module_of_the_users_folder_is_imported(kept, repodata, tmp_path, monkeypatch):
    """What lies where the user is may be anybody's, a `planner` or a `msgspec.py` among it."""
    for name in ("planner.py", "msgspec.py", "sitecustomize.py", "json.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nraise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ahead.Ahead("index", kept, repodata[:1]).wait()
    assert not (tmp_path / "imported").exists()
    assert list((tmp_path / "cache" / "entries").iterdir())
