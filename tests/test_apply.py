"""Migrations carried out for real: made by rattler from real archives, filled by pip, killed, resumed and taken back."""

import base64
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from planner.apply import guard, preflight
from planner.apply.fetch import Locked, read_lock
from planner.apply.guard import Here
from planner.apply.journal import Journal
from planner.apply.lock import only_one
from planner.errors import InputError, StalePlan
from planner.model.plan import Migration
from planner.serialize import load_plan
from tests import seal as seals
from tests import small_lab as lab
from tests.seal import differences

TOP = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name != "posix", reason="planner apply works on POSIX systems alone")
FOO = f"{lab.SITE}/foo.py"
ARCHIVE = "libfoo-2.0-0.conda"
MEMORY = "/dev/shm"  # noqa: S108 -- a file system of its own, in which the tests make a folder of their own


def seal(folder, *apart):
    """Everything below a folder: kind, mode, size, time of change and content of each entry; folders without times."""
    return {path: entry for path, entry in seals.seal(str(folder)).items() if not path.startswith(apart)}


class Place:
    """An installation with the environment `train`, a channel to move it on with, and a user's home."""

    def __init__(self, top, *, python):
        self.top, self.channel, self.root, self.home = top, top / "channel", top / "root", top / "home"
        self.old, self.new = self.root / "envs" / "train", self.root / "envs" / "train-new"
        self.plan = top / "plan.json"
        self.forks, self.held = None, False
        (self.home / ".local" / "state").mkdir(parents=True)
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "XDG_CACHE_HOME": str(top / "cache"),
            "XDG_STATE_HOME": str(self.home / ".local" / "state"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": (top / "wheels").as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
        }
        for version in ("1.0", "2.0"):
            lab.package(self.channel, "libfoo", version, {"lib/foo.txt": version, "lib/big.txt": version * 100_000})
        needs = ("libfoo",)
        if python:
            lab.python_packages(self.channel)
            info = f"{lab.SITE}/foo-1.0.dist-info"
            texts = {"METADATA": "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n", "top_level.txt": "foo\n"}
            files = {FOO: "X = 1\n"} | {f"{info}/{name}": text for name, text in texts.items()}
            lab.package(self.channel, "foo", "1.0", files, depends=("python", *needs))
        else:
            lab.package(self.channel, "foo", "1.0", {"share/foo": "1"}, depends=needs)
        lab.index(self.channel)
        lab.install(self.root, self.channel, ["libfoo=1"], top / "cache" / "lab")
        lab.install(
            self.old, self.channel, [*(["python", "pip"] if python else []), "foo", "libfoo=1"], top / "cache" / "lab"
        )
        (self.old / "conda-meta" / "state").write_text('{"env_vars": {"TOKEN": "hunter2"}}')
        (self.old / "etc" / "conda" / "activate.d").mkdir(parents=True)
        (self.old / "etc" / "conda" / "activate.d" / "mine.sh").write_text("export MINE=1\n")

    def pip(self, *arguments):
        command = [self.old / "bin" / "python", "-I", "-m", "pip", "install", "--quiet", "--no-compile", *arguments]
        subprocess.run(command, env=self.environ, check=True)

    def run(self, *arguments, kill_at=None, kill_after=None, largest_file=None):
        """The command line in a process of its own, which may be killed or limited; see `tests/forking.py`."""
        if self.forks is None:
            environ = {**self.environ, "PYTHONPATH": str(TOP)}
            command = [sys.executable, TOP / "tests" / "forking.py"]
            self.forks = subprocess.Popen(
                command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        stdout, stderr = (self.top / "cache" / name for name in ("stdout", "stderr"))
        wanted = {
            "arguments": [str(argument) for argument in arguments],
            "kill_at": kill_at,
            "kill_after": kill_after,
            "largest_file": largest_file,
            "stdout": str(stdout),
            "stderr": str(stderr),
        }
        while True:
            self.forks.stdin.write(json.dumps(wanted) + "\n")
            self.forks.stdin.flush()
            code = int(self.forks.stdout.readline())
            # What a killed one had started is at work for a moment longer, and nobody begins before it has ended.
            if "or a program that it started still is" not in stderr.read_text() or self.held:
                return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())

    def make_plan(self, *arguments):
        options = ("--override-channels", "-c", self.channel, "--save", self.plan, "--exit-zero")
        done = self.run("--root", self.root, "what-if", "train", "libfoo=2", *options, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(self.plan.read_text())

    def apply(self, *arguments, **more):
        return self.run("apply", self.plan, *arguments, **more)

    def end(self):
        self.forks.communicate()

    def take_all_back(self):
        for saved in self.home.glob(".local/state/conda-upgrade-planner/apply/*/journal.jsonl"):
            done = self.run("apply", saved.with_name("plan.json"), "--undo", "--yes")
            assert done.returncode == 0, done.stderr

    def edit_plan(self, function):
        plan = json.loads(self.plan.read_text())
        function(plan)
        self.plan.write_text(json.dumps(plan))

    def all(self):
        """Everything but the caches."""
        return seal(self.top, "cache", "plan.json")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("small"), python=False)
    place.make_plan()
    yield place
    place.end()


@pytest.fixture
def place(shared):
    """The small installation without python, as it was."""
    text = shared.plan.read_text()
    before = shared.all()
    yield shared
    shared.plan.write_text(text)
    shared.take_all_back()
    assert shared.apply("--undo", "--yes").returncode == 0
    assert differences(before, shared.all()) == ()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The installation with python, pip and what pip has installed."""
    place = Place(tmp_path_factory.mktemp("full"), python=True)
    lab.wheel(place.top / "wheels", "mine", "1.0", "def main():\n    print('mine')\n")
    lab.wheel(place.top / "wheels", "needy", "1.0", "import mine\ndef main(): pass\n", requires=("mine",))
    place.pip("needy")
    place.make_plan()
    yield place
    place.end()


# --- the whole way


def test_a_dry_run_says_what_would_be_done_and_does_nothing(place):
    before = seal(place.top, "cache/std")
    done = place.apply()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"   make   by rattler, in this process: fetch explicit.txt into {place.top}/cache" in done.stdout
    assert f"   run    cp -p {place.old}/conda-meta/state {place.new}/conda-meta/state\n" in done.stdout
    assert f"   check  test '!' -e {place.new}\n" in done.stdout
    assert "hunter2" not in done.stdout
    assert differences(before, seal(place.top, "cache/std")) == ()


def test_the_room_that_a_new_environment_takes(place):
    """What the archives of a local channel unpack to: `libfoo` and `foo`, each file counted once."""
    migration = json.loads(place.plan.read_text())["migration"]
    assert migration["disk_bytes"] == len("2.0") + len("2.0") * 100_000 + len("1")
    assert 0 < migration["download_bytes"] < migration["disk_bytes"]


def test_a_migration_is_carried_out_and_taken_back(full):
    before, old = full.all(), seal(full.old)
    done = full.apply("--yes", "--check", f"{sys.executable} -c 'import json'")
    assert (done.returncode, done.stderr) == (0, "")
    assert "what worked before works, and 1 checks of your own pass" in done.stdout
    assert f"nothing of {full.old} has changed: " in done.stdout
    assert differences(old, seal(full.old)) == ()
    said = subprocess.run([full.new / "bin" / "needy"], env=full.environ, check=False)
    assert said.returncode == 0
    assert (full.new / "lib" / "foo.txt").read_text() == "2.0"
    assert "hunter2" in (full.new / "conda-meta" / "state").read_text()
    assert (full.new / "etc/conda/activate.d/mine.sh").read_text() == "export MINE=1\n"
    record = json.loads((full.new / "conda-meta" / "foo-1.0-0.json").read_text())
    assert record["url"] == f"file://{full.channel}/{lab.SUBDIR}/foo-1.0-0.conda"
    assert (record["channel"], record["depends"]) == (f"file://{full.channel}", ["python", "libfoo"])
    history = (full.new / "conda-meta" / "history").read_text()
    assert f'# update specs: ["foo", "libfoo", "pip", "python={lab.MINOR}"]' in history
    again = full.run("--root", full.root, "what-if", "train-new", "libfoo=2", "--override-channels", "-c", full.channel)
    assert again.returncode == 0, again.stdout
    assert "hunter2" not in full.plan.read_text()
    assert full.apply("--yes").stdout.count("(by an earlier run)") == len(
        json.loads(full.plan.read_text())["migration"]["steps"]
    )
    wanted = full.apply("--undo")
    assert f"  remove {full.new}\n" in wanted.stdout
    assert full.new.is_dir()
    assert full.apply("--undo", "--yes").returncode == 0
    assert differences(before, full.all()) == ()
    assert full.apply("--undo", "--yes").stdout == "There was nothing to take back.\n"


# --- killed


def completes(place, old):
    done = place.apply("--yes")
    assert done.returncode == 0, done.stderr
    assert (place.new / "lib" / "foo.txt").read_text() == "2.0"
    assert (place.new / "etc/conda/activate.d/mine.sh").read_text() == "export MINE=1\n"
    assert sorted(path.name for path in (place.new / "conda-meta").glob("*.json")) == [
        "foo-1.0-0.json",
        "libfoo-2.0-0.json",
    ]
    assert differences(old, seal(place.old)) == ()


def takes_back(place, before):
    done = place.apply("--undo", "--yes")
    assert done.returncode == 0, done.stderr
    assert differences(before, place.all()) == ()


def test_killed_at_every_boundary(place):
    before, old = place.all(), seal(place.old)
    entries = 1 + 2 * len(json.loads(place.plan.read_text())["migration"]["steps"])
    for number in range(1, entries + 1):
        for side in ("before", "after"):
            assert place.apply("--yes", kill_at=(number, side)).returncode == -9
            assert differences(old, seal(place.old)) == ()
            if (number + (side == "after")) % 2:
                completes(place, old)
            takes_back(place, before)
    assert place.apply("--yes", kill_at=(entries + 1, "before")).returncode == 0


def test_killed_at_any_moment(place):
    """The moments lie within the shortest whole run so far: the first one is slower than those after it."""
    before, old = place.all(), seal(place.old)
    shortest = math.inf
    dice = random.Random(20240229)  # noqa: S311 -- moments, not secrets
    wanted, killed, tries = int(os.environ.get("PLANNER_KILLS", "50")), 0, 0
    while killed < wanted:
        start = time.monotonic()
        completes(place, old)
        shortest = min(shortest, time.monotonic() - start)
        takes_back(place, before)
        for finishes in (False, True):
            done = place.apply("--yes", kill_after=dice.uniform(0, shortest))
            assert done.returncode in {0, -9}, done.stderr
            killed += done.returncode == -9
            tries += 1
            assert differences(old, seal(place.old)) == ()
            if finishes:
                completes(place, old)
            takes_back(place, before)
        assert tries < 4 * wanted, f"only {killed} of {tries} were killed before they had ended"


@pytest.mark.parametrize("inner", [False, True], ids=["the outer one", "both"])
def test_killed_between_the_folders_of_the_journal(place, inner):
    """They are made and removed one by one, while no entry is in them: one kill of some hundred comes between."""
    before = place.all()
    folder = Path(Journal(str(place.home / ".local/state/conda-upgrade-planner"), str(place.new)).folder)
    (folder if inner else folder.parent).mkdir(parents=True)
    takes_back(place, before)


def test_killed_while_taking_back(place):
    before, old = place.all(), seal(place.old)
    for number in (1, 2):
        completes(place, old)
        for side in ("before", "after"):
            place.apply("--undo", "--yes", kill_at=(number, side))
        if place.new.exists():
            done = place.apply("--yes")
            assert (done.returncode, "this migration was being taken back" in done.stderr) == (2, True)
        takes_back(place, before)


def test_pip_cut_short_is_made_anew_with_the_environment(full):
    """The environment in which pip was killed is nobody's guess: it is removed and made again."""
    before = full.all()
    argv = [sys.executable, "-c", "import cli; cli.main()", "apply", str(full.plan), "--yes"]
    with subprocess.Popen(argv, env={**full.environ, "PYTHONPATH": str(TOP)}, stdout=subprocess.DEVNULL) as process:
        site = full.new / lab.SITE
        while not any(site.glob("mine*")) and process.poll() is None:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -9
    done = full.apply("--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert full.apply("--undo", "--yes").returncode == 0
    assert differences(before, full.all()) == ()


# --- refused before anything is done


def refused(place, said, *arguments):
    before = place.all()
    done = place.apply("--yes", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert differences(before, place.all()) == ()


def test_a_plan_whose_target_has_changed_is_refused(place):
    record = place.old / "conda-meta" / "foo-1.0-0.json"
    away = record.rename(place.top / "cache" / record.name)
    try:
        refused(place, f"{place.old} is not what it was when this plan was made")
    finally:
        away.rename(record)


def test_a_target_that_may_not_be_read_is_not_called_changed(place, unprivileged):
    here = Here(place.environ, str(place.home), str(place.home / "state"), str(place.top / "cache"))
    plan = load_plan(str(place.plan))
    with unprivileged(place.old / "conda-meta" / "foo-1.0-0.json"), pytest.raises(StalePlan, match="cannot be known"):
        guard.check_state(plan, here)
    assert guard.check_state(plan, here) == ()


def test_what_only_another_user_may_do_is_said_before(open_tmp, unprivileged):
    folder = open_tmp / "envs"
    folder.mkdir()
    with unprivileged(folder):
        found = tuple(preflight.obstacles(Migration("new", str(folder / "new"), (), ()), (), str(folder / "cache")))
    assert [f"{folder} belongs to " in one for one in found] == [True, True]


def test_too_little_room_is_said_before(place):
    place.edit_plan(lambda plan: plan["migration"].update(disk_bytes=10**18))
    stopped(place, f"bytes free, and {10**18} are needed at the least: make room there")
    assert not place.new.exists()


def test_a_plan_of_another_machine_is_refused(place):
    place.edit_plan(lambda plan: plan["fingerprint"].update(host="sha256:0"))
    refused(place, "this machine is not the one that the plan was made for")


def test_a_plan_of_another_platform_is_refused(place):
    place.edit_plan(lambda plan: plan["host"].update(subdir="osx-arm64", source="assumed"))
    refused(place, "this plan is for osx-arm64, and this machine is linux-64: carry it out on a machine of that kind")


def test_a_plan_for_windows_is_refused_by_its_platform_and_not_by_its_steps(place):
    place.edit_plan(lambda plan: plan["host"].update(subdir="win-64", source="assumed"))
    place.edit_plan(lambda plan: plan["migration"]["steps"][0].update(commands=[["C:\\conda\\python.exe", "-I"]]))
    refused(
        place, "this plan is for win-64, and this machine is linux-64: carry it out on a machine of that kind by hand"
    )


def test_moved_channels_are_a_warning_alone(place):
    place.edit_plan(lambda plan: plan["fingerprint"].update(repodata="sha256:0"))
    done = place.apply()
    assert done.returncode == 0
    assert "Warning: the channels have moved since the plan was made" in done.stdout


def test_what_is_at_the_new_prefix_is_not_overwritten(place):
    place.new.mkdir()
    try:
        refused(place, f"{place.new} exists already, and nothing that exists is overwritten")
    finally:
        place.new.rmdir()
    place.new.symlink_to(place.top / "nowhere")
    try:
        refused(place, f"{place.new} exists already")
    finally:
        place.new.unlink()


def test_one_at_a_time(place):
    place.held = True
    with only_one(str(place.home / ".local/state/conda-upgrade-planner"), str(place.new)):
        done = place.apply("--yes")
    place.held = False
    assert (done.returncode, "another planner apply is at work" in done.stderr) == (2, True)
    assert not place.new.exists()


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (["sh", "-c", "rm -rf /"], "commands"),
        (["rm", "-f", "{old}/conda-meta/history"], "commands"),
        (["cp", "-p", "pinned", "{new}/../train/conda-meta/pinned"], "check"),
        (["cp", "-t", "{old}", "pinned", "{new}/pinned"], "commands"),
        (["micromamba", "create", "--prefix", "{old}", "--file", "explicit.txt"], "commands"),
        (["micromamba", "env", "remove", "--prefix", "{old}"], "undo"),
        (["{new}/bin/python", "-c", "1"], "commands"),
        (["{new}/bin/python", "-m", "pip", "install", "--target", "{old}", "x"], "commands"),
        (["{old}/bin/python", "smoke_test.py"], "commands"),
        (
            ["{new}/bin/python", "-m", "ipykernel", "install", "--user", "--name", "../x", "--display-name", "y"],
            "check",
        ),
        (["planner", "apply", "other.json"], "commands"),
        (["planner", "snapshot", "{old}", "-o", "{old}/x"], "commands"),
    ],
)
def test_a_plan_that_would_do_something_else_is_refused(place, command, at):
    words = [word.format(old=place.old, new=place.new) for word in command]
    place.edit_plan(lambda plan: plan["migration"]["steps"][2][at].append(words))
    refused(place, "which is nothing that a migration to")


@pytest.mark.parametrize("prefix", ["{old}", "{old}/inner", "{root}", "{root}/lib/inner", "relative"])
def test_a_new_prefix_that_is_not_beside_the_old_one_is_refused(place, prefix):
    text = prefix.format(old=place.old, root=place.root)
    place.edit_plan(lambda plan: plan["migration"].update(prefix=text))
    refused(place, "plan")


def test_a_file_name_that_leads_elsewhere_is_refused(place):
    place.edit_plan(lambda plan: plan["migration"]["artifacts"].update({"../x": ""}))
    refused(place, "is no plain file name")


def test_a_second_plan_for_the_same_prefix_waits_for_the_first(place):
    place.apply("--yes", kill_at=(7, "after"))
    place.edit_plan(lambda plan: plan.update(created="2001-01-01T00:00:00Z"))
    done = place.apply("--yes")
    assert (done.returncode, "was made, or begun, with another plan, which is kept in" in done.stderr) == (2, True)
    saved = done.stderr.partition("kept in ")[2].partition(": go on")[0]
    assert place.run("apply", saved, "--undo", "--yes").returncode == 0


def test_a_plan_that_has_made_nothing_is_forgotten_for_another(place):
    assert place.apply("--yes", kill_at=(4, "before")).returncode == -9
    place.edit_plan(lambda plan: plan.update(created="2001-01-01T00:00:00Z"))
    assert place.apply("--yes").returncode == 0


def test_a_plan_without_a_migration(place):
    place.edit_plan(lambda plan: plan.update(migration=None))
    refused(place, "this plan has no migration")


# --- failed on the way


def stopped(place, said, *, mirror=None, **more):
    old = seal(place.old)
    done = place.apply("--yes", *(("--mirror", f"{place.channel}={mirror}") if mirror else ()), **more)
    assert done.returncode == 20, done.stdout + done.stderr
    assert said in done.stderr
    assert "run the same command again to go on from here, or with --undo" in done.stderr
    assert differences(old, seal(place.old)) == ()
    return done


def test_a_channel_that_is_gone(place):
    path = place.channel / lab.SUBDIR / ARCHIVE
    away = place.top / "cache" / ARCHIVE
    path.rename(away)
    try:
        stopped(place, f"file://{path} is not there: the channel was moved or cleaned up since the plan was made")
    finally:
        away.rename(path)
    assert place.apply("--yes").returncode == 0


def test_a_channel_that_goes_away_in_the_middle(place):
    path = place.channel / lab.SUBDIR / ARCHIVE
    away = place.top / "cache" / ARCHIVE
    assert place.apply("--yes", kill_at=(6, "before")).returncode == -9  # preflight is done
    path.rename(away)
    try:
        stopped(place, f"{ARCHIVE} is not there any more")
        assert not place.new.exists()
    finally:
        away.rename(path)
    assert place.apply("--yes").returncode == 0


def test_a_mirror_stands_for_a_channel(place):
    """The packages come from the mirror, and the records keep the channel's own URL."""
    mirror = place.top / "cache" / "mirror"
    place.channel.rename(mirror)
    try:
        stopped(place, "was moved or cleaned up since the plan was made")
        said = place.apply("--yes", "--mirror", f"{place.channel}={mirror}")
        assert (said.returncode, said.stderr) == (0, "")
        record = json.loads((place.new / "conda-meta" / "libfoo-2.0-0.json").read_text())
        assert (record["url"], record["channel"]) == (
            f"file://{place.channel}/{lab.SUBDIR}/{ARCHIVE}",
            f"file://{place.channel}",
        )
        place.take_all_back()
    finally:
        mirror.rename(place.channel)


def test_a_mirror_of_another_channel_is_refused(place):
    done = place.apply("--yes", "--mirror", f"conda-forge={place.channel}")
    assert (done.returncode, "no package of this plan is of that channel" in done.stderr) == (20, True)


@contextmanager
def served(folder, login, cut_short):
    """A server that hands a folder's files out to those with the login, and breaks off what `cut_short` names."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self):
            wanted = f"Basic {base64.b64encode(login.encode()).decode()}"
            if self.headers.get("Authorization") != wanted:
                self.send_error(401)
            elif self.path.endswith(tuple(cut_short)):
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"PK")
            else:
                super().do_GET()

        def log_message(self, *_words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{login}@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_breaks_off_in_the_middle(place):
    cut_short = [ARCHIVE]
    archives = place.top / "cache" / "conda-upgrade-planner" / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    mirror = place.top / "cache" / "mirror"
    place.channel.rename(mirror)
    try:
        with served(mirror, "me:hunter2", cut_short) as url:
            done = stopped(place, f"{ARCHIVE} cannot be fetched: ", mirror=url)
            assert "***@127.0.0.1" in done.stderr
            assert not place.new.exists()
            assert not list(archives.rglob("*.part"))
            cut_short.clear()
            done = place.apply("--yes", "--mirror", f"{place.channel}={url}")
            assert (done.returncode, done.stderr) == (0, "")
        kept = [path for top in (place.new, place.home) for path in top.rglob("*") if path.is_file()]
        texts = [path.read_bytes() for path in kept if path != place.new / "conda-meta" / "state"]
        assert len(texts) > 10
        assert not any(b"hunter2" in text for text in texts)
        place.take_all_back()
    finally:
        mirror.rename(place.channel)


def test_a_server_that_does_not_answer(place):
    def elsewhere(plan):
        texts = plan["migration"]["artifacts"]
        texts["explicit.txt"] = texts["explicit.txt"].replace(f"file://{place.channel}", "http://127.0.0.1:9/channel")

    place.edit_plan(elsewhere)
    stopped(place, "127.0.0.1:9 cannot be reached: ")


@pytest.mark.parametrize("kind", ["sha256:", ""])
def test_a_file_that_is_not_the_one_of_the_lock(place, kind):
    def other_sum(plan):
        texts = plan["migration"]["artifacts"]
        lines = texts["explicit.txt"].splitlines()
        lines[-1] = f"{lines[-1].partition('#')[0]}#{kind}{'0' * (64 if kind else 32)}"
        texts["explicit.txt"] = "\n".join(lines) + "\n"

    place.edit_plan(other_sum)
    stopped(place, f"is not the file that the plan was made with: its {'sha256' if kind else 'md5'} sum is ")
    assert not place.new.exists()


def test_a_full_disk(place):
    """RLIMIT_FSIZE makes writing a large file fail as a full disk does."""
    shutil.rmtree(place.top / "cache" / "conda-upgrade-planner" / "pkgs", ignore_errors=True)
    done = stopped(place, "the packages cannot be installed: ", largest_file=200_000)
    assert "step 3 of" in done.stderr
    assert place.apply("--yes").returncode == 0


def test_a_journal_that_cannot_be_written(place):
    done = place.apply("--yes", largest_file=1000)
    assert done.returncode == 20
    assert "nothing is done that is not on record" in done.stderr
    assert not place.new.exists()


def test_pip_that_fails_can_be_mended(full):
    wheel = full.top / "wheels" / "mine-1.0-py3-none-any.whl"
    away = full.top / "cache" / wheel.name
    before = full.all()
    wheel.rename(away)
    try:
        done = stopped(full, "step 4 of")
    finally:
        away.rename(wheel)
    assert "No matching distribution found for mine==1.0" in done.stderr
    done = full.apply("--yes")
    assert (done.returncode, done.stdout.count("(by an earlier run)")) == (0, 3)
    assert full.apply("--undo", "--yes").returncode == 0
    assert differences(before, full.all()) == ()


def test_what_no_longer_imports_stops_the_move(full):
    before = full.all()
    done = full.apply("--yes", "--check", "python -c 'raise SystemExit(3)'")
    assert done.returncode == 20
    assert "failed with exit code 3" in done.stderr
    assert full.apply("--undo", "--yes").returncode == 0
    assert differences(before, full.all()) == ()


def test_an_old_environment_that_someone_changed_meanwhile_is_named(place):
    assert place.apply("--yes", kill_at=(6, "after")).returncode == -9
    path = place.old / "share" / "foo"
    status = path.stat()
    path.write_text("2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    try:
        done = place.apply("--yes")
        assert (done.returncode, "share/foo: another content. No step writes there" in done.stderr) == (20, True)
    finally:
        path.write_text("1")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.apply("--yes").returncode == 0


def test_another_folder_at_the_place_of_what_was_made_is_left_alone(place):
    assert place.apply("--yes").returncode == 0
    away = place.top / "cache" / "made"
    place.new.rename(away)
    place.new.mkdir()
    (place.new / "precious").write_text("")
    done = place.apply("--undo", "--yes")
    assert (done.returncode, "is not the folder that was made there" in done.stderr) == (20, True)
    assert (place.new / "precious").exists()
    (place.new / "precious").unlink()
    place.new.rmdir()
    away.rename(place.new)


# --- the parts


def test_a_lock_is_read():
    sums = ("a" * 64, "b" * 32)
    text = f"# a\n@EXPLICIT\nhttps://x/y/a-1-0.conda#sha256:{sums[0]}\nhttps://x/y/b-1-0.conda#{sums[1]}\nhttps://x/y/c-1-0.conda\n"
    assert read_lock(text) == (
        Locked("https://x/y/a-1-0.conda", sha256=sums[0]),
        Locked("https://x/y/b-1-0.conda", md5=sums[1]),
        Locked("https://x/y/c-1-0.conda"),
    )
    for bad in ("https://x/y/a-1-0.conda#sha1", "# MISSING: no URL is known for a 1 0"):
        with pytest.raises(InputError, match=r"explicit\.txt"):
            read_lock(bad)


def test_an_entry_that_was_cut_short_never_happened(tmp_path):
    journal = Journal(str(tmp_path), "/some/prefix")
    journal.start("sha256:1", {})
    journal.note("begin", "create", path="/some/prefix")
    journal.note("done", "create")
    content = Path(journal.path).read_bytes()
    for cut in range(len(content)):
        Path(journal.path).write_bytes(content[:cut])
        again = Journal(str(tmp_path), "/some/prefix")
        assert again.state("create") in {"to do", "begun"}
        again.start("sha256:1", {})
        again.note("done", "create")
        assert Journal(str(tmp_path), "/some/prefix").state("create") == "done"
    Path(journal.path).write_bytes(b"no JSON\n" + content)
    with pytest.raises(InputError, match="it is damaged"):
        Journal(str(tmp_path), "/some/prefix")


def test_a_lock_is_held_by_what_was_started_too(tmp_path):
    state = tmp_path / "state"
    with only_one(str(state), "/a", "/b") as descriptors:
        child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=descriptors)
        code = f"import sys; from planner.apply.lock import only_one\nwith only_one({str(state)!r}, '/b'): pass"
        again = [sys.executable, "-c", code]
        assert subprocess.run(again, cwd=TOP, capture_output=True, check=False).returncode == 1
    child.kill()
    child.wait()
    assert not state.exists()


# --- with other tools, and with packages that misbehave

# A stand-in for micromamba, no micromamba: it is called as the plan says, and makes the environment as rattler does.
STAND_IN = """#!{python}
import os, sys
sys.path.insert(0, {top!r})
from planner.apply.embedded import create
from planner.apply.fetch import read_lock
with open({calls!r}, "a") as stream:
    stream.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "create":
    prefix = sys.argv[sys.argv.index("--prefix") + 1]
    if os.path.exists({broken!r}):
        os.makedirs(prefix + "/conda-meta")
        sys.exit("critical libmamba No space left on device")
    with open(sys.argv[sys.argv.index("--file") + 1]) as stream:
        create(prefix, read_lock(stream.read()), {cache!r}, [], lambda text: None)
"""


def test_the_plans_own_tool_is_used_where_it_is_there(place, monkeypatch):
    tool, calls, broken = (place.top / "cache" / name for name in ("micromamba", "calls", "broken"))
    cache = str(place.top / "cache" / "stand-in")
    texts = {"python": sys.executable, "top": str(TOP), "calls": str(calls), "broken": str(broken), "cache": cache}
    tool.write_text(STAND_IN.format(**texts))
    tool.chmod(0o755)
    place.end()
    place.forks = None
    monkeypatch.setitem(place.environ, "PATH", f"{tool.parent}:/usr/bin:/bin")
    try:
        said = place.apply().stdout
        assert f"   run    micromamba create --yes --prefix {place.new} --file explicit.txt\n" in said
        broken.touch()
        done = stopped(place, "critical libmamba No space left on device")
        assert "step 3 of" in done.stderr
        broken.unlink()
        assert f"{tool} made {place.new} of 2 packages" in place.apply("--yes").stdout
        assert place.apply("--undo", "--yes").returncode == 0
        assert not place.new.exists()
        create = f"create --yes --prefix {place.new} --file explicit.txt"
        listed = f"list --prefix {place.new}"
        assert calls.read_text().splitlines() == [create, create, listed, f"env remove --yes --prefix {place.new}"]
        assert "rattler made" in place.apply("--yes", "--embedded").stdout
    finally:
        place.take_all_back()
        place.end()
        place.forks = None


def test_a_link_script_that_fails(place):
    lab.package(
        place.channel,
        "scripted",
        "1.0",
        {
            "bin/.scripted-post-link.sh": 'echo "$PKG_NAME $PKG_VERSION" > "$PREFIX/note"\necho no room for me >&2\nexit 3\n'
        },
        programs=("bin/.scripted-post-link.sh",),
    )

    def with_it(plan):
        texts = plan["migration"]["artifacts"]
        texts["explicit.txt"] += f"file://{place.channel}/{lab.SUBDIR}/scripted-1.0-0.conda\n"

    try:
        place.edit_plan(with_it)
        stopped(place, ".scripted-post-link.sh failed with exit code 3: no room for me")
        assert (place.new / "note").read_text() == "scripted 1.0\n"
        place.take_all_back()
    finally:
        (place.channel / lab.SUBDIR / "scripted-1.0-0.conda").unlink()


def test_a_verification_goes_into_the_report(place):
    assert place.apply("--yes").returncode == 0
    (result,) = place.home.glob(".local/state/conda-upgrade-planner/apply/*/verification.json")
    for form in ("text", "markdown", "html"):
        done = place.run("show", place.plan, "--result", result, "--format", form)
        assert (done.returncode, done.stderr) == (0, "")
        assert "no python is in this environment: there is nothing to verify" in " ".join(done.stdout.split())
    assert "not of" not in place.run("show", place.plan, "--result", result).stdout.partition("Verdict")[0]
    refusal = place.run("show", place.plan, "--result", result, "--format", "json")
    assert (refusal.returncode, "has no place in --format json" in refusal.stderr) == (2, True)
    assert place.run("show", place.plan, "--result", place.plan).returncode == 2


def test_an_environment_without_a_history(tmp_path):
    place = Place(tmp_path, python=False)
    (place.old / "conda-meta" / "history").unlink()
    there_and_back(place)


@pytest.mark.skipif(not os.path.isdir(MEMORY), reason="there is no file system in memory")
def test_a_new_environment_on_another_file_system(tmp_path):
    """The package cache is on one and the environments on another: what cannot be linked is copied."""
    place = Place(tmp_path, python=False)
    with tempfile.TemporaryDirectory(dir=MEMORY) as other:
        if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("there is no other file system at hand")
        shutil.move(place.root / "envs", other)
        (place.root / "envs").symlink_to(Path(other) / "envs")
        there_and_back(place)


def test_a_path_that_a_shell_would_not_take_as_it_is(tmp_path):
    top = tmp_path / 'it\'s "a" place; $(x)'
    top.mkdir()
    place = Place(top, python=True)
    lab.wheel(place.top / "wheels", "mine", "1.0", "def main():\n    print('mine')\n")
    place.pip("mine")
    there_and_back(place, more=(place.new / lab.SITE / "mine.py").read_text)


def there_and_back(place, more=lambda: None):
    place.make_plan()
    before, old = place.all(), seal(place.old)
    try:
        done = place.apply("--yes")
        assert (done.returncode, done.stderr) == (0, "")
        assert (place.new / "lib" / "foo.txt").read_text() == "2.0"
        more()
        assert differences(old, seal(place.old)) == ()
        takes_back(place, before)
    finally:
        place.end()


def test_an_environment_from_a_file_is_made_too(place):
    wanted = place.top / "cache" / "environment.yml"
    wanted.write_text("name: made\ndependencies: [foo, libfoo=2]\n")
    plan = place.top / "cache" / "made.json"
    options = ("--override-channels", "-c", place.channel, "--save", plan, "--exit-zero")
    done = place.run("--root", place.root, "what-if", "--from", wanted, *options)
    assert done.returncode == 0, done.stderr
    done = place.run("apply", plan, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.root / "envs" / "made" / "lib" / "foo.txt").read_text() == "2.0"
    assert place.run("apply", plan, "--undo", "--yes").returncode == 0


def test_what_a_file_asks_of_pip_is_installed_with_what_it_requires(full):
    wanted, plan = (full.top / "cache" / name for name in ("environment.yml", "made.json"))
    wanted.write_text("name: made\ndependencies: [python, foo, {pip: [needy]}]\n")
    options = ("--override-channels", "-c", full.channel, "--save", plan, "--exit-zero")
    done = full.run("--root", full.root, "what-if", "--from", wanted, *options)
    assert done.returncode == 0, done.stderr
    done = full.run("apply", plan, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "installed, and pip finds nothing missing" in done.stdout
    said = subprocess.run([full.root / "envs" / "made" / "bin" / "needy"], env=full.environ, check=False)
    assert said.returncode == 0
    assert full.run("apply", plan, "--undo", "--yes").returncode == 0


@pytest.mark.slow
@pytest.mark.skipif("PLANNER_TORCH_WHEELS" not in os.environ, reason="PLANNER_TORCH_WHEELS names no folder with torch")
def test_torchs_real_cpu_build_is_moved(tmp_path):
    """A real torch, compiled distributions and a kernel, moved by rattler and pip; the folder has torch's CPU wheel."""
    place = Place(tmp_path, python=True)
    for name in ("PIP_NO_INDEX", "PIP_CONFIG_FILE"):  # what else is needed comes from where this machine's pip finds it
        del place.environ[name]
    place.environ |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    place.environ |= {"PIP_FIND_LINKS": os.environ["PLANNER_TORCH_WHEELS"], "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    (wheel,) = Path(os.environ["PLANNER_TORCH_WHEELS"]).glob("torch-*+cpu-*.whl")
    place.pip(f"torch=={wheel.name.split('-')[1]}", "psutil", "ipykernel")
    python = place.old / "bin" / "python"
    kernel = [python, "-m", "ipykernel", "install", "--user", "--name", "trainer"]
    subprocess.run(kernel, env=place.environ, check=True)
    old = seal(place.old)
    try:
        place.make_plan("--offline")
        done = place.apply("--yes", "--cpu-ok")
        assert (done.returncode, done.stderr) == (0, "")
        assert "is a CPU-only build" in done.stdout
        assert differences(old, seal(place.old)) == ()
        code = "import torch, psutil, ipykernel; print(torch.__file__)"
        said = subprocess.run(
            [place.new / "bin" / "python", "-c", code], env=place.environ, capture_output=True, check=True
        )
        assert said.stdout.decode().startswith(str(place.new))
        kernels = place.home / ".local" / "share" / "jupyter" / "kernels"
        assert sorted(path.name for path in kernels.iterdir()) == ["train-new", "trainer"]
        for option, code in ((), 40), (("--require-gpu",), 20), (("--cpu-ok",), 0):
            assert place.run("verify", place.new, *option).returncode == code
        assert place.apply("--undo", "--yes").returncode == 0
        assert [path.name for path in kernels.iterdir()] == ["trainer"]
        assert not place.new.exists()
    finally:
        place.end()
