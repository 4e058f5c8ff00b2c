"""The files of a migration: what conda, pip and YAML readers make of them, hostile names and URLs included."""

import re

import pytest
import yaml
from packaging.requirements import Requirement

from planner.artifacts import environment_yml, explicit_lock, in_dependency_order, lock_url, script
from planner.model.installed import DirectUrl, Environment, PackageRecord, PipDist
from planner.pip_layer import pip_layer, provided_dists

# What conda, mamba and micromamba read in an explicit lock: the expression of CEP 23.
CEP23 = re.compile(
    r"(?:(?P<url_p>.+)(?:[/\\]))?(?P<fn>[^/\\#]+(?:\.tar\.bz2|\.conda))(?:#((?P<md5>[0-9a-f]{32})|((sha256:)?(?P<sha256>[0-9a-f]{64}))))?$"
)
COMMIT = "0a1b2c3d4e" * 4
HOSTILE = ("a\nb", "a\r\nb", "a\u2028b", "a\x85b", "a\x0bb", "x --index-url http://evil", "-r /etc/passwd", "a;b", "")


def record(name, version="1.0", build="0", *, depends=(), **more):
    more.setdefault("url", f"https://conda.anaconda.org/conda-forge/linux-64/{name}-{version}-{build}.conda")
    more.setdefault("channel", "https://conda.anaconda.org/conda-forge")
    return PackageRecord(name, version, build, depends=depends, subdir="linux-64", **more)


def dist(name, version="1.0", **more):
    more.setdefault("python", "3.9")
    return PipDist(name, version, name, "lib/python3.9/site-packages", f"lib/python3.9/site-packages/{name}", **more)


def environment(*dists, records=()):
    python = record("python", "3.9.5", "h0_0")
    return Environment("base", "/opt/conda", "linux-64", records=(python, *records), dists=dists)


def entries(text):
    """The lines of a file that are no comments."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


# --- explicit.txt


def test_the_lock_holds_urls_with_hashes_in_dependency_order():
    records = (
        record(
            "numpy", "1.26.4", "py311_0", depends=("python >=3.11,<3.12.0a0", "libblas"), md5="a" * 32, sha256="b" * 64
        ),
        record("libblas", "3.9.0", "22", md5="c" * 32),
        record("python", "3.11.9", "h1_0", depends=("zlib", "pip", "__glibc >=2.17"), sha256="d" * 64),
        record("pip", "24.0", "pyh_0", depends=("python >=3.7",), md5="e" * 32),
        record("zlib", "1.3", "h0_0"),
    )
    base = "https://conda.anaconda.org/conda-forge/linux-64/"
    assert entries(explicit_lock(records, "linux-64", sha256=True)) == [
        "@EXPLICIT",
        f"{base}libblas-3.9.0-22.conda#{'c' * 32}",
        f"{base}zlib-1.3-h0_0.conda",
        f"{base}python-3.11.9-h1_0.conda#sha256:{'d' * 64}",
        f"{base}numpy-1.26.4-py311_0.conda#sha256:{'b' * 64}",
        f"{base}pip-24.0-pyh_0.conda#{'e' * 32}",
    ]


def test_an_older_conda_gets_md5_sums_or_none():
    text = explicit_lock(
        [record("a", md5="a" * 32, sha256="b" * 64), record("b", sha256="b" * 64)], "linux-64", sha256=False
    )
    assert entries(text)[1:] == [
        f"https://conda.anaconda.org/conda-forge/linux-64/a-1.0-0.conda#{'a' * 32}",
        "https://conda.anaconda.org/conda-forge/linux-64/b-1.0-0.conda",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@host.example/ch/linux-64/a-1-0.conda", "https://host.example/ch/linux-64/a-1-0.conda"),
        ("https://host.example/t/tk-1234/ch/linux-64/a-1-0.conda", "https://host.example/ch/linux-64/a-1-0.conda"),
        ("file:///srv/t/ch/linux-64/a-1-0.tar.bz2", "file:///srv/t/ch/linux-64/a-1-0.tar.bz2"),
        ("file:///srv/my channel/a-1-0.conda", "file:///srv/my%20channel/a-1-0.conda"),
        ("", None),
        ("https://host.example/\x1b[31m/a-1-0.conda", None),
        ("a-1-0.conda", None),
        ("https://host.example/a-1-0.zip", None),
        ("https://host.example/a-1-0.conda?token=1", None),
        ("https://host.example/x\nhttps://evil.example/a-1-0.conda", None),
    ],
)
def test_the_url_of_a_lock(url, expected):
    assert lock_url(record("a", url=url)) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_no_record_can_add_a_line_to_the_lock(text):
    hostile = (
        record("a", url=f"https://host.example/{text}/a-1-0.conda", md5=f"{'a' * 32}{text}"),
        record(text or "b", url="", version=text),
    )
    lock = explicit_lock(hostile, text, sha256=True)
    lines = entries(lock)
    assert lines[0] == "@EXPLICIT"
    assert len(lines) <= 2
    assert all(CEP23.fullmatch(line) and line.startswith("https://host.example/") for line in lines[1:])
    assert f"# MISSING: no URL is known for {text.splitlines()[0] if text else 'b'}" in lock


def test_a_cycle_and_a_missing_dependency_do_not_stop_the_order():
    records = [record("b", depends=("a", "nowhere")), record("a", depends=("b",)), record("c", depends=("a",))]
    assert [one.name for one in in_dependency_order(records)] == ["b", "a", "c"]


# --- environment.yml


def test_environment_yml_says_what_was_requested():
    gpu = record("pytorch", "2.1.0", "py3.11_cuda12.1_cudnn8.9.2_0")
    text = environment_yml(
        "train-py311",
        ("pytorch", "https://me:secret@host.example/t/tk-1/ch", "conda-forge"),
        (record("python", "3.11.9"), record("pip", "24.0"), record("zlib"), gpu),
        ("python", "pip", "pytorch", "gone"),
        ("einops==0.7.0", "-e file:///srv/code"),
        ("a note\n- with: a line",),
    )
    assert yaml.safe_load(text) == {
        "name": "train-py311",
        "channels": ["pytorch", "https://host.example/ch", "conda-forge", "nodefaults"],
        "dependencies": [
            "pip=24.0",
            "python=3.11.9",
            "pytorch=2.1.0=py3.11_cuda12.1_cudnn8.9.2_0",
            {"pip": ["einops==0.7.0", "-e file:///srv/code"]},
        ],
    }
    assert text.startswith("# a note\\n- with: a line\n")
    assert yaml.safe_load(environment_yml("n", ("defaults",), (), (), ()))["channels"] == ["defaults"]


@pytest.mark.parametrize("text", HOSTILE)
def test_environment_yml_is_yaml_whatever_it_holds(text):
    solved = (record(text or "x", version=text), record("python", "3.11.9"))
    parsed = yaml.safe_load(environment_yml(text, (text,), solved, (text, "python"), (text,), (text,)))
    assert parsed == {
        "name": text,
        "channels": [text, "nodefaults"],
        "dependencies": ["python=3.11.9", {"pip": [text]}],
    }


# --- requirements.txt


def test_the_pip_layer_class_by_class():
    where = "lib/python3.9/site-packages"
    tagged = {"extensions": ("x.cpython-39-x86_64-linux-gnu.so",), "tags": ("cp39-cp39-manylinux1_x86_64",)}
    layer = pip_layer(
        environment(
            dist("einops", "0.7.0"),
            dist("pandas", "1.3.4", **tagged),
            dist("argon2-cffi", "21.1.0", extensions=("a.abi3.so",), tags=("cp35-abi3-manylinux1_x86_64",)),
            dist("numba", "0.54.1", requires_python=">=3.7,<3.10", **tagged),
            dist("mine", direct_url=DirectUrl("file:///srv/my code", editable=True, kind="dir")),
            dist("folder", direct_url=DirectUrl("file:///srv/folder", kind="dir")),
            dist("archive", direct_url=DirectUrl("file:///srv/archive-1.0-py3-none-any.whl")),
            dist("fetched", direct_url=DirectUrl("https://host.example/fetched-1.0.tar.gz")),
            dist("built", direct_url=DirectUrl("https://host.example/built-1.0-cp39-cp39-linux_x86_64.whl"), **tagged),
            dist("secret", direct_url=DirectUrl("https://me:pw@host.example/secret-1.0.tar.gz")),
            dist("vcs", direct_url=DirectUrl("https://host.example/vcs.git", kind="vcs")),
            dist("torch", "2.1.0+cu118", **tagged),
            dist("private", "1.0+ours"),
            dist("owned", owner="owned"),
            dist("odd", "1.0-final-ish"),
            dist("padded", "1.0\n"),
            dist("split", direct_url=DirectUrl("file:///srv/a\nb", editable=True, kind="dir")),
        ),
        (record("python", "3.11.9", "h1_0"),),
        "3.11.9",
        windows=False,
    )
    assert layer.lines == (
        "--extra-index-url https://download.pytorch.org/whl/cu118",
        "argon2-cffi==21.1.0",
        "einops==0.7.0",
        "fetched @ https://host.example/fetched-1.0.tar.gz",
        "-e file:///srv/my%20code",
        "pandas==1.3.4",
        "torch==2.1.0+cu118",
    )
    assert layer.rebuilt == ("pandas", "torch")
    assert {one.name: why for one, why in layer.left} == {
        "archive": "installed from the file file:///srv/archive-1.0-py3-none-any.whl; if that is still there and fits: "
        "archive @ file:///srv/archive-1.0-py3-none-any.whl",
        "built": "installed from https://host.example/built-1.0-cp39-cp39-linux_x86_64.whl, a wheel for the old python",
        "folder": "installed from the folder file:///srv/folder; if that is still there: folder @ file:///srv/folder",
        "numba": "this version says Requires-Python >=3.7,<3.10, and the new python is 3.11.9",
        "odd": "its version is not one that pip accepts",
        "padded": "its version is not one that pip accepts",
        "split": "the place it was installed from cannot be written down safely (credentials, a query, or no URL)",
        "private": "a local version: no public index has it; install it from where it was built",
        "secret": "the place it was installed from cannot be written down safely (credentials, a query, or no URL)",
        "vcs": f"installed from the repository https://host.example/vcs.git; the commit is in {where}/vcs/direct_url.json",
    }
    assert entries(layer.torch_text) == [layer.lines[0], "torch==2.1.0+cu118"]
    assert entries(layer.text) == [
        line for line in layer.lines if not line.startswith("-e ") and line not in entries(layer.torch_text)
    ]
    assert entries(layer.editable_text) == ["-e file:///srv/my%20code"]
    assert "pw" not in layer.text


def test_what_pip_took_from_a_place_that_is_still_there_comes_along():
    tagged = {"extensions": ("x.cpython-39-x86_64-linux-gnu.so",), "tags": ("cp39-cp39-linux_x86_64",)}
    folder, archive, old = (
        f"file:///srv/{name}" for name in ("folder", "a-1.0.whl", "b-1.0-cp39-cp39-linux_x86_64.whl")
    )
    dists = (
        dist("folder", direct_url=DirectUrl(folder, kind="dir")),
        dist("archive", direct_url=DirectUrl(archive)),
        dist("old", direct_url=DirectUrl(old), **tagged),
        dist("gone", direct_url=DirectUrl("file:///srv/gone", kind="dir")),
    )
    sources = frozenset({folder, archive, old})
    layer = pip_layer(environment(*dists), (), "3.11.9", windows=False, sources=sources)
    assert layer.lines == (f"archive @ {archive}", f"folder @ {folder}")
    assert sorted(one.name for one, _ in layer.left) == ["gone", "old"]


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        (
            DirectUrl("https://h.example/v.git", kind="vcs", vcs="git", commit=COMMIT),
            "v @ git+https://h.example/v.git@{}",
            "",
        ),
        (
            DirectUrl("https://h.example/v.git", kind="vcs", vcs="git", commit=COMMIT, subdirectory="a/b"),
            "v @ git+https://h.example/v.git@{}#subdirectory=a/b",
            "",
        ),
        (DirectUrl("file:///srv/v", kind="vcs", vcs="git", commit=COMMIT), "v @ git+file:///srv/v@{}", ""),
        (DirectUrl("file:///srv/gone", kind="vcs", vcs="git", commit=COMMIT), None, "is not there any more"),
        (DirectUrl("ssh://h.example/v.git", kind="vcs", vcs="git", commit=COMMIT), None, "may ask for a key of yours"),
        (DirectUrl("https://h.example/v", kind="vcs", vcs="svn", commit="12"), None, "the commit is in"),
        (DirectUrl("https://h.example/v", kind="vcs", vcs="git", commit="main"), None, "the commit is in"),
        (
            DirectUrl("https://h.example/v", kind="vcs", vcs="git", commit=COMMIT, subdirectory="a\n-e b"),
            None,
            "the commit is in",
        ),
    ],
)
def test_what_was_built_from_a_repository_is_built_from_the_same_commit(source, line, said):
    old = environment(dist("v", direct_url=source))
    layer = pip_layer(old, (), "3.11.9", windows=False, sources=frozenset({"file:///srv/v"}))
    assert layer.lines == ((line.format(COMMIT),) if line else ())
    assert [said in why for _, why in layer.left] == ([] if line else [True])


def test_what_conda_brings_is_not_installed_again():
    records = (
        record("python", "3.11.9"),
        record("pytorch", "2.1.0", "py3.11_cuda12.1_0", depends=("python >=3.11,<3.12.0a0",)),
        record("ruamel.yaml", "0.18", depends=("python >=3.11,<3.12.0a0",)),
        record("opencv", "4.8"),
        record("graphviz", "8.0"),  # the program: the distribution of that name is something else
        record("attrs", "23.1", noarch="python"),
    )
    old = environment(
        dist("torch", "2.1.0"),
        dist("ruamel-yaml", "0.17"),
        dist("opencv-python-headless", "4.7", owner="opencv"),
        dist("opencv-python-headless", "4.8"),
        dist("graphviz", "0.20"),
        dist("attrs", "23.2"),
    )
    layer = pip_layer(old, records, "3.11.9", windows=False)
    assert layer.lines == ("graphviz==0.20",)
    assert {one.name: why for one, why in layer.left} == {
        "attrs": "conda provides it in the new environment, as attrs 23.1 0",
        "opencv-python-headless": "conda provides it in the new environment, as opencv 4.8 0",
        "ruamel-yaml": "conda provides it in the new environment, as ruamel.yaml 0.18 0",
        "torch": "conda provides it in the new environment, as pytorch 2.1.0 py3.11_cuda12.1_0",
    }
    assert "graphviz" not in provided_dists(old, records)


def test_what_the_old_python_does_not_see_is_not_carried():
    old = environment(dist("here"), dist("here", "0.9", python="3.8"), dist("stale", python="3.8"))
    layer = pip_layer(old, (), "3.9.18", windows=False)
    assert layer.lines == ("here==1.0",)
    assert [(one.name, why) for one, why in layer.left] == [
        ("stale", "it lies in the folder of python 3.8, which the environment's own python 3.9 does not see")
    ]
    assert layer.rebuilt == ()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "field", ["name", "version", "requires_python", "dir", "archive", "vcs", "editable", "display", "torch"]
)
def test_no_dist_can_add_a_line_or_an_option(field, text):
    url = f"file:///srv/{text}"
    hostile = {
        "name": dist(text),
        "version": dist("fine", text),
        "requires_python": dist("fine", requires_python=f">=3.12 {text}"),
        "dir": dist("fine", direct_url=DirectUrl(url, kind="dir")),
        "archive": dist("fine", direct_url=DirectUrl(f"https://host.example/{text}")),
        "vcs": dist("fine", direct_url=DirectUrl(f"https://{text}/x", kind="vcs")),
        "editable": dist("fine", direct_url=DirectUrl(url, editable=True, kind="dir")),
        "display": dist("fine", direct_url=DirectUrl(text, editable=True, kind="dir")),
        "torch": dist("torch", f"2.1.0+{text}"),
    }[field]
    for line in entries(pip_layer(environment(hostile), (), "3.11.9", windows=False).text):
        if line.startswith("-e "):
            assert re.fullmatch(r"-e file:///srv/[^\s'\"\\$#;]*", line)
        else:
            parsed = Requirement(line)
            assert parsed.name == "fine"
            assert parsed.marker is None


def test_the_scripts_are_whole():
    assert compile(script("probe.py"), "verify_gpu.py", "exec")
    assert compile(script("smoke.py"), "smoke_test.py", "exec")
