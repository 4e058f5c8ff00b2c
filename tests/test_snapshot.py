"""Snapshots and their comparison: whatever is changed is found, and what was not is called identical."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from planner import comparison, snapshot, snapshot_file
from planner.errors import InputError
from planner.render import comparison as rendering
from planner.render import markdown, terminal

TOP = Path(__file__).parents[1]
PYTHON = "lib/python3.11/site-packages"


def write(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def environment(prefix):
    """A small environment, with a script and a binary that hold their prefix as conda puts it in."""
    for name, version in (("python", "3.11.9"), ("numpy", "1.26.4")):
        record = {"name": name, "version": version, "build": "h0_0", "channel": "conda-forge", "subdir": "linux-64"}
        write(
            prefix / f"conda-meta/{name}-{version}-h0_0.json", json.dumps({**record, "sha256": name * 8, "files": []})
        )
    write(prefix / "conda-meta/history", "# update specs: ['numpy', 'python=3.11']\n")
    write(prefix / "conda-meta/state", json.dumps({"env_vars": {"API_KEY": "secret"}}))
    write(prefix / f"{PYTHON}/rich-13.7.1.dist-info/METADATA", "Name: rich\nVersion: 13.7.1\n")
    write(prefix / f"{PYTHON}/rich-13.7.1.dist-info/INSTALLER", "pip\n")
    write(prefix / "bin/tool", f"#!{prefix}/bin/python\n").chmod(0o755)
    write(prefix / "lib/libx.so", b"\x7fELF\0" + str(prefix).encode().ljust(200, b"\0") + b"code\0")
    (prefix / "bin/python").symlink_to("python3.11")
    write(prefix / "bin/python3.11", b"\x7fELF\0python")
    write(prefix / "share/data", "x" * 1000)
    return prefix


@pytest.fixture
def prefix(tmp_path):
    return environment(tmp_path / "conda/envs/work")


def take(prefix, *, deep=True, name="work"):
    return snapshot.take(name, str(prefix), deep=deep)


def differences(before, after):
    return [(item.part, item.subject, item.what) for item in comparison.compare(before, after).differences]


def flip(prefix):
    """One bit of one byte; size and time stay."""
    path = prefix / "share/data"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(prefix):
    (prefix / "bin/python").unlink()
    (prefix / "bin/python").symlink_to("/usr/bin/python3")


def replace_by_fifo(prefix):
    (prefix / "share/data").unlink()
    os.mkfifo(prefix / "share/data", 0o644)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _prefix: None, []),
        (flip, [("file", "share/data", "another content")]),
        (lambda prefix: (prefix / "bin/tool").chmod(0o700), [("file", "bin/tool", "another mode")]),
        (relink, [("file", "bin/python", "leads elsewhere")]),
        (replace_by_fifo, [("file", "share/data", "another kind of file")]),
        (lambda prefix: (prefix / "share/data").unlink(), [("file", "share/data", "only in the first")]),
        (lambda prefix: (prefix / "empty").mkdir(), [("file", "empty", "only in the second")]),
        (lambda prefix: (prefix / "share").chmod(0o700), [("file", "share", "another mode")]),
        (
            lambda prefix: write(prefix / f"{PYTHON}/x-1.dist-info/METADATA", "Name: x\nVersion: 1\n"),
            [
                ("distribution", "x", "only in the second"),
                ("file", f"{PYTHON}/x-1.dist-info", "only in the second"),
                ("file", f"{PYTHON}/x-1.dist-info/METADATA", "only in the second"),
            ],
        ),
    ],
)  # fmt: skip
def test_a_deep_comparison_finds_every_change(prefix, change, expected):
    before = take(prefix)
    change(prefix)
    assert differences(before, take(prefix)) == expected
    assert comparison.compare(before, take(prefix)).identical is (not expected)


def test_what_is_seen_without_files(prefix):
    before = take(prefix, deep=False)
    assert before.files is None
    record = prefix / "conda-meta/numpy-1.26.4-h0_0.json"
    record.rename(prefix / "conda-meta/numpy-2.0.0-h0_0.json")
    changed = json.loads((prefix / "conda-meta/numpy-2.0.0-h0_0.json").read_text()) | {"version": "2.0.0"}
    write(prefix / "conda-meta/numpy-2.0.0-h0_0.json", json.dumps(changed))
    write(prefix / "conda-meta/pinned", "numpy 2.*\n")
    write(prefix / "conda-meta/frozen")
    write(prefix / "conda-meta/state", json.dumps({"env_vars": {"API_KEY": "other", "NEW": "1"}}))
    write(prefix / f"{PYTHON}/rich-13.7.1.dist-info/direct_url.json", json.dumps({"url": "file:///srv/rich"}))
    flip(prefix)
    assert differences(before, take(prefix, deep=False)) == [
        ("package", "numpy", "another version"),
        ("distribution", "rich", "installed in another way"),
        ("setting", "pinned packages", "not the same"),
        ("setting", "frozen", "not the same"),
        ("setting", "variable API_KEY", "another value"),
        ("setting", "variable NEW", "only in the second"),
    ]


def test_a_real_change_in_another_environment_leaves_this_one_identical(tmp_path, prefix):
    """`python -m venv` makes a whole environment beside it, and pip's own files come with it."""
    before = take(prefix)
    other = tmp_path / "conda/envs/other"
    venv.create(other, with_pip=False, symlinks=True)
    old = take(other, name="other")
    write(other / "lib/added.py", "1\n")
    assert differences(old, take(other, name="other"))
    assert comparison.compare(before, take(prefix)).identical


def test_a_copy_elsewhere_is_the_same_but_for_where_it_lies(tmp_path, prefix):
    there = environment(tmp_path / "another/much/longer/place/work")
    write(there / f"{PYTHON}/__pycache__/x.cpython-311.pyc", "derived")
    found = comparison.compare(take(prefix), take(there))
    assert found.identical
    assert found.left_out == (
        "the files of conda-meta and __pycache__: the prefixes differ, and these files tell them",
    )
    write(there / "bin/tool", f"#!{there}/bin/python\nimport evil\n").chmod(0o755)
    assert differences(take(prefix), take(there)) == [("file", "bin/tool", "another content")]


@pytest.mark.parametrize(
    ("content", "same"),
    [
        (b"#!/old/bin/python -m /old/x\n", b"#!/new/place/bin/python -m /new/place/x\n"),
        (b"\x7fELF\0/old/lib:/old/share\0\0\0\0\0\0\0\0\0\0\0\0\0x", b"\x7fELF\0/new/place/lib:/new/place/share\0x"),
    ],
)
def test_a_prefix_is_taken_out_of_texts_and_binaries(content, same):
    assert snapshot.without_prefix(content, b"/old") == snapshot.without_prefix(same, b"/new/place")
    assert snapshot.without_prefix(content, b"/other") is None


def test_base_does_not_hold_its_environments_and_cache(tmp_path, prefix):
    base = environment(tmp_path / "conda")
    write(base / "pkgs/urls.txt")
    paths = {file.path.split("/")[0] for file in take(base, name="base").files}
    assert paths == {"bin", "conda-meta", "lib", "share"}
    before = take(base, name="base")
    flip(prefix)
    assert comparison.compare(before, take(base, name="base")).identical


def test_what_could_not_be_read_is_never_called_identical(open_tmp, unprivileged):
    prefix = environment(open_tmp / "conda/envs/work")
    for folder in open_tmp.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o755)
    with unprivileged(prefix / "share/data"):
        state = take(prefix)
        found = comparison.compare(state, state)
    assert (found.identical, found.differences) == (False, ())
    assert "share/data: its content could not be read" in found.uncertain


def test_a_hostile_tree_is_read_to_its_end(prefix):
    (prefix / "loop").symlink_to(prefix)
    (prefix / "self").symlink_to("self")
    os.mkfifo(prefix / "pipe")
    write(prefix / "name\x1b[31m\nwith a line feed", "x")
    (prefix / os.fsdecode(b"no\xffutf8")).mkdir()
    before = take(prefix)
    kinds = {file.path: file.kind for file in before.files}
    assert (kinds["loop"], kinds["self"], kinds["pipe"]) == ("link", "link", "other")
    written = snapshot_file.dumps(before)
    path = write(prefix.parent / "s.json", written)
    assert snapshot_file.load_snapshot(str(path)) == before
    (prefix / "name\x1b[31m\nwith a line feed").chmod(0o600)
    found = comparison.compare(before, take(prefix))
    view = rendering.build_view(before, before, found)
    for text in (terminal.render(view, width=100, colour=False), markdown.render(view)):
        assert "\x1b" not in text


def test_a_snapshot_and_its_file(tmp_path, prefix):
    for deep in (False, True):
        state = take(prefix, deep=deep)
        text = snapshot_file.dumps(state)
        assert "secret" not in text
        assert snapshot_file.load_snapshot(str(write(tmp_path / "s.json", text))) == state
        assert snapshot_file.dumps(take(prefix, deep=deep)) == text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda _text: "", "cut short"),
        (lambda _text: "[]", "it is no snapshot"),
        (lambda text: text.replace("conda-environment-snapshot", "other"), "its format is not"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 9'), "of version 9"),
        (lambda text: text.replace('"prefix":', '"praefix":'), "'prefix' is missing"),
        (lambda text: text.replace('"version": "1.26.4"', '"version": 1'), "that can be used"),
        (lambda text: text.replace('"link", 0, 0', '"link", 0'), "a file has 5 values instead of 6"),
        (lambda text: text.replace('"file", 493', '"socket", 493'), "that can be used"),
    ],
)
def test_half_a_snapshot_is_refused(tmp_path, prefix, damage, message):
    text = snapshot_file.dumps(take(prefix))
    assert damage(text) != text
    path = write(tmp_path / "s.json", damage(text))
    with pytest.raises(InputError, match=message):
        snapshot_file.load_snapshot(str(path))


def planner(home, *arguments):
    return subprocess.run(
        [sys.executable, TOP / "cli.py", *map(str, arguments)],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands(tmp_path, prefix, state_of):
    environment(tmp_path / "conda")
    root = ("--root", tmp_path / "conda")
    state = state_of(tmp_path / "conda")
    done = planner(tmp_path, *root, "snapshot", "work", "--deep", "-o", tmp_path / "before.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    same = planner(tmp_path, *root, "compare", tmp_path / "before.json", "work")
    assert (same.returncode, same.stderr) == (0, "")
    assert "IDENTICAL: 2 packages, 1 distribution and " in same.stdout
    assert state_of(tmp_path / "conda") == state
    flip(prefix)
    changed = planner(tmp_path, "compare", tmp_path / "before.json", prefix)
    assert changed.returncode == 10
    assert "DIFFERENT: 1 file" in changed.stdout
    document = json.loads(planner(tmp_path, "compare", tmp_path / "before.json", prefix, "--format", "json").stdout)
    assert [item["subject"] for item in document["differences"]] == ["share/data"]
    assert planner(tmp_path, *root, "compare", "base", "work", "--deep", "--exit-zero").returncode == 0
    inside = planner(tmp_path, *root, "snapshot", "work", "-o", prefix / "s.json")
    assert (inside.returncode, inside.stdout) == (2, "")
    assert "it lies in the environment itself" in inside.stderr
    gone = planner(tmp_path, *root, "compare", "before.json", "nowhere")
    assert gone.returncode == 2
    assert gone.stderr.count("\n") == 1


def test_a_copy_of_a_real_installation_is_identical(real_data, tmp_path):
    source = real_data / "installations/linux-base-py39"
    shutil.copytree(source, tmp_path / "copy", symlinks=True)
    one, two = (snapshot.take("base", str(place), deep=True) for place in (source, tmp_path / "copy"))
    found = comparison.compare(one, two)
    assert not found.differences
    assert found.packages == 38
