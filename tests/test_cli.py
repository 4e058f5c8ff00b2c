"""The command line as a user meets it: exit codes, one clear message for each mistake, nothing written."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner

import cli
from rules import RULES


@pytest.fixture
def run(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    for name in list(os.environ):
        if name.startswith(("CONDA", "MAMBA")):
            monkeypatch.delenv(name)
    return lambda *args: CliRunner().invoke(cli.main, [str(arg) for arg in args], catch_exceptions=False)


@pytest.fixture
def installation(tmp_path):
    """A base with python, and a folder channel that has the next one."""
    root = tmp_path / "conda"
    (root / "conda-meta").mkdir(parents=True)

    def record(version, **more):
        fn = f"python-{version}-0.conda"
        return fn, {
            "name": "python",
            "version": version,
            "build": "0",
            "build_number": 0,
            "subdir": "linux-64",
            "depends": [],
            **more,
        }

    fn, python = record("3.10.1")
    url = f"https://conda.example/main/linux-64/{fn}"
    python |= {"fn": fn, "url": url, "channel": "https://conda.example/main/linux-64", "files": []}
    (root / "conda-meta" / "python-3.10.1-0.json").write_text(json.dumps(python))
    (root / "conda-meta" / "history").write_text("")
    for subdir in ("linux-64", "noarch"):
        folder = tmp_path / "channel" / subdir
        folder.mkdir(parents=True)
        packages = dict([record("3.10.1"), record("3.11.1")]) if subdir == "linux-64" else {}
        (folder / "repodata.json").write_text(
            json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages})
        )
    return root, tmp_path / "channel"


def question(installation, *args):
    root, channel = installation
    return ("--root", root, "what-if", *args, "--override-channels", "-c", channel, "--offline")


def test_what_if_answers_and_the_exit_code_is_the_verdicts(run, installation, tmp_path):
    done = run(*question(installation, "base", "python=3.11"), "--format", "json", "--save", tmp_path / "plan.json")
    plan = json.loads(done.stdout)
    assert plan == json.loads((tmp_path / "plan.json").read_text())
    assert plan["outcome"] == "change"
    assert [(item["name"], item["action"]) for item in plan["changes"]] == [("python", "upgrade")]
    assert done.exit_code == cli.VERDICT_CODES[plan["verdict"]]
    shown = run("show", tmp_path / "plan.json")
    assert shown.exit_code == 0
    assert "python=3.11" in shown.stdout
    assert plan["verdict"].upper() in shown.stdout.upper()


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("text", "What "),
        ("json", "{\n"),
        ("markdown", "# What "),
        ("html", "<!DOCTYPE html>\n"),
        ("sarif", "{\n"),
        ("junit", "<?xml "),
    ],
)
def test_a_saved_plan_is_shown_in_every_format_as_a_fresh_one(run, installation, tmp_path, form, beginning):
    saved = tmp_path / "plan.json"
    fresh = run(*question(installation, "base", "python=3.11"), "--format", form, "--save", saved)
    assert fresh.stdout.startswith(beginning)
    shown = run("show", saved, "--format", form, "-o", tmp_path / "report")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert (tmp_path / "report").read_text() == fresh.stdout


def test_the_files_of_the_steps_are_written_for_running_them_by_hand(run, installation, tmp_path):
    run(*question(installation, "base", "python=3.11"), "--save", tmp_path / "plan.json")
    wanted = json.loads((tmp_path / "plan.json").read_text())["migration"]["artifacts"]
    shown = run("show", tmp_path / "plan.json", "--files", tmp_path / "move")
    assert "planner show PLAN.json --files DIR writes them" in " ".join(shown.stdout.split())
    assert {path.name: path.read_text() for path in (tmp_path / "move").iterdir()} == wanted
    assert shown.stderr == f"planner: written into {tmp_path / 'move'}: {', '.join(sorted(wanted))}\n"
    again = run("show", tmp_path / "plan.json", "--files", tmp_path / "move")
    assert (again.exit_code, "cannot be written: File exists" in again.stderr) == (2, True)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["migration"]["artifacts"]["../x"] = ""
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert run("show", tmp_path / "plan.json", "--files", tmp_path / "other").exit_code == 2
    assert not (tmp_path / "other").exists()


def test_a_new_environment_from_a_file(run, installation, tmp_path):
    root, channel = installation
    path = tmp_path / "environment.yml"
    path.write_text(f"channels: ['{channel}', nodefaults]\ndependencies: [python=3.11]\n", encoding="utf-8")
    done = run("--root", root, "what-if", "train", "--from", path, "--offline", "--format", "json", "--exit-zero")
    plan = json.loads(done.stdout)
    assert (plan["target"]["name"], plan["target"]["python"], plan["outcome"]) == ("train", None, "change")
    assert [item["version"] for item in plan["final_state"]] == ["3.11.1"]


def test_the_follow_up_works_as_it_is_printed(run, installation, tmp_path, monkeypatch):
    root, _ = installation
    shutil.copytree(root / "conda-meta", root / "envs" / "train" / "conda-meta")
    url = "https://conda.example/main"
    given = ("--mirror", f"{url}=./channel", "--offline", "--cuda", "none", "--channel-priority", "strict")
    monkeypatch.chdir(tmp_path)
    asked = ("what-if", "train", "python=3.11", "--override-channels", "-c", url, *given, "--format", "json")
    done = run("--root", root, *asked)
    assert done.stdout, done.stderr
    plan = json.loads(done.stdout)
    (step,) = (step for step in plan["migration"]["follow_up"] if step["kind"] == "before-retiring")
    ((program, *words),) = step["commands"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = run(*words, "--format", "json")
    assert (program, done.exit_code) == ("planner", 0), done.stderr
    again = json.loads(done.stdout)
    assert [(item["name"], item["action"]) for item in again["changes"]] == [("python", "remove")]
    same = [(item["root"], item["host"], item["request"]["channels"], item["request"]["channel_priority"]) for item in (plan, again)]  # fmt: skip
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("base", "pyton=3.11"), "no channel has a package pyton; is it python?"),
        (("base", "pyton", "--as", "mamba"), "no channel has a package pyton; is it python?"),
        (("base", "pyton", "--remove"), "conda has nothing to remove; is it python?"),
        (("base", "pyton", "--update"), "conda update does not install; is it python?"),
        (("base", "zzz"), "no channel has a package zzz\n"),
    ],
)
def test_a_mistyped_package_is_told_with_what_it_may_mean(run, installation, args, words):
    done = run(*question(installation, *args), "--format", "json")
    assert done.exit_code == 30
    assert words in json.loads(done.stdout)["explanation"] + "\n"


def test_an_environment_that_is_not_there_is_told_with_what_may_be_meant(run, installation):
    root, _ = installation
    (root / "envs" / "train" / "conda-meta").mkdir(parents=True)
    done = run(*question(installation, "trian", "python=3.11"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is it train? There are: base, train. To ask about an environment that nobody has made yet" in done.stderr
    assert "--from FILE" in done.stderr
    assert "--from" not in run("--root", root, "why", "trian", "python").stderr


def test_exit_zero(run, installation):
    assert run(*question(installation, "base", "python=3.12")).exit_code == 30
    assert run(*question(installation, "base", "python=3.12"), "--exit-zero").exit_code == 0


def test_nothing_to_do_is_safe(run, installation):
    done = run(*question(installation, "base", "python=3.10"), "--format", "json")
    assert (json.loads(done.stdout)["outcome"], done.exit_code) == ("no-change", 0)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere", "python=3.11"), "nowhere"),
        (("./no/such/prefix", "python=3.11"), "no/such/prefix"),
        (("base", "python=="), "python=="),
        (("base",), "planner what-if base"),
        ((), "Missing argument 'ENV'"),
        (("--from", "/no/such/environment.yml"), "/no/such/environment.yml"),
        (("base", "python", "--from", "x.yml"), "x.yml"),
        (("base", "x", "--update-all", "--freeze-installed"), "--update-all"),
        (("base", "x", "--as", "mamba", "--update-specs"), "--update-specs"),
        (("base", "x", "--update", "--remove"), "--update and --remove exclude each other"),
        (("base", "x", "--remove", "--update"), "--update and --remove exclude each other"),
        (("base", "--update-all", "--remove"), "--update-all and --remove exclude each other"),
        (("base", "x", "--remove", "--only-deps"), "conda's remove has no option --only-deps"),
        (("base", "x", "--no-files", "--deep"), "--no-files and --deep exclude each other"),
        (("a", "--from", "x.yml", "--name", "b"), "ENV calls it 'a' and --name 'b'"),
        (("base", "python=3.11", "--mirror", "conda-forge"), "--mirror"),
        (("base", "python=3.11", "--cuda", "twelve"), "twelve"),
        (("base", "python=3.11", "-c", "/no/such/channel"), "/no/such/channel"),
        (("base", "python=3.11", "--host", "/no/such/host.json"), "/no/such/host.json"),
    ],
)
def test_each_mistake_is_one_message_and_exit_2_and_nothing_is_written(
    run, installation, state_of, tmp_path, args, words
):
    before = state_of(tmp_path)
    done = run(*question(installation, *args))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert state_of(tmp_path) == before


def test_a_root_that_is_none_and_a_cut_repodata_file(run, installation, state_of, tmp_path):
    root, channel = installation
    assert run("--root", tmp_path / "nothing", "what-if", "base", "python=3.11").exit_code == 2
    path = channel / "linux-64" / "repodata.json"
    path.write_bytes(path.read_bytes()[:-40])
    before = state_of(tmp_path)
    done = run(*question((root, channel), "base", "python=3.11"))
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert done.stdout == ""
    assert state_of(tmp_path) == before


def test_what_if_writes_nothing(run, installation, state_of, tmp_path):
    before = state_of(tmp_path)
    assert run(*question(installation, "base", "python=3.11")).exit_code in {0, 10, 20}
    assert state_of(tmp_path) == before


def test_an_unreadable_record_makes_the_verdict_unknown_and_is_named(run, installation):
    root, _ = installation
    (root / "conda-meta" / "torch-2.0-0.json").write_text('{"name": "torch", "vers')
    done = run(*question(installation, "base", "python=3.11"), "--format", "json")
    assert done.exit_code == 40
    row = json.loads(done.stdout)["environments"][0]
    assert not row["readable"]
    assert "torch-2.0-0.json" in row["evidence"][0]


def test_a_gpu_is_not_required_and_done_without(run, installation):
    done = run("--root", installation[0], "verify", "base", "--require-gpu", "--cpu-ok")
    assert (done.exit_code, "exclude each other" in done.stderr) == (2, True)


def test_rules_list_and_explain(run):
    listed = run("rules", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [rule.id for rule in RULES]
    assert run("rules").stdout == listed.stdout
    assert "What it checks" in run("rules", "explain", "pip001").stdout
    assert run("rules", "explain", "XYZ9").exit_code == 2


def test_why(run, installation):
    root, _ = installation
    done = run("--root", root, "why", "base", "python")
    assert done.exit_code == 0
    assert "python" in done.stdout
    assert run("--root", root, "why", "base", "pyton").exit_code == 2


def test_show_refuses_what_is_no_plan(run, tmp_path):
    (tmp_path / "x.json").write_text("[]")
    done = run("show", tmp_path / "x.json")
    assert (done.exit_code, "x.json" in done.stderr) == (2, True)


def test_an_output_file_that_cannot_be_written_is_named(run, installation, tmp_path):
    done = run(*question(installation, "base", "python=3.11"), "-o", tmp_path / "no" / "where.txt")
    assert (done.exit_code, "where.txt" in done.stderr) == (2, True)


def _commands(group, names=()):
    yield names
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*names, name))


@pytest.mark.parametrize("command", tuple(_commands(cli.main)))
def test_every_command_has_help_with_an_example(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage:")
    example = done.stdout.partition("Example")[2]
    assert " ".join(("  planner", *command)) in example


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
@pytest.mark.parametrize(
    "spec", ["python=3.11", "https://me:secret@h.example/c::python=3.11", "https://me:secret@h.example/c::python=="]
)
def test_logins_and_tokens_are_never_shown_or_saved(run, installation, tmp_path, form, spec):
    root, channel = installation
    (root / ".condarc").write_text(
        "channels: ['https://me:secret@h.example/t/secret/c']\npinned_packages: ['https://me:secret@h.example/c::a@1']\n"
    )
    (root / "conda-meta" / "history").write_text(
        "==> 2024-01-01 00:00:00 <==\n# cmd: conda\n# update specs: ['https://me:secret@h.example/c::python']\n"
    )
    mirrors = ("--mirror", f"https://h.example/c={channel}", "--mirror", f"https://h.example/t/secret/c={channel}")
    given = ("what-if", "base", spec, "--offline", *mirrors, "--format", form, "--save", tmp_path / "plan.json", "-v")
    done = run("--root", root, *given)
    assert done.exit_code in {2, 40}
    assert "secret" not in done.stdout + done.stderr
    if done.exit_code == 40:
        assert "secret" not in (tmp_path / "plan.json").read_text()
