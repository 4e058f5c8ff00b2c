"""Programs that nobody thought up: what is told of them for certain happens whenever they are run to their end.

Random scripts and modules are run by this python, random functions are compiled and called, each with many random answers
to the conditions in them. What is sure has to happen every time.
"""

import contextlib
import ctypes
import itertools
import os
import random
import sys
import types
from unittest import mock

from planner.abi.calls import surely_called
from planner.imports.chains import Sources
from planner.imports.conditions import Setting
from planner.imports.modules import Module, Modules
from planner.imports.running import run
from planner.imports.source import read
from tests.test_calls import build, gcc, process

MINOR = tuple(sys.version_info[:2])
FUNCTIONS = ("f", "g", "h")
RUNS = 8  # answers that each program is run with
PROGRAMS = int(os.environ.get("PLANNER_FUZZ", "2000")) // 10


class Script:
    """One random script with a helper beside it."""

    def __init__(self, draw):
        self.draw = draw
        self.functions = [f"own{i}" for i in range(draw.randrange(4))]

    def files(self):
        """The text of the script, and that of its helper."""
        stops = self.draw.choice(
            ("from sys import exit as stop", "from os import abort as stop", "stop = sys.exit", *["stop = print"] * 20)
        )
        helper = ["import sys, a", "from a import g as taken", "from ask import ask", "FLAG = False", stops]
        helper += self.function("helps") + self.function("assists")
        helper += ["class Helper:", *indented(self.function("__init__", "self"))]
        if self.draw.random() < 0.1:
            helper += self.block(1)
        kept = [*self.functions]
        script = [
            "import sys, a, helper",
            "from a import f as own_f",
            "from helper import assists, taken",
            "from ask import ask",
            "FLAG = True",
        ]
        for name in [*self.functions]:
            self.functions.remove(name)  # no function comes back to itself: that might take for ever
            script += self.function(name)
        self.functions = kept
        script += self.block(3)
        if self.draw.random() < 0.5:
            script = [*script, 'if __name__ == "__main__":', *indented(self.block(2))]
        return "\n".join(script), "\n".join(helper)

    def function(self, name, *names):
        kind = self.draw.random()
        head = ["@ask.keep"] if kind < 0.05 else []
        tail = ["    yield 1"] if kind > 0.97 and not names else []
        more = ("FLAG=ask()",) if self.draw.random() < 0.1 else ()
        return [
            *head,
            f"def {name}({', '.join((*names, '*_', *more))}):",
            *indented(["ask.step()", *self.block(3, within=True)]),
            *tail,
        ]

    def block(self, depth, *, within=False):
        return list(
            itertools.chain.from_iterable(self.statement(depth, within) for _ in range(self.draw.randrange(1, 4)))
        )

    def statement(self, depth, within):
        draw = self.draw
        simple = [
            lambda: [self.expression(2)],
            lambda: [f"x = {self.expression(2)}"],
            lambda: [f"{self.call()}"],
            lambda: [f"{self.call()}"],
            lambda: (
                [draw.choice(("sys.exit()", "raise SystemExit", "exit", "getattr(sys, 'exit')()", "helper.stop()"))]
                if draw.random() < 0.04
                else ["pass"]
            ),
            lambda: [f"return {self.expression(1)}" if within and draw.random() < 0.5 else "pass"],
            lambda: (
                [
                    draw.choice(
                        (
                            "a.f = a.other",
                            "setattr(a, 'g', a.other)",
                            "helper.FLAG = ask()",
                            "own_f = print",
                            "x = a.f",
                            "del own_f",
                        )
                    )
                ]
                if draw.random() < 0.03
                else ["pass"]
            ),
        ]
        if depth == 0:
            return draw.choice(simple)()
        body = lambda: indented(self.block(depth - 1, within=within))  # noqa: E731
        nested = [
            lambda: [f"if {self.condition()}:", *body()],
            lambda: [f"if {self.condition()}:", *body(), "else:", *body()],
            lambda: [
                f"for x in range({draw.choice(('2', '0', 'ask()'))}):",
                *body(),
                *(["    break"] if draw.random() < 0.5 else []),
            ],
            lambda: ["while True:", *body(), "    break"],
            lambda: [f"while {self.condition()}:", *body(), "    if ask():", "        break"],
            lambda: ["try:", *body(), "finally:", *body()],
            lambda: [
                "try:",
                *body(),
                f"except {draw.choice(('Exception', 'SystemExit', 'ZeroDivisionError'))}:",
                *body(),
            ],
            lambda: ["with open('/dev/null') as file:", *body()],
            lambda: ["with ask.hush():", *body()],
        ]
        return draw.choice([*simple, *nested])()

    def condition(self):
        return self.draw.choice(
            (
                "ask()",
                "ask() and ask()",
                "not ask()",
                "sys.version_info >= (3, 8)",
                "sys.platform == 'win32'",
                "True",
                "FLAG",
                "a.f()",
                "0",
            )
        )

    def expression(self, depth):
        draw = self.draw
        if depth == 0 or draw.random() < 0.2:
            return draw.choice(("1", "ask()", self.call()))
        one, two = self.expression(depth - 1), self.expression(depth - 1)
        return draw.choice(
            (
                f"({one}, {two})",
                f"({one} and {two})",
                f"({one} or {two})",
                f"({one} if {self.condition()} else {two})",
                f"(ask() < 1 < bool({two}))",
                f"[{one} for x in range(ask())]",
                f"(lambda: {one})",
                f"(lambda: {one})()",
                f"list(map({draw.choice((*self.functions, 'a.f', 'helper.helps', 'own_f'))}, [1]))",
                f"print({one}, end='')",
                f"1 / ask() + bool({one})" if draw.random() < 0.2 else one,
            )
        )

    def call(self):
        names = [
            "a.f",
            "a.g",
            "a.h",
            "own_f",
            "taken",
            "helper.helps",
            "assists",
            "helper.taken",
            "helper.Helper",
            *self.functions,
        ]
        return f"{self.draw.choice(names)}()"


def indented(lines):
    return [f"    {line}" for line in lines]


class _Ask:
    """Answers each condition at random. Ends what goes on for too long."""

    class TooLongError(BaseException):
        pass

    def __init__(self, draw):
        self.draw, self.left = draw, 500

    def __call__(self):
        self.step()
        return self.draw.randrange(2)

    def step(self):
        self.left -= 1
        if self.left < 0:
            raise self.TooLongError

    @staticmethod
    def keep(_function):
        return lambda *_: None

    @staticmethod
    def hush():
        return contextlib.suppress(Exception)


class _AbortedError(BaseException):
    """In the place of the end of the process by `os.abort`."""


def called(script, helper, draw):
    """The functions of `a` that the script calls; None where it does not run to its end."""
    found = set()
    ask = _Ask(draw)

    def traced(name):
        def function(*_):
            ask()
            found.add(name)
            return draw.randrange(2)

        return function

    modules = {name: types.ModuleType(name) for name in ("a", "ask", "helper", "os")}
    for name in FUNCTIONS:
        setattr(modules["a"], name, traced(name))
    modules["helper"].print = lambda *_, **__: 1
    modules["a"].other = lambda *_: None
    modules["ask"].ask = ask
    modules["os"].abort = lambda *_: (_ for _ in ()).throw(_AbortedError)
    try:
        with mock.patch.dict(sys.modules, modules):
            exec(compile(helper, "helper.py", "exec"), modules["helper"].__dict__)  # noqa: S102
            exec(compile(script, "script.py", "exec"), {"__name__": "__main__", "print": lambda *_, **__: 1})  # noqa: S102
    except (Exception, _Ask.TooLongError):  # noqa: BLE001
        return None
    except (SystemExit, _AbortedError):
        pass
    return found


def told(script, helper, folder):
    """What is told of the script as surely called."""
    for name, text in (("script", script), ("helper", helper)):
        (folder / f"{name}.py").write_text(text)
    found = {
        "helper": Module("helper", "", "helper.py", "helper.py"),
        "a": Module("a", "", "a.so", None, compiled=True),
    }
    setting = Setting(sys.version_info[:2], "linux")
    ran = run(("helper", "a"), str(folder / "script.py"), Modules(found), Sources(str(folder), setting), setting)
    return set(ran.objects["a.so"])


def test_what_is_sure_of_a_random_script_happens_in_every_run(tmp_path):
    sure = ended = 0
    for seed in range(PROGRAMS):
        script, helper = Script(random.Random(seed)).files()  # noqa: S311 -- no secret
        claimed = told(script, helper, tmp_path)
        sure += len(claimed)
        for again in range(RUNS):
            happened = called(script, helper, random.Random(f"{seed} {again}"))  # noqa: S311
            ended += happened is not None
            assert happened is None or claimed <= happened, f"seed {seed}\n{script}\n\n# helper\n{helper}"
    assert sure > PROGRAMS // 8
    assert ended > PROGRAMS


# ---------------------------------------------------------------------------------------------------------------------
# Imports


class Source:
    """One random module that imports `gone` here and there."""

    def __init__(self, draw):
        self.draw = draw

    def text(self):
        head = [
            "import os, sys, there, contextlib",
            "from typing import TYPE_CHECKING",
            "from ask import ask",
            "FLAG = False",
        ]
        return "\n".join([*head, *self.block(3)])

    def block(self, depth):
        return list(itertools.chain.from_iterable(self.statement(depth) for _ in range(self.draw.randrange(1, 4))))

    def statement(self, depth):
        draw = self.draw
        simple = [
            ["import there"],
            ["import there, gone"],
            ["from gone import x"],
            ["x = ask()"],
            [draw.choice(("raise ImportError", "raise ValueError", "raise", "sys.exit()", "FLAG = ask()"))]
            if draw.random() < 0.1
            else ["pass"],
        ]
        if depth == 0:
            return draw.choice(simple)
        body = lambda: indented(self.block(depth - 1))  # noqa: E731
        name = f"own{draw.randrange(9)}"
        nested = [
            lambda: [f"if {self.condition()}:", *body()],
            lambda: [f"if {self.condition()}:", *body(), "else:", *body()],
            lambda: [f"if {self.condition()}:", *body(), f"elif {self.condition()}:", *body()],
            lambda: ["for x in range(ask()):", *body()],
            lambda: [f"while {self.condition()}:", *body(), "    if ask():", "        break"],
            lambda: ["try:", *body(), f"except{self.caught()}:", *self.handler(body)],
            lambda: ["try:", *body(), f"except{self.caught()}:", *self.handler(body), "else:", *body()],
            lambda: ["try:", *body(), "except ValueError:", *body(), f"except{self.caught()}:", *self.handler(body)],
            lambda: ["try:", *body(), "finally:", *body()],
            lambda: [f"with {draw.choice(self.contexts)}:", *body()],
            lambda: [f"def {name}():", *body(), *(["", f"{name}()"] if draw.random() < 0.5 else [])],
            lambda: [f"class {name}:", *body()],
        ]
        return draw.choice([lambda: draw.choice(simple), *nested])()

    contexts = ("open('/dev/null')", "contextlib.suppress(ImportError)", "contextlib.nullcontext()", "ask.hush()")

    def caught(self):
        return self.draw.choice(
            (
                "",
                " ImportError",
                " ModuleNotFoundError as error",
                " (OSError, ImportError)",
                " Exception",
                " OSError",
                " KeyError",
            )
        )

    def handler(self, body):
        again = indented(
            self.draw.choice((["raise"], ["raise RuntimeError"], ["if ask():", "    raise"], ["there = None"]))
        )
        return [*body(), *again] if self.draw.random() < 0.3 else again

    def condition(self):
        return self.draw.choice(
            (
                *(
                    "ask()",
                    "ask() or FLAG",
                    "TYPE_CHECKING",
                    "not TYPE_CHECKING",
                    "FLAG",
                    "not FLAG",
                    "os.name == 'nt'",
                ),
                *(f"sys.version_info > {MINOR}", f"sys.version_info <= {MINOR}", f"sys.version_info[:2] == {MINOR}"),
                *("sys.version_info < (3, 8)", "sys.version_info[:2] >= (3, 8)", "sys.platform.startswith('linux')"),
                *("__name__ == '__main__'", "sys.version_info >= (3, 8) and ask()", "1"),
            )
        )


def fails(text, draw, *, missing):
    """Whether a module does not import; None where it ends the process, or goes on for too long."""
    modules = {name: types.ModuleType(name) for name in ("ask", "gone", "there")}
    modules["ask"].ask = _Ask(draw)
    modules["gone"].x = 1
    if missing:
        modules["gone"] = None
    try:
        with mock.patch.dict(sys.modules, modules):
            exec(compile(text, "source.py", "exec"), {"__name__": "source"})  # noqa: S102
    except Exception:  # noqa: BLE001
        return True
    except (SystemExit, _Ask.TooLongError):
        return None
    return False


def test_what_is_sure_of_the_imports_of_a_random_module_stops_it_in_every_run():
    sure = ran = 0
    for seed in range(2 * PROGRAMS):
        text = Source(random.Random(seed)).text()  # noqa: S311
        found = read(text.encode(), Setting(sys.version_info[:2], "linux"))
        claimed = any(item.module == "gone" for item in found.imports)
        sure += claimed
        for again in range(RUNS if claimed else 0):
            if fails(text, random.Random(f"{seed} {again}"), missing=False) is False:  # noqa: S311
                ran += 1
                assert fails(text, random.Random(f"{seed} {again}"), missing=True) is not False, f"seed {seed}\n{text}"  # noqa: S311
    assert sure > PROGRAMS // 3
    assert ran > PROGRAMS // 3


# ---------------------------------------------------------------------------------------------------------------------
# Instructions

WANTED = """
static unsigned answers; static int left, calls;
int ask(void) { if (left-- <= 0) return 0; answers = answers * 1103515245u + 12345u; return answers >> 16 & 7; }
int wanted(void) { calls++; return ask(); }
int other(void) { return ask(); }
void begin(unsigned seed) { answers = seed; left = 60; calls = 0; }
int counted(void) { return calls; }
"""
HEAD = "extern int ask(void), wanted(void), other(void), behind0(void), behind1(void);\n"
METHODS = 16
FLAGS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-fno-plt", "-fcf-protection", "-fno-jump-tables", "-fstack-protector-all")


class Unit:
    """Random functions in C. Each calls only functions that stand before it."""

    def __init__(self, draw, names):
        self.draw = draw
        self.names = names
        self.known = ["wanted", "wanted", "other", "ask"]

    def text(self, *more):
        self.known += more
        pointers = "static int (*turned)(void) = wanted;\nvoid turn(void) { turned = ask() & 1 ? wanted : other; }\n"
        made = "".join(self.function(name) for name in self.names)
        return HEAD + pointers + made

    def function(self, name):
        body = f"int {name}(void) {{ int n = 0; {self.block(3)} {self.last()} }}\n"
        self.known.append(name)
        return body

    def last(self):
        return self.draw.choice(("end: return n;", f"end: return {self.call()};", f"end: return n + {self.call()};"))

    def call(self):
        return f"{self.draw.choice(self.known)}()"

    def block(self, depth):
        return " ".join(self.statement(depth) for _ in range(self.draw.randrange(1, 4)))

    def statement(self, depth):
        draw = self.draw
        simple = [
            f"n += {self.call()};",
            f"n += {self.call()};",
            f"n += {self.value(2)};",
            "n++;",
            draw.choice(("return n;", f"return {self.call()};", "goto end;")) if draw.random() < 0.15 else "n--;",
            "n += turned();",
            "{ int (*some[])(void) = {wanted, other}; n += some[ask() & 1](); }",
        ]
        if depth == 0:
            return draw.choice(simple)
        one, two = self.block(depth - 1), self.block(depth - 1)
        cases = " ".join(
            f"case {at}: n += {self.value(1)}; {draw.choice(('', 'break;'))}" for at in range(draw.randrange(2, 8))
        )
        return draw.choice(
            [
                *simple,
                f"if ({self.value(1)}) {{ {one} }}",
                f"if (__builtin_expect({self.value(1)}, 0)) {{ {one} }} else {{ {two} }}",
                f"for (int i = 0; i < {draw.choice(('2', 'ask()', '0'))}; i++) {{ {one} }}",
                f"while (ask()) {{ {one} {draw.choice(('', 'if (ask() > 4) break;'))} }}",
                f"do {{ {one} }} while (ask());",
                f"switch (ask()) {{ {cases} {draw.choice(('', f'default: {two}'))} }}",
            ]
        )

    def value(self, depth):
        draw = self.draw
        if depth == 0:
            return draw.choice(("ask()", self.call(), "n", "1"))
        one, two, three = (self.value(depth - 1) for _ in range(3))
        return draw.choice(
            (f"({one} + {two})", f"({one} && {two})", f"({one} || {two})", f"({one} ? {two} : {three})", f"!{one}")
        )


def module(draw):
    """The text of an extension module with random functions as its methods, of those functions by the way."""
    methods = [f"m{at}" for at in range(METHODS)]
    text = Unit(draw, [f"inner{at}" for at in range(6)] + methods).text("behind0", "behind1")
    table = ", ".join(f'{{"{name}", (void *){name}, 4, 0}}' for name in methods)
    return f"""{text}
static struct {{ const char *name; void *function; int flags; const char *doc; }} methods[] = {{ {table}, {{0}} }};
static struct {{ long head[5]; const char *name, *doc; long size; void *methods, *rest[4]; }}
    module = {{ {{1}}, "core", 0, -1, methods, {{0}} }};
void *PyInit_core(void) {{ return &module; }}
"""


@gcc
def test_what_is_sure_of_random_instructions_happens_in_every_run(tmp_path):
    sure = never = 0
    for seed in range(max(4, PROGRAMS // 16)):
        draw = random.Random(seed)  # noqa: S311
        folder = tmp_path / str(seed)
        folder.mkdir()
        flags = draw.sample(FLAGS, 3)
        linked = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"]
        # By names of their own: the loader takes a library that it knows by its name for the one it has.
        wanted = build(folder / f"libwanted{seed}.so", WANTED, "-O1")
        between = build(
            folder / f"libbetween{seed}.so", Unit(draw, ["behind0", "behind1"]).text(), *flags, str(wanted), *linked
        )
        core = build(folder / "core.abi3.so", module(draw), *flags, str(wanted), str(between), *linked)
        run_by = ctypes.CDLL(str(wanted)), ctypes.CDLL(str(core))
        there = process(core, (wanted, between), str(folder))
        for at in range(METHODS):
            claimed = surely_called(there, (f"m{at}",), wanted.name, frozenset({"wanted"})) is not None
            counts = [calls_of(*run_by, f"m{at}", answers) for answers in range(200)]
            assert not claimed or all(counts), f"seed {seed}, {flags}, m{at}: {core.with_suffix('.c')}"
            sure += claimed
            never += not all(counts)
    assert sure
    assert never


def calls_of(library, core, name, seed):
    """How often a function calls the wanted one, with the answers of a seed."""
    library.begin(seed)
    if seed % 3 == 0:
        core.turn()
    library.begin(seed)
    getattr(core, name)()
    return library.counted()
