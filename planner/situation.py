"""Everything that is read from outside before the first thought: installation, configuration, host, channels."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from planner import channels, config, discover, host, load
from planner.belongings import NOTHING_ELSE, Belongings, read_belongings
from planner.cache import open_cache
from planner.credentials import masked
from planner.environment_file import read_environment_file
from planner.errors import BadSpec, ChannelError, InputError
from planner.explicit_list import listed_records
from planner.model import Environment, Host, Installation, PackageRecord, Repodata, Request
from planner.not_yet_made import asked_by_file, not_yet_made
from planner.reach.notes import Places
from planner.reach.read import read_surroundings
from planner.reference import Surroundings
from planner.solve.asked import DEPS_MODIFIERS, NOT_IN_MAMBA, SOLVER_OPTIONS, UPDATE_MODIFIERS
from planner.spec_merge import merged
from planner.specs import is_package_file
from planner.versions import check_spec, spec_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from planner.environment_file import EnvironmentFile
    from planner.question import Question


@dataclass(frozen=True, slots=True)
class Situation:
    """The inputs of one answer. `is_base` says that the target is the installation's root prefix.

    `channel_names` are the channels that specs name, each with the base URLs it stands for; `max_attempts` is conda's
    own cap on its attempts, where the variable for it is set. `surroundings` is what refers to the environments.
    `listed` are the packages of an explicit list, which are installed without a solve.
    """

    installation: Installation
    target: Environment
    is_base: bool
    settings: config.Config
    host: Host
    request: Request
    repodata: tuple[Repodata, ...]
    channel_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    max_attempts: int | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    belongings: Belongings = NOTHING_ELSE
    listed: tuple[PackageRecord, ...] | None = None

    @property
    def base(self) -> Environment | None:
        """The installation's root prefix, None where nothing was found there."""
        root = self.installation.root
        return next((item for item in self.installation.environments if item.prefix == root), None)


def read_situations(questions: Sequence[Question], progress: Callable[[str], None]) -> Iterator[Situation]:
    """One situation for each of several questions, which differ in what should change and in nothing else.

    What they share is read once: installation, configuration, host, surroundings, and each channel. Raises `InputError`
    and its kin for what cannot be used; where it is a request, before anything is read.
    """
    question = questions[0]
    file = read_environment_file(question.from_file) if question.from_file else None
    if file is not None:
        question = asked_by_file(question, file)
        questions = (question,)
    requests = [check_request(item, progress) for item in questions]
    places = _places(question)
    found = not_yet_made(question, file, progress) if file is not None else _installed(question, progress)
    present = _present(question, found, places, progress)
    opened: dict[tuple[str, ...], tuple[Repodata, ...]] = {}
    for item, asked in zip(questions, requests, strict=True):
        searched = _channels(item, present.settings)
        if searched not in opened:
            opened[searched] = _opened(item, searched, present, progress)
        yield _asked(item, asked, file, present, opened[searched])


def _opened(
    question: Question, searched: tuple[str, ...], present: Situation, progress: Callable[[str], None]
) -> tuple[Repodata, ...]:
    progress(f"reading the repodata of {', '.join(map(masked, searched))}")
    return channels.open_channels(
        searched,
        present.host.subdir,
        mirrors=question.mirrors,
        offline=question.offline or present.settings.offline,
        cache_dir=question.cache_dir,
        cache=open_cache(question.cache_dir, question.environ),
        config=present.settings,
        on_progress=progress,
    )


def _asked(
    question: Question,
    asked: tuple[str, ...],
    file: EnvironmentFile | None,
    present: Situation,
    repodata: tuple[Repodata, ...],
) -> Situation:
    """What is there, with one request to it."""
    settings, target = present.settings, present.target
    listed = None
    if file is not None and file.explicit:
        listed, faults = listed_records(file, repodata, present.host)
        target = replace(target, problems=(*target.problems, *faults))
    request = Request(
        operation=question.operation,
        specs=asked,
        tool=question.tool,
        channels=tuple(dict.fromkeys(item.channel for item in repodata)),
        channel_priority=question.channel_priority or settings.channel_priority,
        options=_options(question),
    )
    return replace(
        present,
        target=target,
        request=request,
        repodata=repodata,
        channel_names=_channel_names(question, target, settings),
        max_attempts=_max_attempts(question),
        listed=listed,
    )


def read_present(question: Question, progress: Callable[[str], None]) -> Situation:
    """Read what there is, whatever is asked: the situation without channels, with a request for nothing."""
    places = _places(question)
    return _present(question, _installed(question, progress), places, progress)


def _present(
    question: Question,
    found: tuple[Installation, Environment, config.Config],
    places: Places,
    progress: Callable[[str], None],
) -> Situation:
    installation, target, settings = found
    machine = host.detect_host(
        question.subdir or settings.subdir or target.subdir,
        cuda=question.cuda,
        driver=question.driver,
        glibc=question.glibc,
        host_file=question.host_file,
        environ=question.environ,
    )
    surroundings = read_surroundings(installation.environments, target, places, settings, progress)
    return Situation(
        installation,
        target,
        os.path.realpath(target.prefix) == os.path.realpath(installation.root),
        settings,
        machine,
        Request("install", (), question.tool),
        (),
        surroundings=surroundings,
        belongings=read_belongings(target, surroundings.references),
    )


def _places(question: Question) -> Places:
    for folder in question.scan:
        if not os.path.isdir(folder):
            raise InputError(f"--scan {folder}: it is no folder that can be looked into")
    return Places(question.environ, question.home, question.system, question.scan)


def _installed(question: Question, progress: Callable[[str], None]) -> tuple[Installation, Environment, config.Config]:
    """The installation, the environment of it that is asked about, and the configuration for a change to that."""
    root = discover.find_root(question.root, question.environ, question.home)
    settings = config.read_config(root, root, question.environ, question.home, question.tool)
    name, prefix = discover.resolve_environment(root, question.env or "base", settings.envs_dirs, question.home)
    if prefix != root:
        settings = config.read_config(root, prefix, question.environ, question.home, question.tool)
    prefixes = list(discover.environment_prefixes(root, settings.envs_dirs, question.home))
    if prefix not in {known for _, known in prefixes}:
        prefixes.append((name, prefix))
    kept = open_cache(question.cache_dir, question.environ)
    loaded = load.load_installation(root, prefixes, progress, asked=prefix, kept=kept)
    installation = _with_problems(loaded, prefix, settings)
    target = next(environment for environment in installation.environments if environment.prefix == prefix)
    return installation, target, settings


def check_request(question: Question, progress: Callable[[str], None]) -> tuple[str, ...]:
    """The specs of the request as every engine reads them. Raises `InputError` for a request that is none."""
    if question.operation == "update-all" and question.specs:
        raise InputError("--update-all takes no package specs: it is about everything installed")
    if question.operation != "update-all" and not question.specs:
        raise InputError("say what should change, for example: planner what-if base python=3.11")
    if question.override_channels and not question.channels:
        raise InputError("--override-channels leaves no channel: name at least one with -c/--channel")
    _check_options(question)
    for spec in question.specs:
        if is_package_file(spec):
            raise BadSpec(spec, "a package's file is installed as it is, without solving; ask for NAME=VERSION=BUILD")
    asked = tuple(check_spec(spec, question.tool) for spec in question.specs)
    for typed, meant in zip(question.specs, asked, strict=True):
        if typed.strip() != meant:
            progress(masked(f"{typed!r} is read as {meant!r}"))
    return merged(asked) if question.tool == "conda" else asked


def _check_options(question: Question) -> None:
    unknown = [option for option in question.options if option not in SOLVER_OPTIONS]
    if unknown:
        raise InputError(f"{unknown[0]} is no option of the simulated command: it knows {', '.join(SOLVER_OPTIONS)}")
    for group in (UPDATE_MODIFIERS, DEPS_MODIFIERS):
        both = [option for option in question.options if option in group]
        if len(both) > 1:
            raise InputError(f"{both[0]} and {both[1]} exclude each other, as they do for conda")
    if question.tool == "mamba":
        lacking = [option for option in question.options if option in NOT_IN_MAMBA]
        if lacking:
            raise InputError(f"mamba's {question.operation} has no option {lacking[0]}: ask --as conda, or without it")


def _channels(question: Question, settings: config.Config) -> tuple[str, ...]:
    """The channels in their order; conda searches those that a requested spec names after the configured ones."""
    configured = () if question.override_channels else settings.channels
    named = filter(None, map(_named_channel, question.specs))
    return tuple(
        dict.fromkeys((*question.channels, *configured, *_not_yet(named, (*question.channels, *configured), settings)))
    )


def _named_channel(spec: str) -> str | None:
    """The channel that a spec names; a URL as typed, since a login or token in it is needed for fetching."""
    head, separator, _ = spec.partition("::")
    return head if separator and "://" in head else spec_channel(spec)


def _not_yet(named: Iterable[str], searched: Iterable[str], settings: config.Config) -> Iterator[str]:
    """The channels named in specs, but for those that are searched already, however they are written."""
    known = {url for channel in searched for url in channels.canonical_channel(channel, settings)}
    for channel in named:
        if not known.issuperset(channels.canonical_channel(channel, settings)):
            yield channel


def _channel_names(
    question: Question, target: Environment, settings: config.Config
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    specs = (*question.specs, *(spec for _, spec in target.history.specs), *target.pins, *settings.pinned_packages)
    named = dict.fromkeys(channel for spec in specs if (channel := spec_channel(spec)))
    found = []
    for name in named:
        try:
            found.append((name, channels.canonical_channel(name, settings)))
        except ChannelError:
            if any(spec_channel(spec) == name for spec in question.specs):
                raise
            # A channel that history names and nobody knows any more: its packages are matched by name and version.
    return tuple(found)


def _max_attempts(question: Question) -> int | None:
    text = question.environ.get("CONDA_LIBMAMBA_SOLVER_MAX_ATTEMPTS", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"CONDA_LIBMAMBA_SOLVER_MAX_ATTEMPTS={text!r}: conda takes a number from 1 up")
    return int(text)


def _with_problems(installation: Installation, prefix: str, settings: config.Config) -> Installation:
    """The installation, what could not be read of its configuration being a problem of the environment asked about."""
    return replace(
        installation,
        environments=tuple(
            replace(environment, problems=(*environment.problems, *settings.problems))
            if environment.prefix == prefix
            else environment
            for environment in installation.environments
        ),
    )


def _options(question: Question) -> tuple[str, ...]:
    """Options that the tool itself knows by these names: the report repeats the command with them."""
    if question.from_file:
        return ("--file", question.from_file, *question.options)
    return (*(["--override-channels"] if question.override_channels else []), *question.options)
