"""`planner snapshot` and `planner compare`: a state on record, and what differs from it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from planner.commands.ambient import read_ambient, resolved
from planner.commands.options import environments, view_options
from planner.commands.output import DIFFERENT, as_text, plain, put, save_text
from planner.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.snapshot import Snapshot


@click.command("snapshot", short_help="Put the state of ENV on record, to compare it later.")
@click.argument("env", shell_complete=environments)
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

    ambient = read_ambient()
    name, prefix = resolved(root, env, ambient)
    if os.path.realpath(output).startswith(os.path.realpath(prefix) + os.sep):
        raise InputError(f"-o {output}: it lies in the environment itself, which it would change")
    with progress(sys.stderr, kind(sys.stderr, quiet=quiet, verbose=False)) as report:
        taken = snapshot.take(name, prefix, deep=deep, created=ambient["created"], progress=report)
    save_text(output, snapshot_file.dumps(taken))
    for problem in taken.problems:
        click.echo(plain(f"planner: {problem.path}: {problem.what}; {problem.consequence}"), err=True)


@click.command("compare", short_help="What differs between two snapshots, or a snapshot and an environment.")
@click.argument("first")
@click.argument("second")
@click.option("--deep", is_flag=True, help="Compare files, too, where both are environments.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever differs.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@view_options
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
        put(rendering.dumps(first, second, found), output)
    else:
        put(as_text(rendering.build_view(first, second, found), form, output), output)
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
                name, prefix = resolved(root, text, read_ambient())
            except InputError as error:
                raise InputError(f"{text} is no file that `planner snapshot` wrote, and {error}") from None
            side = snapshot.take(name, prefix, deep=deep, progress=progress)  # noqa: PLW2901 -- the side, once it is read
        states.append(side)
    return states[0], states[1]
