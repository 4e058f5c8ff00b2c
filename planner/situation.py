"""Everything that is read from outside before the first thought: installation, configuration, host, channels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner import channels, config, discover, host, load
from planner.errors import InputError
from planner.model import Environment, Host, Installation, Repodata, Request
from planner.versions import check_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.question import Question


@dataclass(frozen=True, slots=True)
class Situation:
    """The inputs of one answer. `is_base` says that the target is the installation's root prefix."""

    installation: Installation
    target: Environment
    is_base: bool
    settings: config.Config
    host: Host
    request: Request
    repodata: tuple[Repodata, ...]


def read_situation(question: Question, progress: Callable[[str], None]) -> Situation:
    """Read what the question is about. Raises `InputError` and its kin for what cannot be used."""
    _check_request(question)
    root = discover.find_root(question.root, question.environ, question.home)
    settings = config.read_config(root, root, question.environ, question.home)
    name, prefix = discover.resolve_environment(root, question.env, settings.envs_dirs, question.home)
    if prefix != root:
        settings = config.read_config(root, prefix, question.environ, question.home)
    prefixes = list(discover.environment_prefixes(root, settings.envs_dirs, question.home))
    if prefix not in {known for _, known in prefixes}:
        prefixes.append((name, prefix))
    installation = load.load_installation(root, prefixes, progress)
    target = next(environment for environment in installation.environments if environment.prefix == prefix)
    subdir = question.subdir or settings.subdir or target.subdir
    machine = host.detect_host(
        subdir,
        cuda=question.cuda,
        driver=question.driver,
        glibc=question.glibc,
        host_file=question.host_file,
        environ=question.environ,
    )
    asked = _channels(question, settings)
    repodata = channels.open_channels(
        asked,
        subdir,
        mirrors=question.mirrors,
        offline=question.offline or settings.offline,
        cache_dir=question.cache_dir,
        config=settings,
        on_progress=progress,
    )
    request = Request(
        operation=question.operation,
        specs=question.specs,
        tool=question.tool,
        channels=tuple(dict.fromkeys(item.channel for item in repodata)),
        channel_priority=question.channel_priority or settings.channel_priority,
        options=_options(question),
    )
    return Situation(
        installation, target, os.path.realpath(prefix) == os.path.realpath(root), settings, machine, request, repodata
    )


def _check_request(question: Question) -> None:
    if question.operation == "update-all" and question.specs:
        raise InputError("--update-all takes no package specs: it is about everything installed")
    if question.operation != "update-all" and not question.specs:
        raise InputError("say what should change, for example: planner what-if base python=3.11")
    for spec in question.specs:
        check_spec(spec)
    if question.override_channels and not question.channels:
        raise InputError("--override-channels leaves no channel: name at least one with -c/--channel")


def _channels(question: Question, settings: config.Config) -> tuple[str, ...]:
    configured = () if question.override_channels else settings.channels
    return tuple(dict.fromkeys((*question.channels, *configured)))


def _options(question: Question) -> tuple[str, ...]:
    """Options that the tool itself knows by these names: the report repeats the command with them."""
    return ("--override-channels",) if question.override_channels else ()
