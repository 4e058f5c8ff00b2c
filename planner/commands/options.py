"""Options that several commands have, and what completes or reads their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from planner.commands.ambient import read_ambient
from planner.errors import InputError, PlannerError

if TYPE_CHECKING:
    from collections.abc import Callable


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


report_options = _printed_as("text", "json", "markdown", "html", "sarif", "junit")  # of a plan
view_options = _printed_as("text", "json", "markdown")  # of what is no plan


def verdict_options(function: Callable[..., Any]) -> Callable[..., Any]:
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


def environments(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The environments that complete ENV; none where no installation is found, for completing must not complain."""
    from planner import config, discover

    ambient = read_ambient()
    environ, home = ambient["environ"], ambient["home"]
    try:
        root = discover.find_root(ctx.find_root().params.get("root"), environ, home)
        settings = config.read_config(root, root, environ, home)
        found = discover.environment_prefixes(root, settings.envs_dirs, home)
    except PlannerError:
        return []
    return [name for name, _ in found if name.startswith(incomplete)]


def split_words(option: str, text: str) -> tuple[str, ...]:
    """A command given as one text, in words as a shell would split them."""
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: {error}") from None
    if not words:
        raise InputError(f"{option}: there is no command in it")
    return words


def mirror(text: str) -> tuple[str, str]:
    """The channel and the place that a `--mirror` names. Raises `InputError` where it names none."""
    channel, equals, place = text.partition("=")
    if not (channel and equals and place):
        raise InputError(f"--mirror {text!r}: write CHANNEL=PATH_OR_URL")
    return channel, place
