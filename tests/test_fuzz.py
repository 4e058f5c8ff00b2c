"""Damaged files of every kind that is read: a clear error or a problem on record, never an exception of another kind.

`make fuzz` draws fifty times as many. ELF objects have a test of their own kind in `test_elf.py`.
"""

import json
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from planner.abi import archives
from planner.channels import open_channels, records_of
from planner.conda_meta import BadRecordError, decode, paths, python_metadata
from planner.dist_files import compiled_modules, read_list, top_level_names
from planner.dist_metadata import parse, required
from planner.errors import InputError
from planner.history import read_history, unreadable_lines
from planner.load import load_environment
from planner.model.installed import Environment, History, RecordFiles
from planner.render.escape import visible
from planner.serialize import load_plan

FUZZ = int(os.environ.get("PLANNER_FUZZ", "2000"))
RECORD = {
    "name": "numpy",
    "version": "1.26.4",
    "build": "py311h64a7726_0",
    "build_number": 0,
    "channel": "https://conda.anaconda.org/conda-forge/linux-64",
    "subdir": "linux-64",
    "fn": "numpy-1.26.4-py311h64a7726_0.conda",
    "url": "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py311h64a7726_0.conda",
    "depends": ["libblas >=3.9.0,<4.0a0", "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311"],
    "constrains": ["numpy-base <0a0"],
    "noarch": None,
    "timestamp": 1707225342000,
    "size": 8065890,
    "sha256": "3f4365e11b28e244c95ba8579942b0802761ba7bb31c026f50d1a9ea9c728149",
    "track_features": "",
    "files": [
        "lib/python3.11/site-packages/numpy-1.26.4.dist-info/METADATA",
        "lib/python3.11/site-packages/numpy/a.so",
    ],
    "paths_data": {"paths_version": 1, "paths": [{"_path": "bin/f2py", "path_type": "hardlink"}]},
    "link": {"source": "/opt/pkgs/numpy", "type": 1},
}
HISTORY = """==> 2024-01-01 00:00:00 <==
# cmd: conda create -n work python=3.11 numpy
# conda version: 24.1.0
+conda-forge/linux-64::numpy-1.26.4-py311h64a7726_0
# update specs: ['python=3.11', 'numpy[version=">=1.26"]']
# remove specs: scipy,pandas
"""
METADATA = """Metadata-Version: 2.1
Name: Flask
Version: 3.0.0
Requires-Python: >=3.8
Requires-Dist: importlib-metadata>=3.6.0; python_version < "3.10"
Requires-Dist: Jinja2 (>=3.1.2)

The description: it may hold anything.
"""
LISTED = 'flask/__init__.py,sha256=abc,12\n"flask/a,b.py",,\n../../../bin/flask,sha256=d,3\nflask/_x.cpython-311-x86_64-linux-gnu.so,,\n'
STRANGE = ["", "\0", "\u202e", "/etc/passwd", "../../..", "a" * 3000, "é", "[", "%s", "$(touch x)", "1!2.*", "<0a0"]
VALUES = [None, True, 0, -1, 2**70, 1e400, [], {}, [[[]]], ["x"], {"a": {"b": 1}}, *STRANGE]


def damaged_text(draw, text):
    """Bytes of a text with a few changes: cut, doubled, overwritten."""
    content = bytearray(text.encode())
    for _ in range(draw.randrange(1, 5)):
        at = draw.randrange(len(content) + 1)
        piece = draw.choice(
            [draw.randbytes(draw.randrange(1, 6)), draw.choice(STRANGE).encode(), bytes(content[at : at + 9])]
        )
        content[at : at + draw.choice((0, len(piece)))] = piece
    return bytes(content[: draw.randrange(len(content) + 1)] if draw.random() < 0.1 else content)


def damaged_json(draw, value):
    """JSON of a value in which something is of another type, or the text of which is damaged."""
    copy = json.loads(json.dumps(value))
    for _ in range(draw.randrange(1, 4)):
        here = copy
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(here[key], (dict, list)) and here[key] and draw.random() < 0.7:
                here = here[key]
                continue
            here[key] = json.loads(json.dumps(draw.choice(VALUES)))
            break
    text = json.dumps(copy)
    return damaged_text(draw, text) if draw.random() < 0.4 else text.encode()


def draws(count=FUZZ):
    for number in range(count):
        yield number, random.Random(number)  # noqa: S311 -- damage that is the same each time, no secret


def test_a_damaged_record_is_a_record_or_a_bad_one():
    kinds, told = set(), []
    for _, draw in draws():
        content = damaged_json(draw, RECORD)
        assert all(isinstance(path, str) for path in python_metadata(content))
        try:
            found = decode(content)
            listed = paths(content, found)
            kinds.add(type(found))
            assert listed is None or isinstance(listed, RecordFiles)
        except BadRecordError as error:
            told.append(str(error))
    assert kinds
    assert told
    assert all(text.startswith(("it is", "its JSON")) for text in told)


def test_a_damaged_history_is_a_history():
    for _, draw in draws():
        text = damaged_text(draw, HISTORY).decode("utf-8", "replace")
        assert isinstance(read_history(text, {"python", "numpy"}), History)
        assert all(isinstance(line, str) for line in unreadable_lines(text))


def test_damaged_metadata_of_a_distribution_is_read_as_far_as_it_goes():
    for _, draw in draws():
        text = damaged_text(draw, METADATA).decode("utf-8", "replace")
        parse(text)
        required(text)
        listed = read_list(damaged_text(draw, LISTED).decode("utf-8", "replace"))
        compiled_modules(listed, ("cp311-cp311-linux_x86_64",))
        top_level_names(listed)


def test_a_damaged_file_list_of_a_package_is_a_list_or_none():
    listed = {"paths_version": 1, "paths": [{"_path": "lib/a.so", "path_type": "softlink"}, {"_path": "bin/a"}]}
    for _, draw in draws():
        found = archives._decoded(damaged_json(draw, listed))
        for item in found.paths if found is not None else ():
            assert not item.path.startswith("/")
            assert ".." not in item.path.split("/")


@pytest.fixture
def in_memory():
    """A folder whose files cost no disk."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 -- a folder of its own below it
    folder = tempfile.mkdtemp(dir=where)
    yield Path(folder)
    shutil.rmtree(folder)


def test_a_damaged_environment_loads_and_says_what_is_wrong(in_memory):
    meta, dist = in_memory / "conda-meta", in_memory / "lib/python3.11/site-packages/Flask-3.0.0.dist-info"
    meta.mkdir()
    dist.mkdir(parents=True)
    files = {
        meta / "numpy-1.26.4-py311h64a7726_0.json": json.dumps(RECORD),
        meta / "history": HISTORY,
        meta / "pinned": "python 3.11.*\n# none\nnumpy <2\n",
        meta / "frozen": '{"message": "hands off"}',
        meta / "state": '{"version": 1, "env_vars": {"A": "b"}}',
        dist / "METADATA": METADATA,
        dist / "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        dist / "RECORD": LISTED,
        dist / "direct_url.json": '{"url": "file:///src", "dir_info": {"editable": true}}',
    }
    told = 0
    for _, draw in draws(FUZZ // 5):
        for path, text in files.items():
            path.write_bytes(damaged_text(draw, text) if draw.random() < 0.4 else text.encode())
        environment = load_environment("work", str(in_memory))
        assert isinstance(environment, Environment)
        told += len(environment.problems)
        assert all(problem.what and problem.consequence for problem in environment.problems)
        assert all(visible(problem.what).isprintable() for problem in environment.problems)
    assert told


def test_damaged_repodata_is_read_or_is_a_channel_error(in_memory):
    item = {key: value for key, value in RECORD.items() if key not in {"files", "paths_data", "link", "fn", "url"}}
    whole = {"info": {"subdir": "linux-64"}, "packages.conda": {RECORD["fn"]: item}, "packages": {}, "removed": []}
    folder = in_memory / "channel" / "linux-64"
    folder.mkdir(parents=True)
    read, told = 0, []
    for _, draw in draws(FUZZ // 5):
        (folder / "repodata.json").write_bytes(damaged_json(draw, whole))
        try:
            found = open_channels(
                [str(in_memory / "channel")], "linux-64", offline=True, cache_dir=str(in_memory / "c")
            )
            read += 1
            for repodata in found:
                records_of(repodata, ["numpy"])
        except InputError as error:
            told.append(str(error))
    assert read
    assert told
    assert all(str(in_memory) in text for text in told)


def test_a_damaged_plan_is_one_clear_error(in_memory):
    path = in_memory / "plan.json"
    plan = {"format": "conda-upgrade-plan", "schema_version": 1, "findings": [], "verdict": "safe", "target": {}}
    for _, draw in draws(FUZZ // 5):
        path.write_bytes(damaged_json(draw, plan))
        with pytest.raises(InputError, match=r"plan\.json"):
            load_plan(str(path))
