"""`planner envs`, `audit`, `why` and `verify`: environments as they are, without a change."""

from __future__ import annotations

import sys
from typing import Any

import click

from planner.commands.ambient import read_ambient, resolved
from planner.commands.options import environments, split_words, view_options
from planner.commands.output import VERDICT_CODES, as_text, plain, put, save_text
from planner.errors import InputError


@click.command("envs", short_help="Every environment: python, torch, CUDA, size, and what leaks in or out.")
@click.option("--sizes", is_flag=True, help="Measure the sizes, however many files there are.")
@click.option(
    "--scan", multiple=True, metavar="DIR", help="Look here too for what refers to an environment. Repeatable."
)
@view_options
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

    ambient = read_ambient()
    environ, home = ambient["environ"], ambient["home"]
    found = discover.find_root(root, environ, home)
    settings = config.read_config(found, found, environ, home)
    prefixes = discover.machine_prefixes(found, settings.envs_dirs, environ, home)
    places = Places(environ, home, scan=scan)
    listed = read_inventory(found, prefixes, places, measure=sizes, pkgs_dirs=settings.pkgs_dirs)
    text = rendering.dumps(listed) if form == "json" else as_text(rendering.build_view(listed), form, output)
    put(text, output)


@click.command("audit", short_help="What is wrong in ENV today, without any change.")
@click.argument("env", shell_complete=environments)
@click.option("--deep", is_flag=True, help="Hash every file of conda's packages.")
@click.option("--scan", multiple=True, metavar="DIR", help="Look here too for what refers to ENV. Repeatable.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever the verdict.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Each stage and its time on stderr, a line each.")
@view_options
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

    question = Question(env=given["env"], root=root, scan=given["scan"], **read_ambient())
    with progress(sys.stderr, kind(sys.stderr, quiet=given["quiet"], verbose=given["verbose"])) as report:
        found = audit(question, RULES, deep=given["deep"], progress=report)
    form, output = given["form"], given["output"]
    text = rendering.dumps(found) if form == "json" else as_text(rendering.build_view(found), form, output)
    put(text, output)
    sys.exit(0 if given["exit_zero"] else VERDICT_CODES[found.verdict.value])


@click.command("why", short_help="Who needs PACKAGE in ENV, and what it needs.")
@click.argument("env", shell_complete=environments)
@click.argument("package")
@click.pass_obj
def why_command(root: str | None, env: str, package: str) -> None:
    """Show as trees who needs PACKAGE in ENV and what it needs, along which kind of edge.

    \b
    Example:
      planner why base openssl
    """
    from planner import graph, host, load
    from planner.render.why import render_why

    ambient = read_ambient()
    environment = load.load_environment(*resolved(root, env, ambient))
    machine = host.detect_host(environment.subdir, environ=ambient["environ"])
    built = graph.build_graph(environment, machine)
    click.echo(render_why(built, package), nl=False)


@click.command("verify", short_help="Verify the GPU with the environment's own python.")
@click.argument("env", shell_complete=environments)
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
    if require_gpu and cpu_ok:
        raise InputError("--require-gpu and --cpu-ok exclude each other: leave one of them out")
    from planner.verify import runner
    from planner.verify.result import render_result, to_json

    _, prefix = resolved(root, env, read_ambient())
    words = split_words("--launcher", launcher) if launcher else ()
    result = runner.verify_environment(prefix, timeout=timeout, launcher=words)
    text = to_json(result) if form == "json" else plain(render_result(result))
    if output:
        save_text(output, text + "\n")
    else:
        click.echo(text)
    sys.exit(runner.exit_code(result, require_gpu=require_gpu, cpu_ok=cpu_ok))
