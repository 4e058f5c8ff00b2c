"""`planner what-if ENV --each FILE`: every line's plan is what the line asked alone answers, and what is shared is read once."""

import json
import threading

import pytest
from click.testing import CliRunner

import cli
from planner import channels, load
from planner.demo import unpack
from planner.solve.worker_process import WorkerProcess


@pytest.fixture
def run(tmp_path, monkeypatch):
    demo = unpack(str(tmp_path))
    monkeypatch.setenv("HOME", demo.home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CONDA_PREFIX", "CONDA_EXE", "PLANNER_LIBMAMBA_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    common = ["--override-channels", "--offline", "--subdir", demo.subdir, "--cuda", demo.cuda, "--glibc", demo.glibc]
    common += [word for name in demo.channels for word in ("-c", name)]
    common += [word for name, place in demo.mirrors for word in ("--mirror", f"{name}={place}")]

    def answer(*args):
        return CliRunner().invoke(cli.main, ["--root", demo.root, "what-if", "base", *map(str, args), *common])

    return answer


def changes(tmp_path, text):
    path = tmp_path / "changes.txt"
    path.write_text(text)
    return path


LINES = """# what we think of
python=3.11

"python 3.11.*" openssl   # two at once
--remove openssl
--update openssl
nosuchpackage
"""


def test_a_line_answers_as_it_would_alone_and_what_is_shared_is_read_once(run, tmp_path, monkeypatch):
    counts = {"environments": 0, "channels": 0}

    def counted(module, function, what):
        original = getattr(module, function)

        def count(*args, **more):
            counts[what] += 1
            return original(*args, **more)

        monkeypatch.setattr(module, function, count)

    counted(load, "load_installation", "environments")
    counted(channels, "open_channels", "channels")
    done = run("--each", changes(tmp_path, LINES), "--no-files")
    plans = [json.loads(text) for text in done.stdout.splitlines()]
    assert counts == {"environments": 1, "channels": 1}
    assert [(plan["request"]["operation"], plan["request"]["specs"]) for plan in plans] == [
        ("install", ["python=3.11"]),
        ("install", ["python 3.11.*", "openssl"]),
        ("remove", ["openssl"]),
        ("update", ["openssl"]),
        ("install", ["nosuchpackage"]),
    ]
    alone = [
        run("--no-files", "--format", "json", *words)
        for words in (["python=3.11"], ["python 3.11.*", "openssl"], ["--remove", "openssl"])
    ]
    for plan, one in zip(plans, alone, strict=False):
        assert plan | {"created": ""} == json.loads(one.stdout) | {"created": ""}
    assert done.exit_code == max(cli.VERDICT_CODES[plan["verdict"]] for plan in plans)
    assert done.exit_code >= max(one.exit_code for one in alone)


def test_the_process_of_an_engine_starts_once_and_while_others_read(run, tmp_path, monkeypatch, libmamba_python):
    started, read = [], []
    begun = threading.Event()
    start, load_one, open_all = WorkerProcess.__init__, load.load_environment, channels.open_channels

    def starting(*args, **more):
        started.append(args)
        begun.set()
        start(*args, **more)

    def opening(*args, **more):
        assert begun.wait(60)  # it needs nothing of what is read here
        return open_all(*args, **more)

    monkeypatch.setattr(WorkerProcess, "__init__", starting)
    monkeypatch.setattr(channels, "open_channels", opening)
    monkeypatch.setattr(load, "load_environment", lambda *args, **more: read.append(args[1]) or load_one(*args, **more))
    done = run("--each", changes(tmp_path, LINES), "--no-files", "--solver-python", libmamba_python)
    assert len(done.stdout.splitlines()) == 5
    assert len(started) == 1
    assert len(read) == len(set(read)) == 2


def test_the_plans_go_to_a_file_and_the_exit_code_to_zero(run, tmp_path):
    out = tmp_path / "plans.jsonl"
    done = run("--each", changes(tmp_path, "openssl\n"), "--no-files", "--exit-zero", "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["format"] == "conda-upgrade-plan"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openssl\npython=3.11=\n\npython>>3\n", ["changes.txt:2: the spec", "changes.txt:4: the spec"]),
        ('"python=3.11\n', ["changes.txt:1: No closing quotation"]),
        ("--dry-run python\n", ["changes.txt:1: --dry-run has no place in a line"]),
        ("openssl --remove\n", ["changes.txt:1: --remove has no place"]),
        ("--remove\n", ["changes.txt:1: say what should change"]),
        ("--update-all python\n", ["changes.txt:1: --update-all takes no package specs"]),
        ("# nothing\n\n", ["there is no change in it"]),
    ],
)
def test_every_bad_line_is_named_before_anything_is_read(run, tmp_path, monkeypatch, text, said):
    monkeypatch.setattr(load, "load_installation", None)
    done = run("--each", changes(tmp_path, text))
    assert done.exit_code == 2
    assert done.stdout == ""
    for part in said:
        assert part in done.stderr
    assert len(done.stderr.splitlines()) == len(said)


def test_a_file_that_cannot_be_read_and_options_that_do_not_fit(run, tmp_path):
    assert "--each nowhere.txt: it cannot be read" in run("--each", "nowhere.txt").stderr
    (tmp_path / "bytes").write_bytes(b"\xff\n")
    assert "it is not UTF-8" in run("--each", tmp_path / "bytes").stderr
    path = changes(tmp_path, "openssl\n")
    for words in (["python=3.11"], ["--save", "x.json"], ["--format", "html"]):
        done = run("--each", path, *words)
        assert done.exit_code == 2
        assert "--each" in done.stderr
