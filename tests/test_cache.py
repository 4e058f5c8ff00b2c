"""The cache is never trusted blindly: what is not whole, not of this form or not of this file is as good as not there."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from planner import cache
from planner.cache import Cache, identity, settled

TOP = Path(__file__).parents[1]


@pytest.fixture
def kept(tmp_path):
    return Cache(str(tmp_path / "cache"))


def entries(tmp_path):
    return sorted((tmp_path / "cache" / "entries").iterdir())


def test_what_was_kept_is_there_in_the_next_run(kept, tmp_path):
    assert kept.get("things", "1", "key") is None
    assert kept.put("things", "1", "key", b"con", memoryview(b"tent"))
    assert bytes(Cache(str(tmp_path / "cache")).get("things", "1", "key")) == b"content"
    assert kept.put("things", "1", "key", b"")
    assert bytes(kept.get("things", "1", "key")) == b""


@pytest.mark.parametrize("asked", [("things", "2", "key"), ("things", "1", "other"), ("others", "1", "key")])
def test_another_version_key_or_kind_is_no_hit(kept, asked):
    kept.put("things", "1", "key", b"content")
    assert kept.get(*asked) is None


def test_that_there_is_an_entry_is_told_by_its_head(kept, tmp_path):
    assert not Cache(None).holds("things", "1", "key")
    assert not kept.holds("things", "1", "key")
    kept.put("things", "1", "key", b"x" * 100_000)
    assert kept.holds("things", "1", "key")
    assert not kept.holds("things", "2", "key")
    assert not kept.holds("things", "1", "other")
    (path,) = entries(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.holds("things", "1", "key")  # that it is cut is seen by who reads it
    path.write_bytes(path.read_bytes()[:20])
    assert not kept.holds("things", "1", "key")
    path.unlink()
    os.mkfifo(path)
    assert not kept.holds("things", "1", "key")
    path.unlink()
    path.mkdir()
    assert not kept.holds("things", "1", "key")


def test_an_entry_under_the_wrong_name_is_no_hit(kept, tmp_path):
    kept.put("things", "1", "key", b"content")
    (mine,) = entries(tmp_path)
    kept.put("things", "1", "other", b"what it says")
    (theirs,) = (path for path in entries(tmp_path) if path != mine)
    theirs.replace(mine)
    assert kept.get("things", "1", "key") is None


@pytest.mark.parametrize("content", [b"", b"x" * 1000])
def test_an_entry_cut_anywhere_is_no_hit(kept, tmp_path, content):
    kept.put("things", "1", "key", content)
    (path,) = entries(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert kept.get("things", "1", "key") is None, length
    path.write_bytes(whole + b"\0")
    assert kept.get("things", "1", "key") is None
    path.write_bytes(whole)
    assert bytes(kept.get("things", "1", "key")) == content


def test_an_entry_with_any_bit_flipped_is_no_hit(kept, tmp_path):
    kept.put("things", "1", "key", b"content")
    (path,) = entries(tmp_path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert kept.get("things", "1", "key") is None, at


def test_what_is_no_file_of_this_user_is_no_entry(kept, tmp_path):
    kept.put("things", "1", "key", b"content")
    (path,) = entries(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert kept.get("things", "1", "key") is None
    path.unlink()
    os.mkfifo(path)
    assert kept.get("things", "1", "key") is None
    path.unlink()
    path.mkdir()
    assert kept.get("things", "1", "key") is None
    assert not kept.put("things", "1", "key", b"content")
    if os.geteuid() == 0:
        path.rmdir()
        elsewhere.rename(path)
        os.chown(path, 65534, 65534)
        assert kept.get("things", "1", "key") is None


def test_a_folder_that_cannot_be_written_to_means_no_cache(tmp_path, unprivileged):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert not Cache(str(tmp_path / "cache")).put("things", "1", "key", b"content")
    assert Cache(str(tmp_path / "cache")).get("things", "1", "key") is None
    locked = tmp_path / "locked"
    locked.mkdir()
    with unprivileged(locked):
        assert not Cache(str(locked / "cache")).put("things", "1", "key", b"content")


def test_without_a_folder_nothing_is_kept(tmp_path):
    nothing = cache.open_cache(str(tmp_path / "cache"), {"PLANNER_NO_CACHE": "1"})
    assert not nothing.put("things", "1", "key", b"content")
    assert nothing.get("things", "1", "key") is None
    assert list(tmp_path.iterdir()) == []
    assert cache.open_cache(str(tmp_path / "cache"), {"PLANNER_NO_CACHE": ""}).put("things", "1", "key", b"content")


def test_a_full_disk_keeps_what_was_there(tmp_path):
    kept = Cache(str(tmp_path / "cache"))
    kept.put("things", "1", "key", b"old")
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        os._exit(kept.put("things", "1", "key", b"x" * 100_000))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bytes(kept.get("things", "1", "key")) == b"old"
    assert len(entries(tmp_path)) == 1


WRITER = """
import sys
from planner.cache import Cache
kept = Cache(sys.argv[1], limit=400_000)
mine = sys.argv[2].encode()
for number in range(300):
    kept.put("things", "1", str(number % 7), mine * 50_000)
    found = kept.get("things", "1", str((number + 3) % 7))
    assert found is None or (len(found) == 50_000 and len(set(bytes(found))) == 1), bytes(found)[:10]
"""


def test_runs_at_once_see_whole_entries_only(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "cache", letter], cwd=TOP, stderr=subprocess.PIPE)
        for letter in "abc"
    ]
    for run in runs:
        _, said = run.communicate(timeout=60)
        assert run.returncode == 0, said.decode()


def test_a_killed_run_leaves_no_entry_and_no_rubbish_for_long(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "cache", "a"], cwd=TOP)
    while not (tmp_path / "cache" / "entries").is_dir():
        time.sleep(0.001)
    run.kill()
    run.wait()
    rubbish = tmp_path / "cache" / "entries" / ".new-killed"
    rubbish.write_bytes(b"half")
    recent = tmp_path / "cache" / "entries" / ".new-running"
    recent.write_bytes(b"half")
    os.utime(rubbish, (time.time() - 7200,) * 2)
    kept = Cache(str(tmp_path / "cache"))
    for number in range(7):
        found = kept.get("things", "1", str(number))
        assert found is None or bytes(found) == b"a" * 50_000
    kept.put("things", "1", "next", b"content")
    assert not rubbish.exists()
    assert recent.exists()


def test_what_was_used_longest_ago_goes_first(tmp_path):
    kept = Cache(str(tmp_path / "cache"), limit=3500)
    for age, key in enumerate(("new", "middle", "old")):
        kept.put("things", "1", key, b"x" * 1000)
        (path,) = (path for path in entries(tmp_path) if path.stat().st_mtime > time.time() - 5000)
        os.utime(path, (time.time() - 10_000 * (age + 1),) * 2)
    assert kept.get("things", "1", "old") is not None  # by which it becomes the one used last
    kept.put("things", "1", "another", b"x" * 1000)
    assert kept.get("things", "1", "middle") is None
    assert kept.get("things", "1", "old") is not None
    assert kept.get("things", "1", "new") is not None


def test_the_whole_stays_within_its_limit(tmp_path):
    kept = Cache(str(tmp_path / "cache"), limit=100_000)
    for number in range(300):
        kept.put("things", "1", str(number), b"x" * 2000)
        assert sum(path.stat().st_size for path in entries(tmp_path)) <= 100_000 * 17 / 16 + 2100
    assert kept.get("things", "1", "299") is not None


def test_a_change_that_could_go_unnoticed_is_not_settled(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    before = path.stat()
    assert not settled(before)
    assert settled(before, before.st_ctime_ns + 4_000_000_000)
    # A content of the same size with the time put back: the time of the change and the inode tell.
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not settled(path.stat())
    fresh = tmp_path / "fresh"
    fresh.write_text("two")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)
    assert identity(path.stat()) != identity(before)
    assert not settled(path.stat())


def test_a_time_to_come_is_never_settled(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    later = time.time_ns() + 3_600_000_000_000
    os.utime(path, ns=(later, later))
    assert not settled(path.stat())


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return lambda *args: CliRunner().invoke(cli.main, list(args), catch_exceptions=False)


def test_the_command_says_how_much_is_kept_and_removes_it(run, tmp_path):
    folder = tmp_path / "home" / "conda-upgrade-planner"
    assert run("cache").output == f"{folder}: nothing is kept\n"
    Cache(str(folder)).put("things", "1", "key", b"x" * 2000)
    (folder / "repodata" / "0123").mkdir(parents=True)
    (folder / "repodata" / "0123" / "repodata.json").write_text("{}")
    (folder / "mine").write_text("of somebody else")
    said = run("cache").output
    assert said.startswith(f"{folder}: 2 kB in 2 files\n")
    assert "read of environments and channels (1 file)" in said
    assert "fetched repodata (1 file)" in said
    assert run("cache", "clear").output == f"{folder}: 2 kB in 2 files removed\n"
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert run("cache", "clear").output == f"{folder}: nothing is kept\n"


def test_clearing_follows_no_link(run, tmp_path):
    folder = tmp_path / "home" / "conda-upgrade-planner"
    folder.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    (folder / "entries").symlink_to(precious)
    (folder / "repodata").mkdir()
    (folder / "repodata" / "link").symlink_to(precious)
    assert run("cache", "clear").exit_code == 0
    assert (precious / "file").read_text() == "kept"
    assert not folder.exists()


def test_what_cannot_be_removed_is_told(run, open_tmp, monkeypatch, unprivileged):
    monkeypatch.setenv("XDG_CACHE_HOME", str(open_tmp))
    folder = open_tmp / "conda-upgrade-planner"
    Cache(str(folder)).put("things", "1", "key", b"content")
    with unprivileged(folder / "entries"):
        done = run("cache", "clear")
    assert done.exit_code == 2
    assert f"could not be removed: {folder}/entries" in done.output
