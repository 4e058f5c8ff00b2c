"""`planner audit`: what is wrong today is found on real files, and what is well stays unsaid."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.audit import audit
from planner.question import Question
from planner.render import audit as rendering
from planner.render import markdown, terminal
from rules import RULES
from tests import objects

TOP = Path(__file__).parents[1]
SITE = "lib/python3.11/site-packages"
NEEDS_GCC = pytest.mark.skipif(objects.GCC is None, reason="no compiler")


def write(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def package(prefix, name, version, files, *, depends=()):
    """A record with the hash and size of each of its files as they lie there now."""
    paths = []
    for path in files:
        content = (prefix / path).read_bytes()
        paths.append(
            {
                "_path": path,
                "path_type": "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "sha256_in_prefix": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
        )
    record = {
        "name": name,
        "version": version,
        "build": "h0_0",
        "build_number": 0,
        "channel": "https://conda.anaconda.org/conda-forge",
        "subdir": "linux-64",
        "depends": list(depends),
        "files": list(files),
        "paths_data": {"paths_version": 1, "paths": paths},
    }
    write(prefix / f"conda-meta/{name}-{version}-h0_0.json", json.dumps(record))


def dist(prefix, name, version, *files, requires=()):
    """A distribution as pip leaves it."""
    info = f"{SITE}/{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    write(prefix / info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}")
    write(prefix / info / "INSTALLER", "pip\n")
    listed = [f"{path},sha256={_hash(prefix / SITE / path)},1\n" for path in files]
    write(prefix / info / "RECORD", "".join([*listed, f"{name}-{version}.dist-info/RECORD,,\n"]))


def _hash(path):
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


@pytest.fixture
def prefix(tmp_path):
    """A sound environment with a python and a numpy of conda's, and a rich of pip's."""
    root = tmp_path / "conda"
    write(root / "bin/python3.11", "python")
    write(root / f"{SITE}/numpy/__init__.py", "version = '1.26.4'\n")
    write(root / f"{SITE}/numpy/core.py", "x = 1\n")
    write(root / f"{SITE}/numpy-1.26.4.dist-info/METADATA", "Name: numpy\nVersion: 1.26.4\n")
    package(root, "python", "3.11.9", ["bin/python3.11"])
    numpy = (f"{SITE}/numpy/__init__.py", f"{SITE}/numpy/core.py", f"{SITE}/numpy-1.26.4.dist-info/METADATA")
    package(root, "numpy", "1.26.4", numpy, depends=("python >=3.11,<3.12.0a0",))
    write(root / "conda-meta/history", "# update specs: ['numpy', 'python=3.11']\n")
    write(root / f"{SITE}/rich/__init__.py")
    dist(root, "rich", "13.7.1", "rich/__init__.py", requires=("numpy>=1.20",))
    (tmp_path / "home").mkdir()
    return root


def audited(prefix, *, deep=False, **environ):
    home = prefix.parent / "home"
    question = Question(
        env="base",
        root=str(prefix),
        environ=environ,
        home=str(home),
        system=str(prefix.parent / "system"),
        cache_dir=str(home / "cache"),
        created="2026-01-01T00:00:00Z",
        glibc=os.confstr("CS_GNU_LIBC_VERSION").split()[1],
    )
    return audit(question, RULES, deep=deep)


def told(found):
    return [(item.rule, item.severity.value, item.status, item.subject) for item in found.findings]


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_well_is_safe(prefix, deep, state_of):
    before = state_of(prefix)
    found = audited(prefix, deep=deep)
    assert (found.verdict.value, found.findings, found.integrity.damage) == ("safe", (), ())
    assert (found.integrity.looked_at, found.integrity.hashed) == (4, 4 if deep else 0)
    assert state_of(prefix) == before


def test_a_flipped_byte_is_found_deep_and_a_missing_file_always(prefix):
    write(prefix / f"{SITE}/numpy/core.py", "x = 2\n")
    assert audited(prefix).verdict.value == "safe"
    found = audited(prefix, deep=True)
    assert (found.verdict.value, [(item.owner, item.state) for item in found.integrity.damage]) == (
        "review",
        [("numpy", "altered")],
    )
    (prefix / f"{SITE}/numpy/core.py").unlink()
    found = audited(prefix)
    assert (found.verdict.value, [(item.path, item.state) for item in found.integrity.damage]) == (
        "review",
        [(f"{SITE}/numpy/core.py", "missing")],
    )


def test_the_headline_says_what_the_table_of_files_does(prefix):
    (prefix / f"{SITE}/numpy/core.py").unlink()
    (prefix / f"{SITE}/numpy/__init__.py").write_text("other")
    found = audited(prefix)
    assert not found.integrity.only_metadata
    view = rendering.build_view(found)
    assert view.headline == "REVIEW: 1 missing, 1 altered of 4 files of conda's packages: a person has to decide"
    assert "No rule found anything for certain; what became of the files of conda's packages stands below." in (
        markdown.render(view)
    )


def test_where_only_metadata_lies_that_is_said_in_place_of_a_table(prefix):
    for path in ("bin/python3.11", f"{SITE}/numpy/__init__.py", f"{SITE}/numpy/core.py"):
        (prefix / path).unlink()
    found = audited(prefix)
    assert found.integrity.only_metadata  # though numpy's dist-info is there
    text = terminal.render(rendering.build_view(found), width=200, colour=False)
    assert (
        "Only the metadata of an installation lies here, and not the files of conda's packages: 3 missing of 4." in text
    )
    assert f"{SITE}/numpy/core.py" not in text


def test_pip_over_conda_is_found_with_what_it_overwrote(prefix):
    """What `pip install numpy==1.23.5` does: conda's metadata is taken away, and its files are written over."""
    (prefix / f"{SITE}/numpy-1.26.4.dist-info/METADATA").unlink()
    (prefix / f"{SITE}/numpy-1.26.4.dist-info").rmdir()
    write(prefix / f"{SITE}/numpy/__init__.py", "version = '1.23.5'\n")
    dist(prefix, "numpy", "1.23.5", "numpy/__init__.py", "numpy/core.py")
    found = audited(prefix)
    assert found.verdict.value == "unsafe"
    assert ("PIP002", "block", "certain", "pip:numpy") in told(found)
    (overwritten,) = [item for item in found.findings if item.rule == "PIP004"]
    assert (overwritten.subject, overwritten.status) == ("pip:numpy", "certain")
    assert f"{SITE}/numpy/__init__.py" in [item.where for item in overwritten.evidence]
    # What both name is hashed without being asked to: the file itself is not as conda linked it.
    assert found.integrity.hashed == 2
    states = {(item.path, item.state) for item in found.integrity.damage}
    assert (f"{SITE}/numpy/__init__.py", "altered") in states


def test_a_requirement_that_is_not_met(prefix):
    dist(prefix, "app", "1.0", requires=("numpy>=2", "absent", "rich", "other; python_version < '3'"))
    found = audited(prefix)
    unmet = [item for item in found.findings if item.rule == "PIP003"]
    assert {item.subject for item in unmet} == {"pip:app"}
    words = " ".join(item.message for item in unmet)
    assert "numpy>=2" in words
    assert "absent" in words
    assert "rich" not in words
    assert "other" not in words


@NEEDS_GCC
@pytest.mark.parametrize(
    ("path", "severity"),
    [(f"{SITE}/numpy/_core.cpython-311-x86_64-linux-gnu.so", "block"), ("lib/libplugin.so", "warn")],
)
def test_a_library_that_is_missing_now(prefix, path, severity):
    objects.write(objects.ObjectTable(needs={"libcudnn.so.8": ()}, rpath="$ORIGIN"), prefix / path)
    package(prefix, "torch", "1.0", [path])
    (found,) = [item for item in audited(prefix).findings if item.rule == "ABI003"]
    assert (found.severity.value, found.status, found.subject) == (severity, "certain", "conda:torch")
    assert "libcudnn.so.8: cannot open shared object file" in found.message


@NEEDS_GCC
def test_a_library_that_is_there_is_no_finding(prefix):
    objects.write(objects.ObjectTable(needs={"libcudnn.so.8": ()}, rpath="$ORIGIN"), prefix / "lib/libplugin.so")
    objects.write(objects.ObjectTable(), prefix / "lib/libcudnn.so.8")
    package(prefix, "torch", "1.0", ["lib/libplugin.so", "lib/libcudnn.so.8"])
    assert audited(prefix).verdict.value == "safe"


@NEEDS_GCC
def test_a_symbol_version_that_is_missing_now(prefix):
    for version, path in (("1.0", "bin/sound"), ("2.0", "bin/tool")):
        needs = {"liblab.so.1": (f"f@LAB_{version}",)}
        objects.write(objects.ObjectTable(needs=needs, rpath="$ORIGIN/../lib"), prefix / path)
    objects.write(objects.ObjectTable(gives=("f@LAB_1.0",), soname="liblab.so.1"), prefix / "lib/liblab.so.1")
    (found,) = [item for item in audited(prefix).findings if item.rule == "ABI004"]
    assert (found.subject, found.severity.value, found.status) == ("file:bin/tool", "block", "certain")
    assert f"{prefix}/lib/liblab.so.1: version `LAB_2.0' not found" in found.message


@NEEDS_GCC
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", [("block", "certain")]),
        ("export LD_LIBRARY_PATH=$CONDA_PREFIX/own:$LD_LIBRARY_PATH", []),
        ("export LD_LIBRARY_PATH=$(cat where)", [("warn", "unverified")]),
    ],
)
def test_what_activation_sets_counts(prefix, script, expected):
    objects.write(objects.ObjectTable(needs={"libcudnn.so.8": ()}), prefix / f"{SITE}/torch/_C.so")
    if script:
        write(prefix / "etc/conda/activate.d/own.sh", script + "\n")
    if expected:
        write(prefix / "own/other.so.8")
    else:
        objects.write(objects.ObjectTable(), prefix / "own/libcudnn.so.8")
    found = [item for item in audited(prefix).findings if item.rule == "ABI003"]
    assert [(item.severity.value, item.status) for item in found] == expected


def test_leaks_into_the_environment(prefix):
    home = prefix.parent / "home"
    write(home / f".local/{SITE}/numpy-1.23.5.dist-info/METADATA", "Name: numpy\nVersion: 1.23.5\n")
    write(home / ".bashrc", "export PYTHONPATH=/srv/src\n")
    write(prefix / "lib/libfoo.so.1", "x")
    package(prefix, "foo", "1.0", ["lib/libfoo.so.1"])
    write(prefix.parent / "cuda/libfoo.so.1")
    write(prefix / "etc/conda/activate.d/a.sh", f"export LD_LIBRARY_PATH={prefix.parent}/cuda\n")
    assert told(audited(prefix)) == [
        ("ENV001", "warn", "certain", "conda:numpy"),
        ("ENV002", "warn", "certain", f"file:{home}/.bashrc"),
        ("ENV003", "warn", "certain", f"file:{prefix}/etc/conda/activate.d/a.sh"),
    ]
    assert audited(prefix).verdict.value == "review"


def test_what_in_it_leads_into_another_environment_is_told_and_what_leads_to_its_own_is_not(prefix):
    other = prefix / "envs/other"
    write(other / "conda-meta/history")
    write(other / "bin/tool", "x")
    activation = prefix / "etc/conda/activate.d"
    write(activation / "there.sh", f"{other}/bin/tool\n")
    write(activation / "by-prefix.sh", "$CONDA_PREFIX/envs/other/bin/gone\n")
    write(activation / "own.sh", f"{prefix}/bin/python3.11 -V\n")
    found = audited(prefix)
    assert told(found) == [
        ("ENV005", "warn", "certain", f"file:{activation}/by-prefix.sh"),
        ("ENV005", "warn", "certain", f"file:{activation}/there.sh"),
    ]
    gone, there = (item.message for item in found.findings)
    assert gone.endswith(f"leads to {other}/bin/gone, which is not there")
    assert there.endswith(f"leads to {other}/bin/tool, so that changes there reach it")
    assert found.verdict.value == "review"


def test_what_refers_to_it_is_listed_and_what_is_dead_is_a_warning(prefix):
    home = prefix.parent / "home"
    write(home / ".local/bin/tool", f"#!{prefix}/bin/python3.11\n")
    write(home / ".local/bin/dead", f"#!{prefix}/bin/python3.8\n")
    found = audited(prefix)
    assert told(found) == [("ENV005", "warn", "certain", f"file:{home}/.local/bin/dead")]
    assert len(found.outside) == 2


def test_what_cannot_be_read_leaves_it_unknown(prefix):
    write(prefix / "conda-meta/cut-1.0-0.json", '{"name": "')
    found = audited(prefix)
    assert found.verdict.value == "unknown"
    assert "cut-1.0-0.json" in rendering.dumps(found)


def test_a_fifo_in_a_file_s_place_neither_hangs_nor_passes(prefix):
    (prefix / f"{SITE}/numpy/core.py").unlink()
    os.mkfifo(prefix / f"{SITE}/numpy/core.py")
    write(prefix / "share/evil\x1b[31m\nname", "x")
    package(prefix, "evil", "1.0", ["share/evil\x1b[31m\nname"])
    (prefix / "share/evil\x1b[31m\nname").unlink()
    found = audited(prefix, deep=True)
    assert [(item.owner, item.state) for item in found.integrity.damage] == [("numpy", "altered"), ("evil", "missing")]
    view = rendering.build_view(found)
    for text in (terminal.render(view, width=80, colour=False), markdown.render(view)):
        assert "\x1b" not in text


def test_the_command_line(prefix):
    (prefix / f"{SITE}/numpy/core.py").unlink()
    command = [sys.executable, TOP / "cli.py", "--root", prefix, "audit", "base", "--format", "json"]
    env = {"HOME": str(prefix.parent / "home"), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr, document["verdict"]) == (10, "", "review")
    assert document["files"]["damage"][0]["path"] == f"{SITE}/numpy/core.py"
    assert subprocess.run([*command, "--exit-zero"], env=env, capture_output=True, check=False).returncode == 0
    unknown = subprocess.run([*command[:-3], "nowhere"], env=env, capture_output=True, text=True, check=False)
    assert (unknown.returncode, unknown.stdout, unknown.stderr.count("\n")) == (2, "", 1)


def test_real_installations_are_audited_without_their_files(real_data):
    """They have no files but metadata: every file is missing, and that is what is said."""
    found = audit(
        Question(
            env="base",
            root=str(real_data / "installations/linux-base-py39"),
            environ={},
            home="/nonexistent",
            system="/nonexistent",
            cache_dir="/nonexistent",
            created="",
        ),
        RULES,
        deep=False,
    )
    assert {item.state for item in found.integrity.damage} == {"missing"}
    assert found.verdict.value != "safe"
    assert found.integrity.only_metadata
    view = rendering.build_view(found)
    text = terminal.render(view, width=200, colour=False)
    bare = "nly the metadata of an installation lies here, and not the files of conda's packages"
    assert view.headline == f"REVIEW: o{bare} (221 missing)"
    assert f"O{bare}: 221 missing of 221." in text
    assert "nothing is broken" not in text
