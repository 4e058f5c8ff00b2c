"""pip's side of a change: what stays in sight, what each class needs, who owns which file, what is required of whom."""

import base64
import hashlib
import json

import pytest
from msgspec.structs import replace

from planner.model.installed import DirectUrl, PipDist, SharedPath
from planner.pip_after import dist_name, environment_after
from planner.pip_classes import accepts, built_from_source, renewal
from planner.shared_paths import shared_paths
from planner.torch_extensions import bound_to_torch, made_for
from tests.situations import SITE, fired, only, pkg, python, short, situation


def dist(name, version="1.0", *requires, site=SITE, **more):
    folder = f"{site}/{name}-{version}.dist-info"
    more.setdefault("python", "3.10")
    more.setdefault("tags", ("py3-none-any",))
    return PipDist(name, version, name, site, folder, requires_dist=requires, **more)


def compiled(name, version="1.0", *requires, tag="cp310-cp310-manylinux_2_17_x86_64", **more):
    return dist(
        name, version, *requires, tags=(tag,), extensions=(f"{name}/_c.cpython-310-x86_64-linux-gnu.so",), **more
    )


# ---------------------------------------------------------------------------------------------------------------------
# Classes


@pytest.mark.parametrize(
    ("item", "planned", "expected"),
    [
        pytest.param(dist("pure"), "3.11", "same", id="pure"),
        pytest.param(dist("pure", requires_python="<3.11"), "3.11", "refused", id="Requires-Python"),
        pytest.param(dist("pure", requires_python=">=3.11.2"), "3.11", "same", id="some release of it"),
        pytest.param(compiled("numpy"), "3.11", "wheel", id="tagged"),
        pytest.param(compiled("numpy", requires_python=">=3.7,<3.11"), "3.11.4", "refused", id="tagged and refused"),
        pytest.param(compiled("argon2", tag="cp36-abi3-manylinux1_x86_64"), "3.11", "same", id="abi3"),
        pytest.param(compiled("nh3", tag="cp312-abi3-manylinux1_x86_64"), "3.11", "wheel", id="abi3 of a later python"),
        pytest.param(compiled("mine", tag="cp310-cp310-linux_x86_64"), "3.11", "rebuild", id="built here"),
        pytest.param(
            compiled("torch", "2.1.0+cpu", tag="cp310-cp310-linux_x86_64"), "3.11", "wheel", id="an index of its own"
        ),
        pytest.param(
            dist("app", direct_url=DirectUrl("file:///srv/app", editable=True, kind="dir")),
            "3.11",
            "source",
            id="editable",
        ),
        pytest.param(
            compiled("ext", direct_url=DirectUrl("https://example.org/ext.git", kind="vcs")),
            "3.11",
            "source",
            id="a repository",
        ),
    ],
)
def test_what_it_takes_to_have_a_distribution_again(item, planned, expected):
    assert renewal(item, planned) == expected


def test_only_what_was_compiled_here_was_built_from_source():
    assert built_from_source(compiled("mine", tag="cp310-cp310-linux_x86_64"))
    assert not built_from_source(compiled("numpy"))
    assert not built_from_source(dist("pure"))


def test_an_unreadable_requires_python_turns_nobody_away():
    assert accepts("about 3", "3.11") is None
    assert renewal(dist("odd", requires_python="about 3"), "3.11") == "same"


def test_pip001_says_what_a_distribution_is_bound_to_and_who_refuses():
    items = [
        compiled("xformers", "0.0.20", "torch (==2.0.1)", "numpy"),
        compiled("numba", "0.54.1", requires_python=">=3.7,<3.11"),
        compiled("mine", tag="cp310-cp310-linux_x86_64"),
    ]
    ctx = situation([python("3.10.14")], [python("3.11.9")], "python=3.11", dists=items)
    xformers, numba, mine = fired("PIP001", ctx)
    assert "compiled for cp310, bound to torch and numpy)" in xformers.message
    assert numba.remedy == "install another version of numba for python 3.11: this one says Requires-Python >=3.7,<3.11"
    assert numba.evidence[-1].what == "Requires-Python: >=3.7,<3.11"
    assert "compiled for cp310, built from source)" in mine.message
    assert mine.remedy.startswith("build mine==1.0 again for python 3.11")


@pytest.mark.parametrize(
    ("item", "torch", "cuda", "abi"),
    [
        (compiled("torch-scatter", "2.1.2+pt23cu121"), "2.3", "12.1", None),
        (compiled("pyg-lib", "0.4.0+pt211cpu"), "2.11", None, None),
        (compiled("flash-attn", "2.5.8+cu122torch2.3cxx11abifalse"), "2.3", "12.2", False),
        (
            compiled(
                "flash-attn",
                "2.7.4",
                direct_url=DirectUrl(
                    "https://example.org/flash_attn-2.7.4%2Bcu12torch2.6cxx11abiTRUE-cp310-cp310-linux_x86_64.whl"
                ),
            ),
            "2.6",
            "12",
            True,
        ),
    ],
)
def test_the_name_of_a_wheel_tells_its_torch(item, torch, cuda, abi):
    found = made_for(item)
    assert (found.torch, found.cuda, found.cxx11_abi) == (torch, cuda, abi)
    assert bound_to_torch(item)


def test_a_pure_distribution_is_bound_to_no_torch():
    assert made_for(dist("timm", "1.0.0")) is None
    assert not bound_to_torch(dist("timm", "1.0.0", "torch"))
    assert not bound_to_torch(compiled("torch", "2.5.1"))


def test_pip001_what_lies_in_the_new_folder_already_is_found_again():
    later = "lib/python3.11/site-packages"
    lying = [dist("toolz", "1.0", site=later, python="3.11"), dist("click", "8.0", site=later, python="3.11")]
    dists = [dist("toolz"), dist("click", "8.1"), dist("six"), *lying]
    before, after = [python("3.10.13")], [python("3.11.7")]
    found = fired("PIP001", situation(before, after, "python=3.11", dists=dists))
    assert short(found) == [("pip:click", "warn", "certain", None), ("pip:six", "warn", "certain", "gone")]
    assert "python 3.11 finds 8.0" in found[0].message
    found = fired("PIP001", situation(before, [python("3.12.1")], "python=3.12", dists=dists))
    assert {item.predicts for item in found} == {"gone"}


# ---------------------------------------------------------------------------------------------------------------------
# After the change


def test_what_conda_brings_is_told_by_its_dist_info_then_by_its_name():
    assert dist_name(pkg("pytorch", "2.5.1", "0", "python")) == "torch"
    assert dist_name(pkg("importlib_metadata", "8", "0", "python")) == "importlib-metadata"
    assert dist_name(pkg("redis", "7.2", "0", "libgcc")) is None


def test_the_version_of_a_distribution_that_conda_counts_otherwise_is_not_known_after_a_change():
    owned = dist("torch", "2.1.0.post300", owner="pytorch")
    ctx = situation([python("3.10.14"), pkg("pytorch", "2.1.0")], None, dists=[owned])
    planned = environment_after(ctx.environment, (python("3.10.14"), pkg("pytorch", "2.2.0")), "3.10.14")
    assert [(item.name, item.version, item.owner) for item in planned.dists if item.name == "torch"] == [
        ("torch", "", "pytorch")
    ]
    same = environment_after(ctx.environment, ctx.environment.records, "3.10.14")
    assert owned in same.dists


def test_pip003_on_windows_a_pure_distribution_stays_and_its_requires_python_is_broken():
    item = dist("numba", requires_python=">=3.7,<3.11", site="Lib/site-packages", python=None)
    ctx = situation([python("3.10.14")], [python("3.11.9")], "python=3.11", dists=[item], subdir="win-64")
    found = only("PIP003", ctx)
    assert found.message == "numba 1.0 (pip) requires python>=3.7,<3.11, and python would be 3.11.9"
    assert found.evidence[0].what == "Requires-Python: >=3.7,<3.11"


def test_pip003_what_leaves_with_conda_is_not_there():
    ctx = situation(
        [python("3.10.14"), pkg("requests", "2.31", "pyhd8_0", "python", noarch="python")],
        [python("3.10.14")],
        dists=[dist("httpkit", "1.0", "requests>=2")],
    )
    found = only("PIP003", ctx)
    assert (found.severity.value, found.status, found.pre_existing) == ("block", "certain", False)
    assert found.message == "httpkit 1.0 (pip) requires requests>=2, and requests would not be there"


def test_pip003_what_was_missing_before_is_told_as_such():
    numpy = pkg("numpy", "1.26.4", "py310h1_0", "python >=3.10,<3.11.0a0")
    ctx = situation([python("3.10.1"), numpy], [python("3.10.14"), numpy], dists=[dist("httpkit", "1.0", "requests")])
    assert only("PIP003", ctx).pre_existing


def test_pip003_an_unknown_version_is_unverified():
    owned = dist("torch", "2.1.0.post300", owner="pytorch")
    user = dist("lightning", "2.1", "torch>=1.12")
    ctx = situation(
        [python("3.10.14"), pkg("pytorch", "2.1.0")], [python("3.10.14"), pkg("pytorch", "2.2.0")], dists=[owned, user]
    )
    assert short(fired("PIP003", ctx)) == [("pip:lightning", "warn", "unverified", None)]


@pytest.mark.parametrize(
    "requires",
    ["numpy>=1.20", "numpy<2; python_version < '3.9'", "numpy<2; extra == 'old'", "numpy<2; sys_platform == 'win32'"],
)
def test_pip003_near_misses(requires):
    before, after = (pkg("numpy", version, "py310h1_0", "python >=3.10,<3.11.0a0") for version in ("1.26.4", "2.0.1"))
    ctx = situation([python("3.10.14"), before], [python("3.10.14"), after], dists=[dist("user", "1.0", requires)])
    assert fired("PIP003", ctx) == []


def test_pip003_leaves_to_pip001_what_python_no_longer_sees():
    item = dist("numba", requires_python="<3.11")
    ctx = situation([python("3.10.14")], [python("3.11.9")], "python=3.11", dists=[item])
    assert fired("PIP003", ctx) == []
    assert len(fired("PIP001", ctx)) == 1


def test_pip002_a_new_package_of_conda_s_meets_pip_s_own():
    new = pkg("requests", "2.28", "pyhd8_0", "python", noarch="python")
    ctx = situation([python("3.10.14")], [python("3.10.14"), new], dists=[dist("requests", "2.31")])
    found = only("PIP002", ctx)
    assert (found.severity.value, found.predicts, found.pre_existing) == ("block", "gone", False)
    same = situation([python("3.10.14")], [python("3.10.14"), new], dists=[dist("requests", "2.28")])
    assert short(fired("PIP002", same)) == [("pip:requests", "warn", "certain", "gone")]


def test_pip002_two_distributions_with_one_import_name_and_the_same_file():
    opencv = pkg("py-opencv", "4.8", "py310h1_0", "python >=3.10,<3.11.0a0")
    owned = dist("opencv-python", "4.8", owner="py-opencv", top_level=("cv2",))
    headless = dist("opencv-python-headless", "4.9", top_level=("cv2",))
    ctx = situation([python("3.10.1"), opencv], [python("3.10.14"), opencv], dists=[owned, headless])
    assert fired("PIP002", ctx) == []  # no path in both lists: a namespace, as far as anyone can tell
    shared = (SharedPath(f"{SITE}/cv2/__init__.py", same=False, holds="pip"),)
    found = only("PIP002", replace(ctx, shared=lambda _record, _dist: shared))
    assert (
        found.message == "opencv-python-headless 4.9 (pip) and py-opencv 4.8 of conda both provide the import name cv2"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Whose file it is


def lay(prefix, written):
    """conda's six and pip's over it: both list `six.py` and `LICENSE`, `written` is who wrote `six.py` last."""
    texts = {"conda": b"# of conda\n", "pip": b"# of pip\n", "someone": b"# of someone\n"}
    site = prefix / SITE
    (site / "six-1.16.dist-info").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (site / "six.py").write_bytes(texts[written])
    digest = {who: hashlib.sha256(text) for who, text in texts.items()}
    paths = [
        {"_path": "site-packages/six.py", "path_type": "hardlink", "sha256": digest["conda"].hexdigest()},
        {"_path": "site-packages/LICENSE", "path_type": "hardlink", "sha256": "ab" * 32},
    ]
    record = {
        "name": "six", "version": "1.15", "build": "py_0", "noarch": "python",
        "files": [f"{SITE}/six.py", f"{SITE}/LICENSE", f"{SITE}/__pycache__/six.cpython-310.pyc"],
        "paths_data": {"paths_version": 1, "paths": paths},
    }  # fmt: skip
    (prefix / "conda-meta/six-1.15-py_0.json").write_text(json.dumps(record), encoding="utf-8")
    encoded = base64.urlsafe_b64encode(digest["pip"].digest()).decode().rstrip("=")
    same = base64.urlsafe_b64encode(bytes.fromhex("ab" * 32)).decode().rstrip("=")
    lines = [
        f"six.py,sha256={encoded},9",
        f"LICENSE,sha256={same},9",
        "__pycache__/six.cpython-310.pyc,,",
        "other.py,,",
    ]
    (site / "six-1.16.dist-info/RECORD").write_text("\n".join(lines), encoding="utf-8")
    return pkg("six", "1.15", "py_0", noarch="python"), dist("six", "1.16")


@pytest.mark.parametrize(("written", "holds"), [("conda", "conda"), ("pip", "pip"), ("someone", "neither")])
def test_the_paths_of_both_lists_and_whose_content_lies_there(tmp_path, written, holds):
    record, item = lay(tmp_path, written)
    assert shared_paths(str(tmp_path), record, item) == (
        SharedPath(f"{SITE}/LICENSE", same=True),
        SharedPath(f"{SITE}/__pycache__/six.cpython-310.pyc", same=None),
        SharedPath(f"{SITE}/six.py", same=False, holds=holds),
    )


def test_lists_that_cannot_be_read_share_nothing(tmp_path):
    record, item = lay(tmp_path, "pip")
    (tmp_path / SITE / "six-1.16.dist-info/RECORD").unlink()
    assert shared_paths(str(tmp_path), record, item) == ()
    record, item = lay(tmp_path / "again", "pip")
    (tmp_path / "again/conda-meta/six-1.15-py_0.json").write_text('{"name":', encoding="utf-8")
    assert shared_paths(str(tmp_path / "again"), record, item) == ()


def test_a_record_that_leads_out_of_the_prefix_is_not_followed(tmp_path):
    record, item = lay(tmp_path, "pip")
    path = tmp_path / SITE / "six-1.16.dist-info/RECORD"
    path.write_text("../../../../../../../etc/passwd,sha256=" + "A" * 43 + ",1\n/etc/passwd,,\n", encoding="utf-8")
    assert shared_paths(str(tmp_path), record, item) == ()
