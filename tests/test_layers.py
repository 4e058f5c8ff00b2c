"""Who may import what: the structure that docs/architecture.md describes, read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
SOURCES = sorted([TOP / "cli.py", *(TOP / "planner").rglob("*.py"), *(TOP / "rules").rglob("*.py")])

ALLOWED = {
    "networkx": {"planner/graph.py"},
    "psutil": {"planner/reach/processes.py"},
    "capstone": {"planner/abi/code.py"},
    "click": {"cli.py", *(f"planner/commands/{path.name}" for path in (TOP / "planner/commands").glob("*.py"))},
    "rich": {"planner/render/columns.py", "planner/progress.py"},
    "libmambapy": {"planner/solve/libmamba_worker.py"},
    "jinja2": {"planner/render/html.py"},
    "torch": {"planner/verify/probe.py"},
    "rattler": {
        "planner/abi/archives.py",
        "planner/versions.py",
        "planner/channels.py",
        "planner/repodata_fetch.py",
        "planner/repodata_folder.py",
        "planner/host.py",
        "planner/solve/rattler.py",
        "planner/solve/closure.py",
        "planner/solve/rattler_records.py",
        "planner/solve/rattler_sources.py",
        "planner/apply/embedded.py",
        "planner/apply/fetch.py",
    },
}
MODEL = {f"planner/model/{name}.py" for name in ("__init__", "installed", "solve", "plan")}
PURE = {*MODEL, "planner/errors.py", "planner/credentials.py", "planner/specs.py", "planner/spec_merge.py"}
FOR_RULES = {
    "abi",
    "afterwards",
    "cuda",
    "cuda_drivers",
    "diff",
    "dists",
    "facts",
    "flavour",
    "imports",
    "model",
    "origin",
    "pip_after",
    "pip_classes",
    "pip_requirements",
    "pip_unmet",
    "pyabi",
    "reference",
    "rule",
    "torch_builds",
    "torch_extensions",
    "versions",
}


def imports(path, *, typing_too=True):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
                skipped.update(id(inner) for inner in ast.walk(node))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_heavy_libraries_stay_in_their_adapters(path):
    name = path.relative_to(TOP).as_posix()
    for module in imports(path, typing_too=False):
        top = module.split(".")[0]
        assert top not in ALLOWED or name in ALLOWED[top], f"{name} imports {module}"


def test_the_values_depend_on_their_own_kind_and_on_no_layer():
    for name in PURE:
        known = {*sys.stdlib_module_names, "msgspec"}
        outside = {module for module in imports(TOP / name) if module.split(".")[0] not in known}
        assert {f"{module.replace('.', '/')}.py" for module in outside} <= PURE, outside


def test_rules_reach_no_file_clock_network_or_solver():
    for path in sorted((TOP / "rules").glob("[a-z]*.py")):
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == "planner":
                assert parts[1] in FOR_RULES, f"{path.name} imports {module}"
            else:
                assert parts[0] not in {"os", "io", "pathlib", "time", "datetime", "socket", "subprocess", "random"}


def test_only_the_command_line_knows_the_rules():
    for path in SOURCES:
        name = path.relative_to(TOP).as_posix()
        if not name.startswith(("planner/commands/", "rules/")):
            assert "rules" not in {module.split(".")[0] for module in imports(path, typing_too=False)}, name


def test_only_the_command_line_carries_anything_out():
    for path in SOURCES:
        name = path.relative_to(TOP).as_posix()
        if not name.startswith(("planner/commands/", "planner/apply/")):
            for module in imports(path, typing_too=False):
                assert not module.startswith("planner.apply"), f"{name} imports {module}"


def test_only_the_entry_knows_the_commands_and_none_of_them_the_entry():
    for path in SOURCES:
        name = path.relative_to(TOP).as_posix()
        for module in imports(path):
            assert module != "cli", name
            if not name.startswith(("cli.py", "planner/commands/")):
                assert not module.startswith("planner.commands"), f"{name} imports {module}"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch','rattler','networkx','rich','jinja2','msgspec','yaml'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "what-if" in done.stdout


def test_the_pipeline_imports_nothing_that_few_questions_need():
    code = (
        "import sys, cli, planner.run, planner.judging, planner.around, planner.progress, planner.render.view, rules\n"
        "print(sorted({'torch','rattler','networkx','rich','jinja2','yaml','packaging','asyncio','http','ssl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_no_engine_needs_is_imported_while_one_works():
    code = (
        "import sys, planner.run\n"
        "late = ('rules', 'packaging', 'psutil', 'planner.abi', 'planner.imports', 'planner.reach', 'planner.judging')\n"
        "print(sorted(name for name in sys.modules if name.startswith(late)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_for_the_screen_is_written_without_the_machinery_for_drawing():
    code = (
        "import sys, planner.render.terminal, planner.render.view\n"
        "late = ('rich.con', 'rich.table', 'planner.render.figures', 'planner.render.drawings')\n"
        "print(sorted(name for name in sys.modules if name.startswith(late)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
