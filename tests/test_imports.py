"""What sources import at once, which modules go, and what fails with them."""

import textwrap

import pytest

from planner.imports.chains import Sources, failing
from planner.imports.conditions import Setting
from planner.imports.modules import Module, Modules, both
from planner.imports.source import read
from planner.model.installed import DirectUrl, Environment, PackageRecord, PipDist, RecordFiles
from planner.model.plan import PackageChange

SITE = "lib/python3.11/site-packages"
LINUX = Setting((3, 11), "linux")


def imported(text, setting=LINUX):
    return [item.module for item in read(textwrap.dedent(text).encode(), setting).imports]


@pytest.mark.parametrize(
    "text",
    [
        "import gone",
        "if True:\n    import gone",
        "if not TYPE_CHECKING:\n    import gone",
        "class A:\n    import gone",
        "import warnings\nwith warnings.catch_warnings():\n    import gone",
        "try:\n    import gone\nfinally:\n    pass",
        "try:\n    import gone\nexcept AttributeError:\n    pass",
        "try:\n    import gone\nexcept ImportError as error:\n    raise RuntimeError('needed') from error",
        "try:\n    import gone\nexcept Exception:\n    if sys.version_info >= (3, 8):\n        raise",
        "try:\n    import os\n    import gone\nexcept ValueError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    pass\nfinally:\n    import gone",
        "if sys.version_info > (3, 11):\n    import gone",
        "if sys.version_info[:2] <= (3, 11):\n    import gone",
        "if sys.version_info[0] == 3 and sys.platform.startswith('linux'):\n    import gone",
        "if sys.version_info < (3, 8):\n    pass\nelse:\n    import gone",
        "try:\n    SETUP\nexcept NameError:\n    SETUP = False\nif SETUP:\n    pass\nelse:\n    import gone",
        "if platform.system() == 'Linux' or unknown():\n    import gone",
    ],
)
def test_what_is_executed_on_import_counts(text):
    assert "gone" in imported(text)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import gone",
        "try:\n    import gone\nexcept ImportError:\n    gone = None",
        "try:\n    import gone\nexcept (KeyError, ModuleNotFoundError):\n    gone = None",
        "try:\n    import gone\nexcept:\n    pass",
        "try:\n    import gone\nexcept errors.Missing:\n    pass",
        "try:\n    import gone\nexcept Missing:\n    pass",
        "MissingError = ImportError\ntry:\n    import gone\nexcept MissingError:\n    pass",
        "FLAG = True\nfrom local import *\nif FLAG:\n    import gone",
        "FLAG = True\nexec(open('x').read())\nif FLAG:\n    import gone",
        "try:\n    pass\nexcept ImportError:\n    import gone",
        "try:\n    import gone\nexcept ImportError:\n    if sys.version_info >= (3, 12):\n        raise",
        "try:\n    import gone\nexcept ImportError:\n    if unknown():\n        raise",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import gone",
        "if TYPE_CHECKING:\n    import gone",
        "if typing.TYPE_CHECKING:\n    import gone",
        "if sys.version_info >= (3, 12):\n    import gone",
        "if sys.version_info >= (3, 11, 4):\n    import gone",
        "if sys.version_info <= (3, 11):\n    import gone",
        "if sys.version_info == (3, 11):\n    import gone",
        "if tornado.version_info[0] < 5:\n    import gone",
        "if tornado.version_info.major == 3:\n    import gone",
        "if os.name == 'nt':\n    import gone",
        "if platform.system() == 'Windows':\n    import gone",
        "if __name__ == '__main__':\n    import gone",
        "if unknown():\n    import gone",
        "FLAG = False\nFLAG = unknown()\nif FLAG:\n    import gone",
        "for name in names:\n    import gone",
        "raise ImportError\nimport gone",
        "import sys\nsys.exit('moved')\nimport gone",
        "try:\n    int(x)\n    import gone\nexcept ValueError:\n    pass",
    ],
)
def test_what_may_be_meant_to_fail_does_not(text):
    assert "gone" not in imported(text)


def test_a_script_runs_what_a_module_does_not():
    text = "if __name__ == '__main__':\n    import gone"
    assert imported(text, Setting((3, 11), "linux", script=True)) == ["gone"]


@pytest.mark.parametrize("content", [b"print 'two'", b"\0\1\2", b"(" * 100_000])
def test_what_is_no_python_is_not_read(content):
    assert read(content, LINUX) is None


# ------------------------------------------------------------------------------------------------------------------


def world(tmp_path, texts):
    """The modules of a folder, from name to text; `/` ends the names of packages."""
    found = {}
    for name, text in texts.items():
        package = name.endswith("/")
        dotted = name.rstrip("/")
        path = f"{dotted.replace('.', '/')}{'/__init__' * package}.py"
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        found[dotted] = Module(dotted, f"pip:{dotted.partition('.')[0]}", path, path, package=package)
    return Modules(found, frozenset({"os"}), frozenset(module.top for module in found.values()))


def failed(tmp_path, texts, *roots):
    modules = world(tmp_path, texts)
    found = failing(roots, modules.by_name.values(), modules, Sources(str(tmp_path), LINUX))
    return {name: reason.wanted for name, reason in found.items()}


def test_failures_spread_from_module_to_module(tmp_path):
    texts = {
        "gone/": "",
        "a/": "from . import one",
        "a.one": "import os, gone.part",
        "a.two": "from .three import x",
        "a.three": "x = 1",
        "b": "import a.three",
        "c": "from b import (\n    something,\n)",
        "d": "import os",
    }
    assert failed(tmp_path, texts, "gone") == {"a.one": "gone", "a": "a.one", "b": "a", "c": "b"}


def test_what_a_package_gives_itself_is_not_taken_for_its_module(tmp_path):
    texts = {
        "a/": "def part(): ...",
        "a.part": "",
        "b/": "from b.part import x as part",
        "b.part": "x = 1",
        "c/": "from . import part",
        "c.part": "",
        "x": "from a import part",
        "y": "from c import part",
    }
    assert failed(tmp_path, texts, "a.part") == {}
    assert failed(tmp_path, texts, "c.part") == {"c": "c.part", "y": "c.part"}


def test_what_did_not_work_before_does_not_break(tmp_path):
    texts = {
        "gone": "",
        "a": "import nowhere\nimport gone",
        "b/": "import nowhere",
        "b.part": "import gone",
        "c": "import gone\nraise ImportError",
        "d": "import a",
    }
    assert failed(tmp_path, texts, "gone") == {}


# ------------------------------------------------------------------------------------------------------------------


def record(name, *, version="1.0"):
    return PackageRecord(name, version, "0")


def changed(action, before, after):
    return PackageChange(name=(before or after).name, action=action, before=before, after=after)


def gone(tmp_path, files, changes, planned=None, pythons=("3.11.9", "3.11.9"), dists=()):
    """The names that go, of an environment whose packages have these files."""
    for paths in files.values():
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
    environment = Environment(
        "work", str(tmp_path), "linux-64", records=tuple(record(name) for name in files), dists=tuple(dists)
    )
    found = both(
        environment,
        tuple(changes),
        lambda one: RecordFiles(tuple(files[one.name])),
        (planned or {}).get,
        lambda _name: {},
        pythons,
        (frozenset(), frozenset()),
    )
    return set(found.gone), found


def test_modules_go_with_their_package(tmp_path):
    files = {"a": [f"{SITE}/a/__init__.py", f"{SITE}/a/x.py", f"{SITE}/a/_c.cpython-311-x86_64-linux-gnu.so"]}
    files["b"] = [f"{SITE}/b.py"]
    names, found = gone(tmp_path, files, [changed("remove", record("a"), None)])
    assert names == {"a", "a.x", "a._c"}
    assert not found.unlisted
    assert set(found.after.by_name) == {"b"}


def test_a_folder_that_is_not_empty_stays_a_package(tmp_path):
    (tmp_path / SITE / "a").mkdir(parents=True)
    (tmp_path / SITE / "a" / "mine.txt").touch()
    names, _ = gone(
        tmp_path, {"a": [f"{SITE}/a/__init__.py", f"{SITE}/a/x.py"]}, [changed("remove", record("a"), None)]
    )
    assert names == {"a.x"}


def test_another_version_may_have_fewer_modules_or_unknown_ones(tmp_path):
    files = {"a": [f"{SITE}/a/__init__.py", f"{SITE}/a/x.py"]}
    change = changed("upgrade", record("a"), record("a", version="2.0"))
    assert gone(tmp_path, files, [change], {"a": (f"{SITE}/a/__init__.py",)})[0] == {"a.x"}
    names, found = gone(tmp_path, files, [change])
    assert names == set()
    assert found.unlisted


def test_nothing_is_made_of_modules_where_no_path_goes(tmp_path):
    files = {"a": [f"{SITE}/a/__init__.py"], "b": [f"{SITE}/b.py"]}
    names, found = gone(tmp_path, files, [changed("upgrade", record("a"), record("a", version="2.0"))])
    assert names == set()
    assert not {"before", "after"} & vars(found).keys()
    assert set(found.before.by_name) == set(found.after.by_name) == {"a", "b"}


def test_distutils_stays_where_setuptools_gives_it(tmp_path):
    files = {
        "python": ["lib/python3.11/os.py", "lib/python3.11/distutils/__init__.py"],
        "setuptools": [f"{SITE}/distutils-precedence.pth", f"{SITE}/setuptools/__init__.py"],
    }
    python = changed("upgrade", record("python"), record("python", version="3.12"))
    setuptools = changed("relink", record("setuptools"), record("setuptools"))
    planned = {"python": ("lib/python3.12/os.py",)}
    assert gone(tmp_path, files, [python, setuptools], planned, ("3.11.9", "3.12.1"))[0] == set()
    del files["setuptools"]
    (tmp_path / SITE / "distutils-precedence.pth").unlink()
    assert gone(tmp_path, files, [python], planned, ("3.11.9", "3.12.1"))[0] == {"distutils"}


def test_a_folder_of_a_path_file_may_have_the_name_too(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.py").touch()
    (tmp_path / SITE).mkdir(parents=True)
    (tmp_path / SITE / "more.pth").write_text(f"{tmp_path}/elsewhere\n")
    assert gone(tmp_path, {"a": [f"{SITE}/a.py"]}, [changed("remove", record("a"), None)])[0] == set()


def test_the_modules_of_an_editable_distribution_stay_with_python(tmp_path):
    source = tmp_path / "work"
    (source / "src" / "mine").mkdir(parents=True)
    (source / "src" / "mine" / "__init__.py").write_text("import a")
    prefix = tmp_path / "prefix"
    dist = PipDist(
        "mine",
        "1.0",
        "mine",
        SITE,
        f"{SITE}/mine-1.0.dist-info",
        python="3.11",
        direct_url=DirectUrl(f"file://{source}", editable=True, kind="dir"),
    )
    change = changed("remove", record("a"), None)
    _, found = gone(prefix, {"a": [f"{SITE}/a.py"]}, [change], dists=[dist])
    module = found.after.by_name["mine"]
    assert module.owner == "pip:mine"
    reasons = failing(found.gone, [module], found.before, Sources(str(prefix), LINUX))
    assert reasons["mine"].line == 1


def test_a_module_that_cffi_made_imports_its_backend(tmp_path):
    modules = world(tmp_path, {"c/": "from c import made", "d/": "import d.plain"})
    # The words that cffi's generated code has (`_cffi_include.h`), anywhere in the file.
    (tmp_path / "made.so").write_bytes(
        b"\x7fELF\0_cffi_backend\0" + bytes(3 << 20) + b"_init_cffi_1_0_external_module\0"
    )
    (tmp_path / "plain.so").write_bytes(b"\x7fELF\0_cffi_backend\0")
    compiled = {
        name: Module(name, "pip:c", f"{name[2:]}.so", f"{name[2:]}.so", compiled=True) for name in ("c.made", "d.plain")
    }
    there = Modules({**modules.by_name, **compiled}, frozenset({"os"}), modules.tops | {"_cffi_backend"})
    found = failing({"_cffi_backend"}, there.by_name.values(), there, Sources(str(tmp_path), LINUX))
    assert {name: reason.wanted for name, reason in found.items()} == {"c.made": "_cffi_backend", "c": "c.made"}
    assert found["c.made"].line == 0
    # Where the backend stays nobody opens an object.
    assert not failing({"gone"}, there.by_name.values(), there, Sources(str(tmp_path / "elsewhere"), LINUX))
