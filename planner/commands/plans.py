"""`planner show` and `planner apply`: what is done with a plan that was saved."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from planner.commands.options import mirror, report_options, split_words
from planner.commands.output import as_text, plain, print_out, put, write
from planner.errors import InputError


@click.command("show", short_help="Render a saved plan.")
@click.argument("plan_file", metavar="PLAN.json", type=click.Path())
@click.option("--result", metavar="FILE", help="A GPU verification's result (JSON), to stand first in the report.")
@click.option("--files", metavar="DIR", help="Write the plan's files into DIR, to run its steps by hand.")
@report_options
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

        written = ", ".join(write_all(plan, files))
        click.echo(plain(f"planner: written into {files}: {written}"), err=True)
    if result is None:
        write(plan, form, output)
        return
    if form not in {"text", "markdown", "html"}:
        raise InputError(f"--result has no place in --format {form}: it is part of a report for people")
    from msgspec.structs import replace

    from planner.render.verification import section
    from planner.render.view import build_view
    from planner.verify.result import load_result

    view = build_view(plan, pictures=form == "html")
    first = section(load_result(result), plan)
    put(as_text(replace(view, sections=(first, *view.sections)), form, output), output)


@click.command("apply", short_help="Carry out a saved plan's migration; a dry run without --yes.")
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
        checks=tuple(split_words("--check", text) for text in given["checks"]),
        cpu_ok=given["cpu_ok"],
        launcher=split_words("--launcher", given["launcher"]) if given["launcher"] else (),
        embedded=given["embedded"],
        mirrors=tuple(mirror(text) for text in given["mirrors"]),
    )
    if not given["yes"]:
        if given["undo"]:
            bench = run.look(plan, here, wishes)
            print_out(migration.undo_outline(run.to_undo(bench), bench.journal.folder))
        else:
            print_out(migration.outline(*run.prepare(plan, here, wishes)))
        return
    from planner.progress import kind, progress

    with progress(sys.stderr, kind(sys.stderr, quiet=given["quiet"], verbose=given["verbose"])) as report:
        if given["undo"]:
            removed = run.undo(plan, here, report)
            text = migration.undone(removed)
        else:
            text = migration.outcome(run.apply(plan, here, wishes, report))
    print_out(text)


def _here() -> Any:
    from platformdirs import user_cache_dir, user_state_dir

    from planner.apply.guard import Here

    return Here(
        environ=dict(os.environ),
        home=os.path.expanduser("~"),
        state_dir=user_state_dir("conda-upgrade-planner"),
        cache_dir=user_cache_dir("conda-upgrade-planner"),
    )
