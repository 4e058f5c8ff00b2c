import json
import os

import pytest

from planner.dist_files import compiled_modules, read_list, top_level_names
from planner.dist_metadata import from_folder_name, parse, required
from planner.dists import read_dists
from planner.model.installed import DirectUrl

SITE = "lib/python3.10/site-packages"
WIN = "Lib/site-packages"


def write(folder, **files):
    """A metadata folder; double underscores in names stand for dots."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def wheel(prefix, stem, *files, site=SITE, tags=("py3-none-any",), record=True, **more):
    name, version = stem.split("-")
    listed = "".join(f"{path},,\n" for path in (*files, f"{stem}.dist-info/RECORD"))
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nbody\n",
        "WHEEL": "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags),
        "INSTALLER": "pip\n",
        **({"RECORD": listed} if record else {}),
        **more,
    }
    return write(prefix / site / f"{stem}.dist-info", **texts)


def only(prefix, owned=None):
    dists, _, problems = read_dists(str(prefix), owned or {})
    assert problems == ()
    (dist,) = dists
    return dist


def names(prefix):
    return [dist.name for dist in read_dists(str(prefix), {})[0]]


def test_all_that_a_wheel_says(tmp_path):
    metadata = (
        "Metadata-Version: 2.1\r\nName: My.Pkg_name\r\nVersion: 1.0rc1\r\nRequires-Python: >=3.8\r\n"
        "Requires-Dist: numpy >=1.20\r\nRequires-Dist: torch==2.0;\r\n  extra == 'gpu'\r\n\r\nRequires-Dist: body\r\n"
    )
    folder = wheel(
        tmp_path,
        "My.Pkg_name-1.0rc1",
        "my_pkg/__init__.py",
        "my_pkg/_x.cpython-310-x86_64-linux-gnu.so",
        tags=("cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64",),
        METADATA=metadata,
        direct_url__json='{"url": "https://user:pw@host/x.whl", "archive_info": {}}',
    )
    dist = only(tmp_path)
    assert (dist.name, dist.display_name, dist.version) == ("my-pkg-name", "My.Pkg_name", "1.0rc1")
    assert (dist.location, dist.metadata_path) == (SITE, f"{SITE}/{folder.name}")
    assert (dist.python, dist.installer, dist.owner) == ("3.10", "pip", None)
    assert dist.tags == ("cp310-cp310-manylinux_2_17_x86_64", "cp310-cp310-manylinux2014_x86_64")
    assert dist.requires_python == ">=3.8"
    assert dist.requires_dist == ("numpy >=1.20", "torch==2.0; extra == 'gpu'")
    assert dist.direct_url == DirectUrl("https://host/x.whl", kind="archive")
    assert dist.top_level == ("my_pkg",)
    assert dist.extensions == ("my_pkg/_x.cpython-310-x86_64-linux-gnu.so",)
    assert (dist.files_known, dist.compiled, dist.kind) == (True, True, "tagged")


@pytest.mark.parametrize(
    ("direct_url", "expected", "kind"),
    [
        ({"url": "file:///src/x", "dir_info": {"editable": True}}, ("file:///src/x", True, "dir"), "editable"),
        ({"url": "file:///src/x", "dir_info": {}}, ("file:///src/x", False, "dir"), "local"),
        ({"url": "file:///x.whl", "archive_info": {}}, ("file:///x.whl", False, "archive"), "local"),
        (
            {"url": "ssh://git@host/x.git", "vcs_info": {"vcs": "git"}},
            ("ssh://git@host/x.git", False, "vcs"),
            "pure",
        ),
        ({"url": "https://tok@host/x", "vcs_info": {"vcs": "git"}}, ("https://host/x", False, "vcs"), "pure"),
    ],
)
def test_where_it_was_installed_from(tmp_path, direct_url, expected, kind):
    wheel(tmp_path, "x-1", "x.py", direct_url__json=json.dumps(direct_url))
    dist = only(tmp_path)
    assert (dist.direct_url.url, dist.direct_url.editable, dist.direct_url.kind) == expected
    assert dist.kind == kind


def test_what_conda_built_from_a_folder_is_not_local(tmp_path):
    wheel(tmp_path, "x-1", "x.py", direct_url__json='{"url": "file:///home/conda/feedstock_root/x", "dir_info": {}}')
    dist = only(tmp_path, {f"{SITE}/x-1.dist-info": "x"})
    assert (dist.owner, dist.kind) == ("x", "pure")


@pytest.mark.parametrize(
    ("files", "tags", "extensions"),
    [
        (["x/__init__.py", "../../../bin/x", "x/t64.exe"], [], []),
        (["x/_a.cpython-39-x86_64-linux-gnu.so", "x.libs/libz-1.so.1.2.3"], ["cp39-cp39-linux_x86_64"], ["x/_a.cpython-39-x86_64-linux-gnu.so"]),
        (["_C.so", "x.libs/libz.so", "x/.dylibs/libz.dylib"], ["cp39-cp39-linux_x86_64"], ["_C.so"]),
        (["llvmlite/binding/libllvmlite.so"], ["cp39-cp39-linux_x86_64"], ["llvmlite/binding/libllvmlite.so"]),
        (["nvidia/lib/libcudart.so.12", "nvidia/h.h"], ["py3-none-manylinux1_x86_64"], ["nvidia/lib/libcudart.so.12"]),
        (["x/lib/xgboost.dll"], ["py3-none-win_amd64"], ["x/lib/xgboost.dll"]),
        (["x/lib/libx.dylib"], ["py3-none-macosx_11_0_arm64"], ["x/lib/libx.dylib"]),
        (["x/a.pyd", "x/z.dll"], ["cp38-abi3-win_amd64"], ["x/a.pyd"]),
        (["d/attach_linux_amd64.so", "d/attach.dylib", "d/attach_amd64.dll"], ["py2-none-any", "py3-none-any"], []),
        (["d/_a.abi3.so", "d/data.so"], ["py3-none-any"], ["d/_a.abi3.so"]),
        (["x.so"], [], ["x.so"]),
        (["x/readme.so.txt", "x/so", "x/libso.py"], ["cp39-cp39-linux_x86_64"], []),
    ],
)  # fmt: skip
def test_what_counts_as_compiled(files, tags, extensions):
    assert compiled_modules(files, tags) == tuple(extensions)


def test_a_dist_without_a_file_list_goes_by_its_tags(tmp_path):
    wheel(tmp_path, "x-1", record=False, tags=("cp310-cp310-linux_x86_64",))
    dist = only(tmp_path)
    assert (dist.files_known, dist.extensions, dist.compiled, dist.kind) == (False, (), True, "tagged")


def test_file_lists_with_quotes_backslashes_and_junk():
    text = '"a,b.py",sha256=x,1\r\n..\\..\\Scripts\\x.exe,,\n\n,,\n"unclosed,,\nplain.py'
    assert read_list(text) == ("a,b.py", "../../Scripts/x.exe", "unclosed,,", "plain.py")


def test_import_names_from_files():
    paths = [
        "pkg/__init__.py",
        "pkg/sub/x.py",
        "mod.py",
        "_ext.cpython-310-x86_64-linux-gnu.so",
        "kiwi.pyd",
        "__pycache__/mod.cpython-310.pyc",
        "__editable___x_finder.py",
        "../../../bin/tool",
        "x-1.dist-info/RECORD",
        "x.libs/libz.so",
        "x.pth",
        "README",
    ]
    assert top_level_names(paths) == ("_ext", "kiwi", "mod", "pkg")


def test_top_level_txt_is_believed(tmp_path):
    wheel(tmp_path, "x-1", "a/__init__.py", top_level__txt="b\n a \n")
    assert only(tmp_path).top_level == ("a", "b")


def test_windows_layout_has_no_python_in_its_path(tmp_path):
    wheel(tmp_path, "x-1", "x.py", site=WIN)
    dist = only(tmp_path, {"lib/Site-Packages/X-1.dist-info": "x"})
    assert (dist.location, dist.python, dist.owner) == (WIN, None, "x")


def test_every_python_folder_is_read_once(tmp_path):
    wheel(tmp_path, "x-1", "x.py")
    wheel(tmp_path, "x-0", "x.py", site="lib/python3.9/site-packages")
    wheel(tmp_path, "t-1", "t.py", site="lib/python3.13t/site-packages")
    wheel(tmp_path, "p-1", "p.py", site="lib/pypy3.9/site-packages")
    wheel(tmp_path, "no-1", "no.py", site="lib/other/site-packages")
    (tmp_path / "lib" / "python3.1").symlink_to("python3.10")
    dists, _, problems = read_dists(str(tmp_path), {})
    assert [(dist.name, dist.python) for dist in dists] == [("p", "3.9"), ("t", "3.13t"), ("x", "3.10"), ("x", "3.9")]
    assert problems == ()


def test_a_folder_that_the_python_record_names(tmp_path):
    wheel(tmp_path, "x-1", "x.py", site="lib/graalpy24.1/lib/python3.11/site-packages")
    site = "lib/graalpy24.1/lib/python3.11/site-packages"
    dists, _, _ = read_dists(str(tmp_path), {}, [site, "../outside"])
    assert [(dist.name, dist.location, dist.python) for dist in dists] == [("x", site, "3.11")]


def test_egg_info_folder_and_file(tmp_path):
    site = tmp_path / SITE
    write(
        site / "six-1.16.0-py3.10.egg-info",
        PKG_INFO="",
        requires__txt="a>=1\n\n[extra]\nb\n\n[:python_version<'3']\nc\n\n[e:os_name=='nt']\nd\n",
        installed_files__txt="",
    )
    folder = site / "six-1.16.0-py3.10.egg-info"
    (folder / "PKG_INFO").rename(folder / "PKG-INFO")
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: six\nVersion: 1.16.0\n")
    (folder / "installed_files.txt").rename(folder / "installed-files.txt")
    (folder / "installed-files.txt").write_text("../six.py\n../_six.so\nPKG-INFO\n")
    (site / "old-2-py3.10.egg-info").write_text("Metadata-Version: 1.0\nName: old\nVersion: 2\n")
    dists, _, problems = read_dists(str(tmp_path), {f"{SITE}/old-2-py3.10.egg-info": "old"})
    assert problems == ()
    old, six = dists
    assert (old.owner, old.files_known, old.metadata_path) == ("old", False, f"{SITE}/old-2-py3.10.egg-info")
    assert (six.owner, six.files_known, six.extensions, six.kind) == (None, True, ("_six.so",), "tagged")
    assert six.top_level == ("_six", "six")
    assert six.requires_dist == (
        "a>=1",
        'b; extra == "extra"',
        "c; (python_version<'3')",
        "d; (os_name=='nt') and extra == \"e\"",
    )


def test_eggs(tmp_path):
    egg = tmp_path / SITE / "e-1.5-py3.10.egg" / "EGG-INFO"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Name: e\nVersion: 1.5\n")
    (tmp_path / SITE / "zipped-2.0-py3.10.egg").write_bytes(b"PK")
    dists, _, problems = read_dists(str(tmp_path), {f"{SITE}/e-1.5-py3.10.egg/EGG-INFO": "e"})
    assert [(d.name, d.version, d.owner, d.files_known) for d in dists] == [
        ("e", "1.5", "e", False),
        ("zipped", "2.0", None, False),
    ]
    assert problems == ()


def test_egg_link(tmp_path):
    source = tmp_path / "src"
    write(source / "My_Pkg.egg-info", requires__txt="numpy\n", top_level__txt="my_pkg\n")
    (source / "My_Pkg.egg-info" / "PKG-INFO").write_text("Name: My-Pkg\nVersion: 0.1\n")
    site = tmp_path / SITE
    site.mkdir(parents=True)
    (site / "My-Pkg.egg-link").write_text(f"{source}\n.")
    dist = only(tmp_path)
    assert (dist.name, dist.version, dist.kind) == ("my-pkg", "0.1", "editable")
    assert dist.direct_url == DirectUrl(f"file://{source}", editable=True, kind="dir")
    assert (dist.requires_dist, dist.top_level) == (("numpy",), ("my_pkg",))


@pytest.mark.parametrize("text", ["", "relative\n.", "/nowhere/at/all\n."])
def test_egg_links_that_lead_nowhere(tmp_path, text):
    site = tmp_path / SITE
    site.mkdir(parents=True)
    (site / "x.egg-link").write_text(text)
    dists, _, (problem,) = read_dists(str(tmp_path), {})
    assert dists == ()
    assert (problem.path, problem.consequence) == (str(site / "x.egg-link"), "this distribution is left out")


def test_leftovers_are_no_distributions(tmp_path):
    site = tmp_path / SITE
    wheel(tmp_path, "ok-1", "ok.py")
    write(site / "~umpy-1.20.dist-info", METADATA="Name: numpy\nVersion: 1.20\n")
    write(site / "gone-1.dist-info", INSTALLER="pip\n")
    (site / "empty-1.egg-info").mkdir()
    (site / "x.pth").write_text("/src\n")
    dists, _, problems = read_dists(str(tmp_path), {})
    assert ([dist.name for dist in dists], problems) == (["ok"], ())


@pytest.mark.parametrize(
    ("change", "what", "version"),
    [
        (lambda folder: (folder / "METADATA").unlink(), "it is missing", "1.5"),
        (lambda folder: (folder / "METADATA").write_bytes(b"\xff\xfe\0"), "it does not say name and version", "1.5"),
        (lambda folder: (folder / "METADATA").write_text("Name: x y\nVersion: 1"), "it does not say", "1.5"),
        (lambda folder: swap(folder / "METADATA", os.mkdir), "it is a folder, not a file", "1.5"),
        (lambda folder: swap(folder / "METADATA", os.mkfifo), "it is a named pipe, not a file", "1.5"),
        (lambda folder: swap(folder / "WHEEL", os.mkfifo), "it is a named pipe, not a file", "1.5"),
        (lambda folder: swap(folder / "RECORD", os.mkdir), "it is a folder, not a file", "1.5"),
        (lambda folder: (folder / "direct_url.json").write_text("{"), "it is not a JSON object with a url", "1.5"),
        (lambda folder: (folder / "direct_url.json").write_text("[1]"), "it is not a JSON object with a url", "1.5"),
        (lambda folder: (folder / "INSTALLER").unlink() or loop(folder / "INSTALLER"), "it cannot be read: ", "1.5"),
    ],
)
def test_bad_files_cost_one_message_and_no_distribution(tmp_path, change, what, version):
    wheel(tmp_path, "other-1", "other.py")
    folder = wheel(tmp_path, "x-1.5", "x.py")
    change(folder)
    dists, _, (problem,) = read_dists(str(tmp_path), {})
    assert [(dist.name, dist.version) for dist in dists] == [("other", "1"), ("x", version)]
    assert problem.path.startswith(f"{folder}{os.sep}")
    assert problem.what.startswith(what)
    assert problem.consequence


def swap(path, make):
    path.unlink()
    make(path)


def loop(path):
    path.symlink_to(path)


def test_metadata_that_names_nothing_in_a_folder_that_names_nothing(tmp_path):
    write(tmp_path / SITE / "nonsense.dist-info", METADATA="", RECORD="")
    dists, _, (problem,) = read_dists(str(tmp_path), {})
    assert dists == ()
    assert problem.consequence == "this distribution is left out"


def test_folders_that_may_not_be_read(open_tmp, unprivileged):
    wheel(open_tmp, "x-1", "x.py")
    for locked in (open_tmp / "lib", open_tmp / "lib" / "python3.10", open_tmp / SITE):
        with unprivileged(locked):
            dists, _, problems = read_dists(str(open_tmp), {})
        assert dists == ()
        assert "it cannot be read: Permission denied" in {problem.what for problem in problems}
        assert {problem.path.startswith(str(locked)) for problem in problems} == {True}
    assert names(open_tmp) == ["x"]


def test_no_site_packages(tmp_path):
    assert read_dists(str(tmp_path / "nowhere"), {}) == ((), (), ())
    (tmp_path / "lib").write_text("a file")
    assert read_dists(str(tmp_path), {}) == ((), (), ())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("numpy-1.20.3.dist-info", ("numpy", "1.20.3")),
        ("setuptools-52.0.0.post20210125-py3.9.egg-info", ("setuptools", "52.0.0.post20210125")),
        ("a_b-1.0-py3.9-linux-x86_64.egg", ("a_b", "1.0")),
        ("nonsense.dist-info", None),
        ("-1.dist-info", None),
    ],
)
def test_names_of_folders(entry, expected):
    found = from_folder_name(entry)
    assert (found and (found.name, found.version)) == expected


def test_metadata_headers_end_at_the_first_empty_line():
    found = parse("Name: x\nVersion: 1\nSummary: a\n  Version: 2\nno colon\n\nName: y\n")
    assert found is not None
    assert (found.name, found.version) == ("x", "1")
    assert parse("Name: x\n\nVersion: 1\n") is None
    assert parse("Name: ../x\nVersion: 1\n") is None
    assert parse("Name: x\nVersion: 1\x1b[2J\n") is None
    assert required("") == ()


COMPILED_PY39 = [
    "argon2-cffi",
    "debugpy",
    "kiwisolver",
    "llvmlite",
    "markupsafe",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pillow",
    "pyrsistent",
    "pyyaml",
    "pyzmq",
    "scipy",
    "tornado",
]
COMPILED_PY37 = [
    "argon2-cffi",
    "cffi",
    "debugpy",
    "kiwisolver",
    "markupsafe",
    "matplotlib",
    "numpy",
    "pandas",
    "pillow",
    "pyrsistent",
    "pyzmq",
    "scikit-learn",
    "scipy",
    "tornado",
]
COMPILED_WIN = [
    "aiohttp",
    "charset-normalizer",
    "frozenlist",
    "greenlet",
    "jiter",
    "markupsafe",
    "multidict",
    "orjson",
    "pillow",
    "propcache",
    "protobuf",
    "pyarrow",
    "pydantic-core",
    "pyyaml",
    "rpds-py",
    "sqlalchemy",
    "tornado",
    "yarl",
]


@pytest.mark.parametrize(
    ("prefix", "pip", "compiled", "abi3", "owned"),
    [
        ("linux-base-py39", 66, COMPILED_PY39, ["argon2-cffi"], 19),
        ("linux-base-py39/envs/py37", 73, COMPILED_PY37, ["argon2-cffi"], 4),
        ("win-py38-pip74", 74, COMPILED_WIN, ["tornado"], 13),
        ("linux-base-py312", 0, [], [], 0),
    ],
)
def test_the_real_installations(real_data, prefix, pip, compiled, abi3, owned):
    from planner.load import load_environment

    environment = load_environment("x", str(real_data / "installations" / prefix))
    found = environment.pip_dists
    assert environment.problems == ()
    assert len(found) == pip
    assert [dist.name for dist in found if dist.compiled] == compiled
    assert [dist.name for dist in found if dist.kind == "abi3"] == abi3
    assert [dist.name for dist in found if dist.kind == "tagged"] == [name for name in compiled if name not in abi3]
    assert {dist.kind for dist in found} <= {"pure", "abi3", "tagged"}
    assert all(dist.files_known and dist.installer == "pip" for dist in found)
    assert len(environment.dists) - len(found) == owned


def test_real_distributions_that_differ_from_what_their_names_suggest(real_data):
    from planner.load import load_environment

    windows = load_environment("x", str(real_data / "installations" / "win-py38-pip74"))
    dists = {dist.name: dist for dist in windows.dists}
    assert dists["rpds-py"].tags == ("cp38-none-win_amd64",)
    assert dists["rpds-py"].kind == "tagged"
    assert dists["watchdog"].tags == ("py3-none-win_amd64",)
    assert (dists["watchdog"].compiled, dists["watchdog"].kind) == (False, "pure")
    assert (dists["numpy"].owner, dists["tzdata"].owner) == ("numpy-base", "python-tzdata")
    linux = load_environment("x", str(real_data / "installations" / "linux-base-py39"))
    dists = {dist.name: dist for dist in linux.dists}
    assert dists["llvmlite"].extensions == ("llvmlite/binding/libllvmlite.so",)
    assert len(dists["numpy"].extensions) == 19
    assert dists["idna"].owner == "idna"
    assert dists["idna"].kind == "pure"
    assert dists["pyrsistent"].top_level == ("_pyrsistent_version", "pvectorc", "pyrsistent")
