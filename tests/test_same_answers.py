"""One question, one answer: with an empty cache and a filled one, on what it reaches and on the whole channels.

Every scenario, every real installation and a generated one, with every engine at hand; and with a cache that is damaged,
outdated, shared, or on a full disk. The whole plan is compared, to the last byte.
"""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from planner import ahead, cache, conda_meta_folder, repodata_index
from planner.cache import NO_CACHE, Cache
from planner.run import what_if
from planner.serialize import dumps
from planner.solve import closure
from planner.solve.closure import Closure
from rules import RULES
from tests import scenario
from tests.bench.world import World
from tests.questions import HARVESTED, about_made, about_real

TOP = Path(__file__).parents[1]


def told(question):
    """The plan as text."""
    return without_room(dumps(what_if(question, RULES)))


def without_room(text):
    """A plan without the disk's free bytes: they do change between two questions."""
    return re.sub(r"\d+ bytes free|has room for [\d,]+ MB", "room", text)


@pytest.fixture
def everything_is_kept(monkeypatch):
    """Small files are worth keeping, and files that were written just now are not going to change."""
    monkeypatch.setattr(repodata_index, "_WORTH_KEEPING", 0)
    monkeypatch.setattr(closure, "_WORTH_KEEPING", 0)
    monkeypatch.setattr(cache, "_TICK", -(1 << 62))


@pytest.fixture
def made(monkeypatch):
    """What was made of files and not taken from the cache: records, indexes, and what was cut out for a python."""
    found = []
    read, places, without = conda_meta_folder._read, repodata_index._places, Closure._without

    def noted(folder, name, *more):
        answer = read(folder, name, *more)
        if answer[0].record is not None:  # what is no record is read again each time
            found.append(name)
        return answer

    monkeypatch.setattr(conda_meta_folder, "_read", noted)
    monkeypatch.setattr(repodata_index, "_places", lambda *more: (found.append("index"), places(*more))[1])
    monkeypatch.setattr(Closure, "_without", lambda *more: (found.append("cut"), without(*more))[1])
    return found


@pytest.fixture
def same(monkeypatch, everything_is_kept, made):  # noqa: ARG001 -- it has its effect by being there
    """Ask on the whole channels without a cache, then on what the question reaches: with an empty cache, with a filled one."""

    def ask(question):
        with monkeypatch.context() as changed:
            changed.setattr(Closure.__init__, "__kwdefaults__", {"whole": True, "kept": NO_CACHE})
            whole = told(replace(question, environ={**question.environ, "PLANNER_NO_CACHE": "1"}))
        empty = told(question)
        assert made
        made.clear()
        filled = told(question)
        assert not made
        assert empty == whole
        assert filled == empty
        return whole

    return ask


@pytest.mark.parametrize("path", scenario.paths(), ids=lambda path: path.stem)
def test_every_scenario(path, asked_engine, tmp_path, same):
    same(replace(scenario.write(scenario.load(path), tmp_path), **asked_engine))


REAL = [
    ("linux-base-py39", "base", "python=3.10", "conda", ("main-2021-11",), "linux-64"),
    ("linux-base-py39", "base", "python=3.10", "mamba", ("main-2021-11",), "linux-64"),
    ("linux-base-py39", "py37", "python=3.8", "conda", ("main-2021-11",), "linux-64"),
    ("win-base-py310", "base", "python=3.11", "conda", ("main-2023-06",), "win-64"),
    ("win-torch1131", "base", "python=3.11", "conda", ("main-2023-06",), "win-64"),
    ("win-py38-pip74", "base", "python=3.11", "mamba", ("main-2023-06",), "win-64"),
    ("linux-base-py312", "base", "python=3.11", "mamba", HARVESTED, "linux-64"),
    ("linux-base-py312", "env-py39", "python=3.10", "mamba", HARVESTED, "linux-64"),
    ("linux-torch251-cu121", "base", "tqdm", "mamba", HARVESTED, "linux-64"),
]


@pytest.fixture
def real(real_data, tmp_path):
    """A question about a real installation, without an engine."""

    def make(installation, env, spec, tool, channels, subdir):
        return about_real(real_data, installation, channels, tmp_path, env=env, specs=(spec,), tool=tool, subdir=subdir)

    return make


@pytest.mark.parametrize("asked", REAL, ids=lambda asked: "-".join(asked[:4]))
def test_every_real_installation(real, asked, asked_engine, same):
    same(replace(real(*asked), **asked_engine))


def test_another_python_for_the_largest_real_installation(real, asked_engine, same):
    asked = real("linux-torch251-cu121", "base", "python=3.11", "mamba", HARVESTED, "linux-64")
    assert '"change"' in same(replace(asked, **asked_engine))


def test_no_real_installation_is_left_out(real_data):
    assert {path.name for path in (real_data / "installations").iterdir()} == {name for name, *_ in REAL}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("same"), 10_000, 3, packages=60)


@pytest.fixture
def generated(world, asked_engine, tmp_path):
    return about_made(world, tmp_path, **asked_engine)


def test_a_generated_installation(generated, same):
    assert '"change"' in same(generated)


def test_with_processes_that_read_ahead(generated, everything_is_kept, made, monkeypatch):  # noqa: ARG001
    alone = told(replace(generated, environ={"PLANNER_NO_CACHE": "1"}))
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    monkeypatch.setattr(ahead, "_LARGE", 0)
    monkeypatch.setattr(ahead, "_MANY", 1)
    made.clear()
    assert told(generated) == alone
    assert told(generated) == alone


# --------------------------------------------------------------------------------------------------------------------
# A cache that is not as it was left


@pytest.fixture
def small(tmp_path):
    """A question that is answered quickly, about files that may be changed."""
    return scenario.write(scenario.load(scenario.FOLDER / "outcomes" / "frozen.toml"), tmp_path)


def cut(entries):
    for path in entries:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(entries):
    for path in entries:
        content = bytearray(path.read_bytes())
        content[len(content) * 2 // 3] ^= 0x10
        path.write_bytes(content)


def swapped(entries):
    contents = [path.read_bytes() for path in entries]
    for path, content in zip(entries, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


def emptied(entries):
    for path in entries:
        path.write_bytes(b"")


@pytest.mark.usefixtures("everything_is_kept")
@pytest.mark.parametrize("damage", [cut, flipped, swapped, emptied], ids=lambda damage: damage.__name__)
def test_a_damaged_cache_is_made_anew(small, damage, made):
    right = told(small)
    made.clear()
    entries = sorted(Path(small.cache_dir, "entries").iterdir())
    assert len(entries) > 3
    damage(entries)
    assert told(small) == right
    assert made
    made.clear()
    assert told(small) == right
    assert not made


@pytest.mark.usefixtures("everything_is_kept")
def test_a_cache_of_another_version_is_made_anew(small, made, monkeypatch):
    """What another planner kept under the same names means something else: here, records and indexes of nothing."""
    right = told(small)
    filled = Cache(small.cache_dir)
    for path in Path(small.cache_dir, "entries").iterdir():
        content = path.read_bytes()
        head = len(cache._FORM) + cache._HEAD.size
        kind, _, key = content[head : head + cache._HEAD.unpack_from(content, len(cache._FORM))[2]].decode().split("\0")
        assert filled.put(kind, "of another planner", key, b"something else")
    made.clear()
    assert told(small) == right
    assert made
    with monkeypatch.context() as later:
        later.setattr(repodata_index, "_VERSION", "of a later planner")
        later.setattr(cache, "made_by", lambda *_: "of a later planner")
        made.clear()
        assert told(small) == right
        assert made


def changed_in_place(path, old, new):
    """Put another text of the same length there, and the time back, within one tick of the clock."""
    status, text = path.stat(), path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_a_record_that_changes_within_a_tick_is_seen(small, monkeypatch):
    monkeypatch.setattr(repodata_index, "_WORTH_KEEPING", 0)
    (path,) = Path(small.root, "envs", "work", "conda-meta").glob("python-*.json")
    for before, after in (("3.11.9", "3.11.7"), ("3.11.7", "3.11.8")):
        assert what_if(small, RULES).target.python == before
        changed_in_place(path, f'"version": "{before}"', f'"version": "{after}"')
    assert what_if(small, RULES).target.python == "3.11.8"


def test_a_channel_that_changes_within_a_tick_is_seen(small, monkeypatch):
    monkeypatch.setattr(repodata_index, "_WORTH_KEEPING", 0)
    (path,) = Path(small.cache_dir).parent.glob("channels/*/linux-64/repodata.json")
    for before, after in (("1.5.6", "1.5.7"), ("1.5.7", "1.5.8")):
        (change,) = what_if(small, RULES).changes
        assert change.after.version == before
        changed_in_place(path, before, after)
    (change,) = what_if(small, RULES).changes
    assert change.after.version == "1.5.8"


RUN = """
import pickle, sys
from planner import repodata_index
from planner.run import what_if
from planner.serialize import dumps
from rules import RULES
repodata_index._WORTH_KEEPING = 0
print(dumps(what_if(pickle.load(sys.stdin.buffer), RULES)))
"""


def test_runs_at_once_that_fill_one_cache(generated):
    right = told(replace(generated, environ={"PLANNER_NO_CACHE": "1"}))
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN], cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    for run in runs:
        run.stdin.write(pickle.dumps(generated))
        run.stdin.close()
    for run in runs:
        with run.stdout as stream:
            answer = stream.read().decode()
        assert run.wait(timeout=60) == 0
        assert without_room(answer).strip() == right.strip()
    assert told(generated) == right


FULL = """
import pickle, resource, sys
from planner import cache, discover, repodata_index
from planner.cache import Cache
from planner.load import load_installation
question, path = pickle.load(sys.stdin.buffer)
repodata_index._WORTH_KEEPING, cache._TICK = 0, -(1 << 62)
prefixes = discover.environment_prefixes(question.root)
loaded, index = load_installation(question.root, prefixes), repodata_index.open_index(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
full = Cache(question.cache_dir)
assert not full.put("things", "1", "key", b"content")
assert load_installation(question.root, prefixes, kept=full) == loaded
assert repodata_index.open_index(path, full) == index
"""


@pytest.mark.usefixtures("everything_is_kept")
def test_a_full_disk(small, made):
    """A cache that cannot be written to further than a file system without room allows: nothing is kept, all is read."""
    right = told(small)
    entries = Path(small.cache_dir, "entries")
    for path in entries.iterdir():
        path.unlink()
    made.clear()
    path = str(Path(small.mirrors[0][1], "linux-64", "repodata.json"))
    subprocess.run([sys.executable, "-c", FULL], cwd=TOP, input=pickle.dumps((small, path)), check=True, timeout=60)
    assert list(entries.iterdir()) == []
    assert told(small) == right
    assert made
