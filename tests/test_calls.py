"""What python surely calls, in sources and in the instructions of compiled functions: what is sure, and what is not."""

import os
import random
import subprocess
import textwrap

import pytest

from planner.abi.calls import Called, surely_called
from planner.abi.code import Code
from planner.abi.elf import read_elf
from planner.abi.image import BadElfError, Image, NoElfError
from planner.abi.loader import Loader
from planner.abi.tree import Entry, Tree
from planner.imports.calls import Call, read_calls
from planner.imports.chains import Sources
from planner.imports.conditions import Setting
from planner.imports.modules import Module, Modules
from planner.imports.running import run
from tests import objects

gcc = pytest.mark.skipif(
    objects.GCC is None or os.uname().machine != "x86_64", reason="there is no gcc to build with for 64-bit x86"
)
SETTING = Setting((3, 11), "linux")


@pytest.fixture
def calls(tmp_path):
    """The functions of the compiled module `a` that a script surely calls; `modules` are python's, by name."""

    def calls(script, **modules):
        found = {name: Module(name, "", f"{name}.py", f"{name}.py") for name in modules}
        found["a"] = Module("a", "", "a.so", None, compiled=True)
        for name, text in {**modules, "script": script}.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        sources = Sources(str(tmp_path), SETTING)
        return run(tuple(found), str(tmp_path / "script.py"), Modules(found), sources, SETTING).objects["a.so"]

    return calls


@pytest.mark.parametrize(
    "text",
    [
        "import a\na.f()",
        "import a as b\nb.f()",
        "from a import f as g\nprint([1, g()][0])",
        "import a\ndef main():\n    return a.f()\nif __name__ == '__main__':\n    raise SystemExit(main())",
        "import a\nimport sys\nsys.exit(a.f())",
        "import a\nif len([]) > 1:\n    print(1)\na.f()",
        "import a\nfor x in a.f():\n    pass",
        "import a\nwith open('x') as f:\n    f.write(a.f())",
        "import a\ntry:\n    a.f()\nfinally:\n    print(1)",
        "import a\nclass A:\n    def g(self):\n        return 1\na.f()",
        "import a\nimport sys\nif sys.version_info >= (3, 8):\n    x = a.f() if False else 1\n    y = a.f()",
        "import a\ndef one():\n    two()\ndef two():\n    a.f()\n    one()\none()",
        "import a\nif a.f() and print():\n    pass",
        "import a\nFLAG = True\nif FLAG:\n    a.f()",
    ],
)
def test_what_a_script_surely_calls(text, calls):
    assert calls(text) == ("f",)


@pytest.mark.parametrize(
    "text",
    [
        "import a\nif len([]) > 1:\n    a.f()",
        "import a\nimport sys\nif len(sys.argv) < 2:\n    sys.exit(2)\na.f()",
        "import a\ndef main():\n    if print():\n        return\n    a.f()\nmain()",
        "import a\ntry:\n    a.f()\nexcept Exception:\n    pass",
        "import a\nfor x in []:\n    a.f()",
        "import a\nwhile True:\n    print(1)\na.f()",
        "import a\nx = lambda: a.f()",
        "import a\nx = [a.f() for y in []]",
        "import a\nprint() and a.f()",
        "import a\n1 < 2 < a.f()",
        "import a\na = print\na.f()",
        "import a\ndef g(a):\n    a.f()\ng(1)",
        "import a\nfrom b import *\na.f()",
        "import a\n@print\ndef g():\n    a.f()\ng()",
        "import a\ndef g():\n    a.f()\n    yield 1\ng()",
        "import a\nclass A:\n    def g(self):\n        raise SystemExit\nA().g()\na.f()",
        "import a\nimport sys\ndef g():\n    sys.exit(1)\nmap(g, [1])\na.f()",
        "import a\nimport unittest\nunittest.main()\na.f()",
        "import a\nimport sys\ndef check():\n    if sys.argv[1:]:\n        sys.exit(2)\ncheck()\na.f()",
        "import a\ndef die():\n    raise SystemExit\nif print():\n    die()\na.f()",
        "import a\ndef die():\n    exit()\ndef g():\n    if print():\n        return\n    die()\ng()\na.f()",
        "import a\ndef die():\n    exit()\n[die() for x in print()]\na.f()",
        "import a\ndef die():\n    exit()\nprint() or die()\na.f()",
        "import a\ndef die():\n    exit()\ntry:\n    print()\nexcept OSError:\n    die()\na.f()",
        "import a\nfrom sys import exit as stop\nstop()\na.f()",
        "import a, sys\ngetattr(sys, 'exit')()\na.f()",
        "import a\na.f = print\na.f()",
        "import a\nFLAG = True\ndef g(FLAG):\n    if FLAG:\n        a.f()\ng(0)",
        "import a\nFLAG = True\ndef g():\n    if FLAG:\n        a.f()\nglobals()['FLAG'] = 0\ng()",
        "import a\nsetattr(a, 'f', print)\na.f()",
        "import a\nif __name__ != '__main__':\n    a.f()",
        "import a\na.f(",
    ],
)
def test_what_it_may_not_call(text, calls):
    assert calls(text) == ()


@pytest.mark.parametrize(
    ("script", "helper"),
    [
        ("import a, helper\nhelper.g()\na.f()", "import b\ndef g():\n    if b.x:\n        h()\ndef h():\n    print()"),
        ("import helper\nhelper.g()", "import a\ndef g():\n    h(1)\ndef h(x):\n    a.f(x)"),
        ("from helper import f\nf()", "from a import f"),
        ("import helper", "import a\na.f()"),
        ("import a, argparse, helper\nargparse.ArgumentParser().parse_args()\na.f()", ""),
        ("import a, helper\nhelper.g()\na.f()", "import sys\ndef g():\n    pass\ndef h():\n    sys.exit()"),
        ("import a, helper\na.f()", "import sys\nif sys.version_info < (3, 8):\n    sys.exit('too old')"),
    ],
)
def test_what_it_surely_calls_by_way_of_others(script, helper, calls):
    assert calls(script, helper=helper) == ("f",)


@pytest.mark.parametrize(
    ("script", "helper"),
    [
        (
            "import a, helper\nhelper.g()\na.f()",
            "import sys\ndef g():\n    if h():\n        sys.exit()\ndef h():\n    pass",
        ),
        ("import a, helper\nhelper.g()\na.f()", "import sys\ndef g():\n    h()\ndef h():\n    sys.exit()"),
        ("import a, helper\nif print():\n    helper.g()\na.f()", "import sys\ndef g():\n    sys.exit()"),
        ("import a, helper\nhelper.A()\na.f()", "import sys\nclass A:\n    def __init__(self):\n        sys.exit()"),
        ("import a\nfrom helper import stop\nstop()\na.f()", "from os import abort as stop"),
        ("import a, helper\na.f()", "import sys, b\nif b.x():\n    sys.exit()"),
        ("import a, helper\na.f()", "import sys\nclass A:\n    x = sys.exit\nif A.x:\n    sys.exit()"),
        ("import helper\nhelper.g()", "import a, sys\ndef g():\n    if sys.argv:\n        return\n    a.f()"),
    ],
)
def test_what_others_may_keep_it_from(script, helper, calls):
    assert calls(script, helper=helper) == ()


def test_a_chain_of_functions_has_an_end(calls):
    """Each calls the next one twice, the last one the first: what is followed twice would take until tomorrow."""
    most = 2000
    links = "".join(f"def g{i}():\n    g{i + 1}()\n    g{i + 1}()\n" for i in range(most))
    text = f"import a\n{links}def g{most}():\n    a.f()\n    g0()\ng0()"
    assert calls(text) == ("f",)
    assert calls(text.replace("a.f()", "exit()")) == ()


def test_the_names_that_a_module_gives():
    text = b"from ._core import f\nfrom .other import g as h\nfrom ... import up\ndef own():\n    return f() + h()\n"
    assert read_calls(text, SETTING, "a.b", "a.b").names == {
        "f": (Call("a.b._core.f"),),
        "h": (Call("a.b.other.g"),),
        "own": (Call("a.b._core.f"), Call("a.b.other.g")),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Instructions

MODULE = """
extern int wanted(void), other(void), behind(void);
__attribute__((noinline)) static int inner(int a) { return wanted() + a; }
static void *plain(void *self) { return (void *)(long)wanted(); }
static void *deep(void *self) { other(); return (void *)(long)inner(3); }
static void *last(void *self) { return ((void *(*)(void))wanted)(); }
static void *either(long self) { long n; if (self) n = 2 * wanted(); else n = wanted() + 7; return (void *)n; }
static void *loop(long self) { long n = 0; do n += wanted(); while (n < self); return (void *)n; }
static void *through(void *self) { return (void *)(long)behind(); }
static void *maybe(long self) { return self ? (void *)1 : (void *)(long)wanted(); }
static void *never(void *self) { return (void *)(long)other(); }
static void *pointed(int (**self)(void)) { return (void *)(long)(*self)(); }
static void *some(long self) { long n = 0; while (n < self) n += wanted(); return (void *)n; }
static int (*turned)(void) = wanted;
static int (*turned_within)(int) = inner;
static void *switched(void *self) { return (void *)(long)turned(); }
static void *switched_within(void *self) { return (void *)(long)turned_within(1); }
static void *turn(int (*self)(void)) { turned = self; turned_within = (int (*)(int))self; return 0; }
static struct { const char *name; void *function; int flags; const char *doc; } methods[] = {
    {"plain", plain, 4, 0}, {"deep", deep, 4, ""}, {"last", last, 4, ""}, {"either", either, 4, ""},
    {"loop", loop, 4, ""}, {"through", through, 4, ""}, {"maybe", maybe, 4, ""}, {"never", never, 4, ""},
    {"pointed", pointed, 4, ""}, {"some", some, 4, ""}, {"switched", switched, 4, ""},
    {"switched_within", switched_within, 4, ""}, {"turn", turn, 4, ""}, {0} };
static struct { long head[5]; const char *name, *doc; long size; void *methods, *rest[4]; }
    module = { {1}, "core", 0, -1, methods, {0} };
void *PyInit_core(void) {
#ifdef AT_IMPORT
    wanted();
#endif
    return &module;
}
#ifdef AT_LOAD
__attribute__((constructor)) static void begin(void) { wanted(); }
#endif
"""
SURE = ("plain", "deep", "last", "either", "loop", "through")
NOT_SURE = ("maybe", "never", "pointed", "some", "switched", "switched_within", "turn", "absent")
FLAGS = {
    "O0": ("-O0",),
    "O1": ("-O1",),
    "O2": ("-O2",),
    "O3": ("-O3",),
    "Os": ("-Os",),
    "no table of links": ("-O2", "-fno-plt"),
    "bound at once": ("-O2", "-Wl,-z,now"),
    "packed relocations": ("-O2", "-Wl,-z,pack-relative-relocs"),
    "marked targets of jumps": ("-O2", "-fcf-protection"),
    "a protected stack": ("-O2", "-fstack-protector-all"),
}


def build(target, text, *flags):
    source = target.with_suffix(".c")
    source.write_text(text)
    made = subprocess.run(
        [objects.GCC, "-shared", "-fPIC", source, "-o", target, f"-Wl,-soname,{target.name}", *flags],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"this gcc does not take {flags}: {made.stderr[-200:]}")
    return target


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """libwanted, and libbetween, which calls it; with a namesake that calls nothing."""
    folder = tmp_path_factory.mktemp("libraries")
    wanted = build(folder / "libwanted.so", "int wanted(void) { return 1; } int other(void) { return 2; }")
    between = build(
        folder / "libbetween.so", "extern int wanted(void); int behind(void) { return 1 + wanted(); }", str(wanted)
    )
    return wanted, between


def process(module, libraries, prefix):
    found = {path.name: Entry(path.name, "conda:x", str(path)) for path in (module, *libraries)}
    return Loader(Tree(prefix, found), None).module(module.name)


def asked(module, libraries, *methods, names=("wanted",)):
    return surely_called(process(module, libraries, str(module.parent)), methods, libraries[0].name, frozenset(names))


@gcc
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_which_functions_surely_call(flags, libraries, tmp_path):
    linked = [*map(str, libraries), "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"]
    module = build(tmp_path / "core.cpython-311-x86_64-linux-gnu.so", MODULE, *flags, *linked)
    for path in libraries:
        (tmp_path / path.name).symlink_to(path)
    for method in SURE:
        assert asked(module, libraries, method) == Called(method, "wanted"), method
    for method in NOT_SURE:
        assert asked(module, libraries, method) is None, method
    assert asked(module, libraries, "plain", names=("other",)) is None
    assert asked(module, libraries, "maybe", "never", "plain") == Called("plain", "wanted")
    for defined in ("-DAT_IMPORT", "-DAT_LOAD"):
        module = build(tmp_path / "core.cpython-311-x86_64-linux-gnu.so", MODULE, defined, *flags, *linked)
        assert asked(module, libraries) == Called("", "wanted"), defined


@gcc
def test_an_object_that_is_not_at_hand_may_give_the_name_itself(libraries, tmp_path):
    linked = [*map(str, libraries), "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"]
    module = build(tmp_path / "core.abi3.so", MODULE, "-O1", *linked)
    found = {path.name: Entry(path.name, "conda:x", str(path)) for path in (module, *libraries)}
    found["bin/python"] = Entry("bin/python", "conda:python", None)
    there = Loader(Tree(str(tmp_path), found), None).module(module.name)
    assert surely_called(there, ("plain",), "libwanted.so", frozenset({"wanted"})) is None


@gcc
@pytest.mark.parametrize("name", ["setjmp", "__cxa_begin_catch", "_Unwind_DeleteException"])
def test_an_object_that_may_go_on_elsewhere_is_not_followed(name, libraries, tmp_path):
    more = f"void {name}(void *);\nvoid caught(void) {{ {name}(0); }}"
    (tmp_path / libraries[0].name).symlink_to(libraries[0])
    linked = [*map(str, libraries), "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"]
    assert asked(build(tmp_path / "core.abi3.so", MODULE, "-O1", *linked), libraries, "plain")
    assert not asked(build(tmp_path / "core.abi3.so", MODULE + more, "-O1", *linked), libraries, "plain")


@gcc
def test_damaged_code_is_an_error_or_not_sure(libraries, tmp_path):
    """Bytes are overwritten anywhere: nothing but the reader's own errors comes of it, and it ends."""
    draw = random.Random(20261125)  # noqa: S311 -- which bytes are damaged is no secret
    linked = [*map(str, libraries), "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"]
    module = build(tmp_path / "core.abi3.so", MODULE, "-O2", *linked)
    whole = module.read_bytes()
    damaged = tmp_path / "damaged" / module.name
    damaged.parent.mkdir()
    for _ in range(int(os.environ.get("PLANNER_FUZZ", "2000")) // 10):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 40)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        damaged.write_bytes(content[: draw.choice((len(content), draw.randrange(len(content))))])
        if not isinstance(read_elf(str(damaged)), type(read_elf(str(module)))):
            continue
        asked(damaged, libraries, *SURE, *NOT_SURE)
        try:
            with Image(str(damaged)) as image:
                code = Code(image)
                for name in (*SURE, *NOT_SURE):
                    code.method("core", name)
                code.started()
        except (BadElfError, NoElfError):
            pass
