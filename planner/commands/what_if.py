"""`planner what-if` and `planner demo`: a question to the core, its plan as a report, and the verdict as exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from planner.commands.ambient import read_ambient
from planner.commands.options import environments, mirror, report_options, verdict_options
from planner.commands.output import VERDICT_CODES, print_out, save_text, write
from planner.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.solve import Operation
    from planner.rule import Rule

_SOLVER_OPTIONS = {
    "--freeze-installed": "Change nothing that is installed but what is asked for: what a plain install begins with.",
    "--update-specs": "Let what is installed move from the start.",
    "--update-deps": "Update what the SPECs need as well.",
    "--no-deps": "Change the SPECs alone; what they need stays as it is.",
    "--only-deps": "Change only what the SPECs need.",
    "--no-pin": "Ignore pinned packages.",
    "--force-reinstall": "Link the SPECs again even where they are installed.",
}
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


def _solver_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Conda's own options of `install`, under their own names."""
    for name, text in reversed(_SOLVER_OPTIONS.items()):
        function = click.option(name, is_flag=True, help=text)(function)
    return function


@click.command("what-if", short_help="Simulate a change to ENV and say what it would break.")
@click.argument("env", required=False, shell_complete=environments)
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
@click.option("--update", is_flag=True, help="The change is `conda update SPEC...`.")
@click.option("--remove", is_flag=True, help="The change is `conda remove SPEC...`.")
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
@click.option("--no-files", is_flag=True, help="Look into no planned package: judge what it brings by metadata alone.")
@click.option("--deep", is_flag=True, help="Fetch packages whose content decides, and look into them.")
@click.option("--name", metavar="NAME", help="Name of the new environment in the migration plan.")
@click.option("--scan", multiple=True, metavar="DIR", help="Look here too for what refers to ENV. Repeatable.")
@report_options
@verdict_options
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
        operation=_operation(given),
        options=_typed_options(given),
        tool=given["tool"],
        look_into_files=not given["no_files"],
        root=root,
        channels=given["channels"],
        override_channels=given["override_channels"],
        mirrors=tuple(mirror(text) for text in given["mirrors"]),
        **{key: given[key] for key in _PASSED_ON},
        **read_ambient(),
    )
    if given["each_file"] is not None:
        _answer_each(question, given["each_file"], **{key: given[key] for key in _REPORTING})
    _answer(question, **{key: given[key] for key in _REPORTING})


def _operation(given: dict[str, Any]) -> Operation:
    """What is to be done. Raises `InputError` for options of which each says something else."""
    for one, other in (("--update", "--remove"), ("--update-all", "--remove"), ("--no-files", "--deep")):
        if all(given[option.removeprefix("--").replace("-", "_")] for option in (one, other)):
            raise InputError(f"{one} and {other} exclude each other: leave one of them out")
    name, env = given["name"], given["env"]
    if given["from_file"] and name and env and name != env:
        raise InputError(
            f"--from makes one environment: ENV calls it {env!r} and --name {name!r}; leave one of them out"
        )
    if given["update_all"] and not given["specs"]:
        return "update-all"
    return "remove" if given["remove"] else "update" if given["update"] else "install"


def _typed_options(given: dict[str, Any]) -> tuple[str, ...]:
    names = tuple(name for name in _SOLVER_OPTIONS if given[name.removeprefix("--").replace("-", "_")])
    return (*names, "--update-all") if given["update_all"] and given["specs"] else names


@click.command("demo", short_help="The main job on a bundled installation: no conda, no network.")
@report_options
@verdict_options
@click.pass_obj
def demo_command(_root: str | None, /, **given: Any) -> None:
    """Run `planner what-if base python=3.11` on an installation that travels with the planner.

    A base with python 3.10 and conda, and an environment with PyTorch for CUDA, from public sources:
    fixtures/demo/README.md says where each record comes from.

    \b
    Examples:
      planner demo
      planner demo --format html -o demo.html
    """
    import tempfile

    from planner import demo
    from planner.question import Question

    with tempfile.TemporaryDirectory(prefix="planner-demo-") as folder:
        bundled = demo.unpack(folder)
        own = {"environ": {}, "home": bundled.home, "system": bundled.home, "cache_dir": os.path.join(folder, "cache")}
        ambient = read_ambient() | own
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


def _answer(
    question: Any, *, form: str, output: str | None, save: str | None, exit_zero: bool, quiet: bool, verbose: bool
) -> None:
    from planner.progress import kind, progress
    from planner.run import what_if
    from planner.serialize import dumps

    with progress(sys.stderr, kind(sys.stderr, quiet=quiet, verbose=verbose)) as report:
        plan = what_if(question, _rules, report)
    if save:
        save_text(save, dumps(plan))
    write(plan, form, output)
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
                print_out(line(plan))
    if output:
        save_text(output, "".join(lines))
    sys.exit(0 if exit_zero else worst)
