"""The command line: parse, call the core, render, choose the exit code. Nothing is decided here.

Only click and the standard library are imported at the top, so that `planner --help` starts fast; each command
imports what it needs. The report goes to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from planner.errors import InputError, PlannerError
from planner.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model import Plan
    from planner.render.blocks import ReportView
    from planner.rule import Rule
    from planner.snapshot import Snapshot

VERDICT_CODES = {"safe": 0, "review": 10, "unsafe": 20, "unsolvable": 30, "unknown": 40}
DIFFERENT = 10
_NARROWEST = 80
_COLLECTED_EVERY = 100_000  # objects made and kept; Python's own limit is 700


class _Group(click.Group):
    """A click group in which our own errors are one message and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlannerError as error:
            click.echo(f"planner: {_plain(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("PLANNER_DEBUG"):
                raise
            what = _plain(f"{type(error).__name__}: {error}")
            click.echo(f"planner: this is our own failure, {what}; PLANNER_DEBUG=1 shows where", err=True)
            ctx.exit(1)


def _plain(text: str) -> str:
    from planner.render.escape import visible

    return "\n".join(visible(line) for line in text.splitlines())


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="planner")
@click.option("--root", metavar="PREFIX", help="The conda installation; discovered when not given.")
@click.pass_context
def main(ctx: click.Context, root: str | None) -> None:
    """Say what a change to a conda environment would break, before anything is touched.

    \b
    Examples:
      planner demo
      planner what-if base python=3.11
      planner --root /opt/conda what-if train numpy=2 --save plan.json
      planner show plan.json --format markdown
      planner apply plan.json
      planner verify train
    """
    # What a run reads lives as long as the run: looking through all of it for garbage finds none, on the way or at the end.
    gc.set_threshold(_COLLECTED_EVERY, 10, 10)
    atexit.register(gc.freeze)
    ctx.obj = root


def _printed_as(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a command that prints a report in one of several forms, the first where none is asked for."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        form = click.option(
            "--format",
            "form",
            type=click.Choice(forms),
            default=forms[0],
            show_default=True,
            help="How the report is written.",
        )
        output = click.option("-o", "--output", metavar="FILE", help="Write the report to FILE instead of stdout.")
        return form(output(function))

    return decorate


_report_options = _printed_as("text", "json", "markdown", "html", "sarif", "junit")  # of a plan
_view_options = _printed_as("text", "json", "markdown")  # of what is no plan


def _verdict_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that makes a plan."""
    options = (
        click.option("--save", metavar="PLAN.json", help="Save the plan, for `planner show` and `planner apply`."),
        click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdict."),
        click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
        click.option("-v", "--verbose", is_flag=True, help="Each stage and its time on stderr, a line each."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _environments(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The environments that complete ENV; none where no installation is found, for completing must not complain."""
    from planner import config, discover

    ambient = _ambient()
    environ, home = ambient["environ"], ambient["home"]
    try:
        root = discover.find_root(ctx.find_root().params.get("root"), environ, home)
        settings = config.read_config(root, root, environ, home)
        found = discover.environment_prefixes(root, settings.envs_dirs, home)
    except PlannerError:
        return []
    return [name for name, _ in found if name.startswith(incomplete)]


def _rule_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from rules import RULES

    return [rule.id for rule in RULES if rule.id.startswith(incomplete.upper())]


_SOLVER_OPTIONS = {
    "--freeze-installed": "Change nothing that is installed but what is asked for: what a plain install begins with.",
    "--update-specs": "Let what is installed move from the start.",
    "--update-deps": "Update what the SPECs need as well.",
    "--no-deps": "Change the SPECs alone; what they need stays as it is.",
    "--only-deps": "Change only what the SPECs need.",
    "--no-pin": "Ignore pinned packages.",
    "--force-reinstall": "Link the SPECs again even where they are installed.",
}


def _solver_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Conda's own options of `install`, under their own names."""
    for name, text in reversed(_SOLVER_OPTIONS.items()):
        function = click.option(name, is_flag=True, help=text)(function)
    return function


@main.command("what-if", short_help="Simulate a change to ENV and say what it would break.")
@click.argument("env", required=False, shell_complete=_environments)
@click.argument("specs", nargs=-1)
@click.option(
    "--from",
    "from_file",
    metavar="FILE",
    help="Ask about a new environment: environment.yml or an explicit list. ENV is then its name.",
)
@click.option(
    "--each",
    "each_file",
    metavar="FILE",
    help="Ask about each line of FILE, a change a line; answers with a plan a line, as JSON.",
)
@click.option("--update", "operation", flag_value="update", help="The change is `conda update SPEC...`.")
@click.option("--remove", "operation", flag_value="remove", help="The change is `conda remove SPEC...`.")
@click.option(
    "--update-all", is_flag=True, help="The change is `conda update --all`; with SPEC, conda's install option."
)
@click.option(
    "--as",
    "tool",
    type=click.Choice(["conda", "mamba"]),
    default="conda",
    show_default=True,
    help="Whose command is simulated.",
)
@click.option(
    "-c",
    "--channel",
    "channels",
    multiple=True,
    metavar="CHANNEL",
    help="A channel: name, URL or folder. Repeatable; searched before the configured ones.",
)
@click.option("--override-channels", is_flag=True, help="Leave out the configured channels.")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="CHANNEL=PLACE",
    help="Read CHANNEL from this folder or URL; its records keep the channel's own URL.",
)
@click.option("--offline", is_flag=True, help="Fetch nothing: local channels and conda's caches only.")
@click.option(
    "--channel-priority",
    type=click.Choice(["strict", "flexible", "disabled"]),
    help="Default: as configured, else flexible.",
)
@click.option(
    "--solver",
    type=click.Choice(["auto", "libmamba", "rattler"]),
    default="auto",
    show_default=True,
    help="Which engine answers; auto is libmamba where it is at hand, else rattler.",
)
@click.option("--solver-python", metavar="PATH", help="An interpreter that has libmambapy 2.x.")
@_solver_options
@click.option("--subdir", metavar="SUBDIR", help="Solve for this platform; default: that of the environment's records.")
@click.option("--host", "host_file", metavar="FILE", help="Facts of the target machine, from a file (JSON).")
@click.option("--cuda", metavar="VERSION|none", help="The CUDA version the target machine's driver supports.")
@click.option("--driver", metavar="VERSION", help="The NVIDIA driver of the target machine.")
@click.option("--glibc", metavar="VERSION", help="The glibc of the target machine.")
@click.option("--no-files", is_flag=True, help="Look into no package and no binary: judge by metadata alone.")
@click.option("--deep", is_flag=True, help="Fetch packages whose content decides, and look into them.")
@click.option("--name", metavar="NAME", help="Name of the new environment in the migration plan.")
@click.option("--scan", multiple=True, metavar="DIR", help="Look here too for what refers to ENV. Repeatable.")
@_report_options
@_verdict_options
@click.pass_obj
def what_if_command(root: str | None, /, **given: Any) -> None:
    """Simulate installing SPECs in ENV; report what changes, what breaks and why, and the safe way.

    ENV is `base`, the name of an environment, or a prefix path. Nothing is written into any environment.
    Exit codes: 0 safe, 10 review, 20 unsafe, 30 unsolvable, 40 unknown, 2 bad input.

    \b
    Examples:
      planner what-if base python=3.11
      planner what-if train "numpy>=2" --as mamba --cuda 12.4
      planner what-if base python=3.11 --override-channels -c ./my-channel --offline
      planner what-if --from environment.yml --cuda 12.4
      planner what-if train --each changes.txt -o plans.jsonl
    """
    from planner.question import Question

    if given["env"] is None and given["from_file"] is None:
        raise click.UsageError("Missing argument 'ENV'.")
    question = Question(
        env=given["env"],
        specs=given["specs"],
        operation="update-all" if given["update_all"] and not given["specs"] else given["operation"] or "install",
        options=_typed_options(given),
        tool=given["tool"],
        look_into_files=not given["no_files"],
        root=root,
        channels=given["channels"],
        override_channels=given["override_channels"],
        mirrors=tuple(_mirror(text) for text in given["mirrors"]),
        **{key: given[key] for key in _PASSED_ON},
        **_ambient(),
    )
    if given["each_file"] is not None:
        _answer_each(question, given["each_file"], **{key: given[key] for key in _REPORTING})
    _answer(question, **{key: given[key] for key in _REPORTING})


def _typed_options(given: dict[str, Any]) -> tuple[str, ...]:
    names = tuple(name for name in _SOLVER_OPTIONS if given[name.removeprefix("--").replace("-", "_")])
    return (*names, "--update-all") if given["update_all"] and given["specs"] else names


_PASSED_ON = (
    "offline",
    "channel_priority",
    "solver",
    "solver_python",
    "subdir",
    "host_file",
    "cuda",
    "driver",
    "glibc",
    "deep",
    "name",
    "scan",
    "from_file",
)
_REPORTING = ("form", "output", "save", "exit_zero", "quiet", "verbose")


@main.command("demo", short_help="The main job on a bundled installation: no conda, no network.")
@_report_options
@_verdict_options
@click.pass_obj
def demo_command(_root: str | None, /, **given: Any) -> None:
    """Run `planner what-if base python=3.11` on an installation that travels with the planner.

    A base with python 3.10 and conda, and an environment with PyTorch for CUDA, from public sources:
    fixtures/demo/README.md says where each record comes from.
    """
    import tempfile

    from planner import demo
    from planner.question import Question

    with tempfile.TemporaryDirectory(prefix="planner-demo-") as folder:
        bundled = demo.unpack(folder)
        own = {"environ": {}, "home": bundled.home, "system": bundled.home, "cache_dir": os.path.join(folder, "cache")}
        ambient = _ambient() | own
        question = Question(
            env=bundled.env,
            specs=bundled.specs,
            root=bundled.root,
            channels=bundled.channels,
            override_channels=True,
            mirrors=bundled.mirrors,
            offline=True,
            subdir=bundled.subdir,
            cuda=bundled.cuda,
            driver=bundled.driver,
            glibc=bundled.glibc,
            **ambient,
        )
        _answer(question, **{key: given[key] for key in _REPORTING})


@main.command("show", short_help="Render a saved plan.")
@click.argument("plan_file", metavar="PLAN.json", type=click.Path())
@click.option("--result", metavar="FILE", help="A GPU verification's result (JSON), to stand first in the report.")
@click.option("--files", metavar="DIR", help="Write the files that the steps use into DIR, to run the steps by hand.")
@_report_options
def show_command(plan_file: str, result: str | None, files: str | None, form: str, output: str | None) -> None:
    """Render a plan that `--save` wrote, on any machine, without the environments.

    \b
    Examples:
      planner show plan.json --format markdown -o review.md
      planner show plan.json --result gpu.json
      planner show plan.json --files move && cd move
    """
    from planner.serialize import load_plan

    plan = load_plan(plan_file)
    if files is not None:
        from planner.artifacts import write_all

        write_all(plan, files)
    if result is None:
        _write(plan, form, output)
        return
    if form not in {"text", "markdown", "html"}:
        raise InputError(f"--result has no place in --format {form}: it is part of a report for people")
    from dataclasses import replace

    from planner.render.verification import section
    from planner.render.view import build_view
    from planner.verify.result import load_result

    view = build_view(plan, pictures=form == "html")
    first = section(load_result(result), plan)
    _put(_as_text(replace(view, sections=(first, *view.sections)), form, output), output)


@main.command("audit", short_help="What is wrong in ENV today, without any change.")
@click.argument("env", shell_complete=_environments)
@click.option("--deep", is_flag=True, help="Hash every file of conda's packages.")
@click.option("--scan", multiple=True, metavar="DIR", help="Look here too for what refers to ENV. Repeatable.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdict.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Each stage and its time on stderr, a line each.")
@_view_options
@click.pass_obj
def audit_command(root: str | None, /, **given: Any) -> None:
    """Run the rules on ENV as it is: packages there twice, files overwritten or missing, libraries not found, leaks.

    Requirements of pip's packages that are not met are among it. Exit codes: 0 safe, 10 review, 20 unsafe, 40 unknown.

    \b
    Examples:
      planner audit base
      planner audit train --deep --format json
    """
    from planner.audit import audit
    from planner.progress import kind, progress
    from planner.question import Question
    from planner.render import audit as rendering
    from rules import RULES

    question = Question(env=given["env"], root=root, scan=given["scan"], **_ambient())
    with progress(sys.stderr, kind(sys.stderr, quiet=given["quiet"], verbose=given["verbose"])) as report:
        found = audit(question, RULES, deep=given["deep"], progress=report)
    form, output = given["form"], given["output"]
    text = rendering.dumps(found) if form == "json" else _as_text(rendering.build_view(found), form, output)
    _put(text, output)
    sys.exit(0 if given["exit_zero"] else VERDICT_CODES[found.verdict.value])


@main.command("envs", short_help="Every environment: python, torch, CUDA, size, and what leaks in or out.")
@click.option("--sizes", is_flag=True, help="Measure the sizes, however many files there are.")
@click.option(
    "--scan", multiple=True, metavar="DIR", help="Look here too for what refers to an environment. Repeatable."
)
@_view_options
@click.pass_obj
def envs_command(root: str | None, /, *, sizes: bool, scan: tuple[str, ...], form: str, output: str | None) -> None:
    """List every environment of the machine: of this installation, of others, and what environments.txt names.

    Python, torch and the CUDA it was built for, CUDA and cuDNN, packages, size, last change, frozen or pinned, and what
    leaks in or out. Nothing is opened that a table does not need.

    \b
    Examples:
      planner envs
      planner envs --sizes --format json -o envs.json
    """
    from planner import config, discover
    from planner.inventory import read_inventory
    from planner.reach.notes import Places
    from planner.render import inventory as rendering

    ambient = _ambient()
    environ, home = ambient["environ"], ambient["home"]
    found = discover.find_root(root, environ, home)
    settings = config.read_config(found, found, environ, home)
    prefixes = discover.machine_prefixes(found, settings.envs_dirs, environ, home)
    listed = read_inventory(found, prefixes, Places(environ, home, scan=scan), measure=sizes)
    text = rendering.dumps(listed) if form == "json" else _as_text(rendering.build_view(listed), form, output)
    _put(text, output)


@main.command("snapshot", short_help="Put the state of ENV on record, to compare it later.")
@click.argument("env", shell_complete=_environments)
@click.option("-o", "--output", metavar="FILE", required=True, help="Where the snapshot is written.")
@click.option("--deep", is_flag=True, help="With every file's mode, size and hash.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_obj
def snapshot_command(root: str | None, /, *, env: str, output: str, deep: bool, quiet: bool) -> None:
    """Write what is in ENV to FILE: conda's packages, Python's distributions, pins and variables.

    With --deep every file, too: only that proves that an environment was not touched. Values of variables are written as
    digests.

    \b
    Example:
      planner snapshot train --deep -o before.json
    """
    from planner import snapshot, snapshot_file
    from planner.progress import kind, progress

    ambient = _ambient()
    name, prefix = _resolved(root, env, ambient)
    if os.path.realpath(output).startswith(os.path.realpath(prefix) + os.sep):
        raise InputError(f"-o {output}: it lies in the environment itself, which it would change")
    with progress(sys.stderr, kind(sys.stderr, quiet=quiet, verbose=False)) as report:
        taken = snapshot.take(name, prefix, deep=deep, created=ambient["created"], progress=report)
    _save(output, snapshot_file.dumps(taken))
    for problem in taken.problems:
        click.echo(_plain(f"planner: {problem.path}: {problem.what}; {problem.consequence}"), err=True)


@main.command("compare", short_help="What differs between two snapshots, or a snapshot and an environment.")
@click.argument("first")
@click.argument("second")
@click.option("--deep", is_flag=True, help="Compare files, too, where both are environments.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever differs.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@_view_options
@click.pass_obj
def compare_command(root: str | None, /, **given: Any) -> None:
    """Compare FIRST and SECOND: each a file that `planner snapshot` wrote, or an environment as it is now.

    Files are compared where a snapshot has them, or with --deep. Exit codes: 0 identical, 10 different.

    \b
    Examples:
      planner snapshot train --deep -o before.json
      planner compare before.json train
      planner compare base train
    """
    from planner import comparison
    from planner.progress import kind, progress
    from planner.render import comparison as rendering

    with progress(sys.stderr, kind(sys.stderr, quiet=given["quiet"], verbose=False)) as report:
        first, second = _sides(root, given["first"], given["second"], deep=given["deep"], progress=report)
    found = comparison.compare(first, second)
    form, output = given["form"], given["output"]
    if form == "json":
        _put(rendering.dumps(first, second, found), output)
    else:
        _put(_as_text(rendering.build_view(first, second, found), form, output), output)
    sys.exit(0 if found.identical or given["exit_zero"] else DIFFERENT)


def _sides(
    root: str | None, first: str, second: str, *, deep: bool, progress: Callable[[str], None]
) -> tuple[Snapshot, Snapshot]:
    """The two states to compare. An environment is read as deep as the snapshot that it is compared with."""
    from planner import snapshot, snapshot_file

    loaded = [snapshot_file.load_snapshot(text) if os.path.isfile(text) else None for text in (first, second)]
    of_files = [side for side in loaded if side is not None]
    deep = any(side.files is not None for side in of_files) if of_files else deep
    states = []
    for text, side in zip((first, second), loaded, strict=True):
        if side is None:
            try:
                name, prefix = _resolved(root, text, _ambient())
            except InputError as error:
                raise InputError(f"{text} is no file that `planner snapshot` wrote, and {error}") from None
            side = snapshot.take(name, prefix, deep=deep, progress=progress)  # noqa: PLW2901 -- the side, once it is read
        states.append(side)
    return states[0], states[1]


def _resolved(root: str | None, env: str, ambient: dict[str, Any]) -> tuple[str, str]:
    """Name and prefix of an environment; a path needs no installation around it."""
    from planner import config, discover

    environ, home = ambient["environ"], ambient["home"]
    if os.sep in env or env.startswith((".", "~")):
        return discover.resolve_environment(root or os.sep, env, (), home)
    found = discover.find_root(root, environ, home)
    settings = config.read_config(found, found, environ, home)
    return discover.resolve_environment(found, env, settings.envs_dirs, home)


@main.command("apply", short_help="Carry out a saved plan's migration; a dry run without --yes.")
@click.argument("plan_file", metavar="PLAN.json", type=click.Path())
@click.option("--yes", is_flag=True, help="Act; without it, what would be done is printed and nothing is done.")
@click.option("--undo", is_flag=True, help="Take back what this plan's migration made, and nothing else.")
@click.option("--check", "checks", multiple=True, metavar="CMD", help="A smoke test of your own. Repeatable; no shell.")
@click.option("--launcher", metavar="CMD", help='Run the GPU verification through this, e.g. "srun --gres=gpu:1".')
@click.option("--cpu-ok", is_flag=True, help="No GPU is accepted by the verification.")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="CHANNEL=PATH_OR_URL",
    help="Where the packages of a channel are had from; rattler makes the environment. Repeatable.",
)
@click.option("--embedded", is_flag=True, help="Let rattler make the environment although conda or mamba is there.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Each stage and its time on stderr, a line each.")
def apply_command(plan_file: str, **given: Any) -> None:
    """Make the new environment of a plan that `planner what-if --save` wrote, step by step, with a journal.

    The old environment is only read. Killed at any moment, the same command goes on where it was.
    Exit codes: 0 done, 20 failed and resumable, 2 the plan is stale or cannot be used.

    \b
    Examples:
      planner apply plan.json
      planner apply plan.json --yes --check "python -m pytest -q tests"
      planner apply plan.json --yes --mirror conda-forge=/srv/mirror/conda-forge
      planner apply plan.json --undo --yes
    """
    if os.name != "posix":
        raise InputError("planner apply works on Linux and macOS; on Windows, run the plan's commands by hand")
    from planner.apply import run
    from planner.apply.bench import Wishes
    from planner.render import migration
    from planner.serialize import load_plan

    plan = load_plan(plan_file)
    here = _here()
    wishes = Wishes(
        checks=tuple(_words("--check", text) for text in given["checks"]),
        cpu_ok=given["cpu_ok"],
        launcher=_words("--launcher", given["launcher"]) if given["launcher"] else (),
        embedded=given["embedded"],
        mirrors=tuple(_mirror(text) for text in given["mirrors"]),
    )
    if not given["yes"]:
        if given["undo"]:
            bench = run.look(plan, here, wishes)
            _print(migration.undo_outline(run.to_undo(bench), bench.journal.folder))
        else:
            _print(migration.outline(*run.prepare(plan, here, wishes)))
        return
    from planner.progress import kind, progress

    with progress(sys.stderr, kind(sys.stderr, quiet=given["quiet"], verbose=given["verbose"])) as report:
        if given["undo"]:
            removed = run.undo(plan, here, report)
            text = migration.undone(removed)
        else:
            text = migration.outcome(run.apply(plan, here, wishes, report))
    _print(text)


@main.command("why", short_help="Who needs PACKAGE in ENV, and what it needs.")
@click.argument("env", shell_complete=_environments)
@click.argument("package")
@click.pass_obj
def why_command(root: str | None, env: str, package: str) -> None:
    """Show as trees who needs PACKAGE in ENV and what it needs, along which kind of edge.

    \b
    Example:
      planner why base openssl
    """
    from planner import config, discover, graph, host, load
    from planner.render.why import render_why

    ambient = _ambient()
    environ, home = ambient["environ"], ambient["home"]
    found = discover.find_root(root, environ, home)
    settings = config.read_config(found, found, environ, home)
    name, prefix = discover.resolve_environment(found, env, settings.envs_dirs, home)
    environment = load.load_environment(name, prefix)
    machine = host.detect_host(environment.subdir, environ=environ)
    built = graph.build_graph(environment, machine)
    click.echo(render_why(built, package), nl=False)


@main.command("verify", short_help="Verify the GPU with the environment's own python.")
@click.argument("env", shell_complete=_environments)
@click.option("--require-gpu", is_flag=True, help="No GPU is a failure.")
@click.option("--cpu-ok", is_flag=True, help="No GPU is accepted.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=300, show_default=True, help="Time limit of each run in seconds."
)
@click.option("--launcher", metavar="CMD", help='Run it where the GPU is, through this: "srun --gres=gpu:1", say.')
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write the result to FILE, for planner show --result (json).")
@click.pass_obj
def verify_command(
    root: str | None,
    env: str,
    *,
    require_gpu: bool,
    cpu_ok: bool,
    timeout: float,
    launcher: str | None,
    form: str,
    output: str | None,
) -> None:
    """Run the GPU probe in ENV: torch, its CUDA build, driver, devices, and a matrix product checked against the CPU.

    It runs twice, activated as a user would have it and isolated from all around it; a difference is a leak.
    Exit codes: 0 pass, 20 fail, 40 no GPU and neither option given.

    \b
    Examples:
      planner verify /opt/conda/envs/train-py311 --require-gpu
      planner verify train-py311 --launcher "srun --gres=gpu:1" --format json -o gpu.json
    """
    from planner import config, discover
    from planner.verify import runner
    from planner.verify.result import render_result, to_json

    ambient = _ambient()
    environ, home = ambient["environ"], ambient["home"]
    if os.sep in env or env.startswith((".", "~")):
        _, prefix = discover.resolve_environment(root or os.sep, env, (), home)
    else:
        found = discover.find_root(root, environ, home)
        settings = config.read_config(found, found, environ, home)
        _, prefix = discover.resolve_environment(found, env, settings.envs_dirs, home)
    words = _words("--launcher", launcher) if launcher else ()
    result = runner.verify_environment(prefix, timeout=timeout, launcher=words)
    text = to_json(result) if form == "json" else _plain(render_result(result))
    if output:
        _save(output, text + "\n")
    else:
        click.echo(text)
    sys.exit(runner.exit_code(result, require_gpu=require_gpu, cpu_ok=cpu_ok))


@main.command("host", short_help="What is known of this machine, for plans that are made elsewhere.")
@click.option("--save", metavar="FILE", help="Write it to FILE, for `--host FILE` on another machine.")
@click.option("--host", "host_file", metavar="FILE", help="Start from this host file instead of this machine.")
@click.option("--subdir", metavar="SUBDIR", help="The platform; default: this machine's.")
@click.option("--cuda", metavar="VERSION|none", help="The CUDA version its driver supports.")
@click.option("--driver", metavar="VERSION", help="Its NVIDIA driver.")
@click.option("--glibc", metavar="VERSION", help="Its glibc.")
def host_command(save: str | None, host_file: str | None, subdir: str | None, **given: str | None) -> None:
    """Show this machine as plans see it: virtual packages, driver, compute capability. --save writes a host file.

    \b
    Examples:
      planner host --save gpu-node.json
      planner what-if train pytorch=2.5 --host gpu-node.json
    """
    from planner import host
    from planner.host_file import to_json, with_capabilities
    from planner.render.host import render_host

    found = host.detect_host(
        subdir or host.native_subdir(), host_file=host_file, environ=_ambient()["environ"], **given
    )
    found = found if host_file else with_capabilities(found)
    if save:
        _save(save, to_json(found))
    _print(_plain(render_host(found)) + "\n")


@main.group("rules", invoke_without_command=True, short_help="The catalogue of rules.")
@click.pass_context
def rules_command(ctx: click.Context) -> None:
    """List the rules, explain one, or list the facts they rest on."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(rules_list)


@rules_command.command("list")
def rules_list() -> None:
    """List every rule: id, default severity, name and title."""
    from rules import RULES

    for rule in RULES:
        click.echo(f"{rule.id}  {rule.severity.value:5}  {rule.name:18}  {rule.title}")


@rules_command.command("explain")
@click.argument("rule_id", metavar="ID", shell_complete=_rule_ids)
def rules_explain(rule_id: str) -> None:
    """Print the page of one rule.

    \b
    Example:
      planner rules explain ABI001
    """
    from rules import RULES

    for rule in RULES:
        if rule.id == rule_id.upper():
            click.echo(f"{rule.id} {rule.name} ({rule.severity.value})\n\n{rule.page}")
            return
    known = ", ".join(rule.id for rule in RULES)
    raise InputError(f"no rule has the id {rule_id!r}; the rules are {known}")


@rules_command.command("facts")
@click.argument("table", required=False)
def rules_facts(table: str | None) -> None:
    """List the facts that rules rest on, each with its source and the day it was checked; or those of one TABLE.

    \b
    Example:
      planner rules facts toolkits
    """
    from planner.facts import known_facts
    from planner.render.facts import render_facts

    facts = known_facts()
    names = [name for name, _ in facts.tables()]
    if table is not None and table not in names:
        raise InputError(f"there is no table {table!r}; the tables are {', '.join(names)}")
    click.echo(render_facts(facts, table), nl=False)


@main.group("cache", invoke_without_command=True, short_help="What the planner keeps to be faster next time.")
@click.pass_context
def cache_command(ctx: click.Context) -> None:
    """Say where the planner's cache lies and how big it is.

    It holds what was read of environments and channels, fetched repodata and packages. An entry that does not fit what
    it was made of is not used; PLANNER_NO_CACHE=1 does without any. Nothing outside this folder is written.

    \b
    Examples:
      planner cache
      planner cache clear
    """
    if ctx.invoked_subcommand is None:
        from planner.cache import usage
        from planner.render.cache import render_usage

        _print(_plain(render_usage(usage(_ambient()["cache_dir"]))) + "\n")


@cache_command.command("clear")
def cache_clear() -> None:
    """Remove all that the planner has kept, fetched repodata and packages among it.

    Environments lose nothing. Without a network, channels can then be read from conda's own caches only.
    """
    from planner.cache import clear, usage
    from planner.render.cache import render_cleared

    folder = _ambient()["cache_dir"]
    before = usage(folder)
    stuck = clear(folder)
    if stuck:
        raise InputError(f"the cache could not be removed: {', '.join(stuck)}")
    _print(_plain(render_cleared(before)) + "\n")


@main.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print a script that completes commands, options, environments and rules of `planner` in SHELL.

    \b
    Examples:
      planner completion bash > ~/.local/share/bash-completion/completions/planner
      planner completion zsh > ~/.zfunc/_planner
      planner completion fish > ~/.config/fish/completions/planner.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise InputError(f"this click has no completion for {shell}")
    click.echo(made(main, {}, "planner", "_PLANNER_COMPLETE").source())


def _here() -> Any:
    from platformdirs import user_cache_dir, user_state_dir

    from planner.apply.guard import Here

    return Here(
        environ=dict(os.environ),
        home=os.path.expanduser("~"),
        state_dir=user_state_dir("conda-upgrade-planner"),
        cache_dir=user_cache_dir("conda-upgrade-planner"),
    )


def _words(option: str, text: str) -> tuple[str, ...]:
    """A command given as one text, in words as a shell would split them."""
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: {error}") from None
    if not words:
        raise InputError(f"{option}: there is no command in it")
    return words


def _mirror(text: str) -> tuple[str, str]:
    channel, equals, place = text.partition("=")
    if not (channel and equals and place):
        raise InputError(f"--mirror {text!r}: write CHANNEL=PATH_OR_URL")
    return channel, place


def _ambient() -> dict[str, Any]:
    """What the core may not find out for itself: environment, home, cache folder and the time."""
    from datetime import datetime, timezone

    from platformdirs import user_cache_dir

    return {
        "environ": dict(os.environ),
        "home": os.path.expanduser("~"),
        "cache_dir": user_cache_dir("conda-upgrade-planner"),
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _answer(
    question: Any, *, form: str, output: str | None, save: str | None, exit_zero: bool, quiet: bool, verbose: bool
) -> None:
    from planner.progress import kind, progress
    from planner.run import what_if
    from planner.serialize import dumps

    with progress(sys.stderr, kind(sys.stderr, quiet=quiet, verbose=verbose)) as report:
        plan = what_if(question, _rules, report)
    if save:
        _save(save, dumps(plan))
    _write(plan, form, output)
    sys.exit(0 if exit_zero else VERDICT_CODES[plan.verdict.value])


def _rules() -> tuple[Rule, ...]:
    from rules import RULES

    return RULES


def _answer_each(
    question: Any,
    path: str,
    *,
    form: str,
    output: str | None,
    save: str | None,
    exit_zero: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """A plan for each line of the file, as a line of JSON, as soon as it is there; the exit code is the worst of all."""
    from planner.each import read_each
    from planner.progress import kind, progress
    from planner.run import what_if_each
    from planner.serialize import line

    if form not in {"text", "json"}:
        raise InputError(f"--each answers with a plan a line, as JSON, which is no --format {form}")
    if save or question.from_file or question.specs:
        other = "--save" if save else "--from" if question.from_file else "a SPEC"
        raise InputError(
            f"{other} has no place beside --each: the changes are the lines of its file, the plans the answer"
        )
    asked = read_each(path, question)
    lines, worst = [], 0
    with progress(sys.stderr, kind(sys.stderr, quiet=quiet, verbose=verbose)) as report:
        plans = what_if_each([item for _, item in asked], _rules, report)
        for where, _ in asked:
            report(where)
            try:
                plan = next(plans)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            worst = max(worst, VERDICT_CODES[plan.verdict.value])
            if output:
                lines.append(line(plan))
            else:
                _print(line(plan))
    if output:
        _save(output, "".join(lines))
    sys.exit(0 if exit_zero else worst)


def _write(plan: Plan, form: str, output: str | None) -> None:
    _put(_rendered(plan, form, output), output)


def _put(text: str, output: str | None) -> None:
    if output:
        _save(output, text)
    else:
        _print(text)


def _print(text: str) -> None:
    """Print the report; what the terminal's encoding cannot show is written as an escape, never a crash."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def _rendered(plan: Plan, form: str, output: str | None) -> str:
    if form == "json":
        from planner.serialize import dumps

        return dumps(plan)
    if form == "sarif":
        from planner.render import sarif
        from rules import RULES

        return sarif.render(plan, RULES)
    if form == "junit":
        from planner.render import junit

        return junit.render(plan)
    from planner.render.view import build_view

    return _as_text(build_view(plan, pictures=form == "html"), form, output)


def _as_text(view: ReportView, form: str, output: str | None) -> str:
    if form == "html":
        from planner.render import html

        return html.render(view)
    if form == "markdown":
        from planner.render import markdown

        return markdown.render(view)
    import shutil

    from planner.render import terminal

    on_terminal = sys.stdout.isatty() and output is None
    width = max(_NARROWEST, shutil.get_terminal_size((100, 24)).columns) if on_terminal else 100
    return terminal.render(view, width=width, colour=on_terminal and not os.environ.get("NO_COLOR"))


def _save(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


if __name__ == "__main__":
    main()
