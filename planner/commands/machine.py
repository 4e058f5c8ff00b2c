"""`planner host`, `cache` and `completion`: this machine, what is kept on it, and its shell."""

from __future__ import annotations

import click

from planner.commands.ambient import read_ambient
from planner.commands.output import plain, print_out, save_text
from planner.errors import InputError


@click.command("host", short_help="What is known of this machine, for plans that are made elsewhere.")
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
        subdir or host.native_subdir(), host_file=host_file, environ=read_ambient()["environ"], **given
    )
    found = found if host_file else with_capabilities(found)
    if save:
        save_text(save, to_json(found))
    print_out(plain(render_host(found)) + "\n")


@click.group("cache", invoke_without_command=True, short_help="What the planner keeps to be faster next time.")
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

        print_out(plain(render_usage(usage(read_ambient()["cache_dir"]))) + "\n")


@cache_command.command("clear")
def cache_clear() -> None:
    """Remove all that the planner has kept, fetched repodata and packages among it.

    Environments lose nothing. Without a network, channels can then be read from conda's own caches only.

    \b
    Example:
      planner cache clear
    """
    from planner.cache import clear, usage
    from planner.render.cache import render_cleared

    folder = read_ambient()["cache_dir"]
    before = usage(folder)
    stuck = clear(folder)
    if stuck:
        raise InputError(f"the cache could not be removed: {', '.join(stuck)}")
    print_out(plain(render_cleared(before)) + "\n")


@click.command("completion", short_help="Print the completion script of a shell.")
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
    click.echo(made(click.get_current_context().find_root().command, {}, "planner", "_PLANNER_COMPLETE").source())
