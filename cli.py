"""The command line's entry: the group of commands, and what becomes of errors.

Only click and the standard library are imported at the top, here and in `planner.commands`, so that `planner --help`
starts fast; each command imports what it needs. The report goes to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import atexit
import gc
import os
from typing import Any

import click

from planner.commands import catalogue, environments, machine, plans, snapshots, what_if
from planner.commands.output import DIFFERENT, VERDICT_CODES, plain
from planner.errors import PlannerError
from planner.version import __version__

__all__ = ["DIFFERENT", "VERDICT_CODES", "main"]

_COLLECTED_EVERY = 100_000  # objects made and kept; Python's own limit is 700


class _Group(click.Group):
    """A click group in which our own errors are one message and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlannerError as error:
            click.echo(f"planner: {plain(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("PLANNER_DEBUG"):
                raise
            what = plain(f"{type(error).__name__}: {error}")
            click.echo(f"planner: this is our own failure, {what}; PLANNER_DEBUG=1 shows where", err=True)
            ctx.exit(1)


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


for _command in (
    what_if.what_if_command,
    what_if.demo_command,
    plans.show_command,
    plans.apply_command,
    environments.envs_command,
    environments.audit_command,
    environments.why_command,
    environments.verify_command,
    snapshots.snapshot_command,
    snapshots.compare_command,
    catalogue.rules_command,
    machine.host_command,
    machine.cache_command,
    machine.completion_command,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
