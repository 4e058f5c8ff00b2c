"""Everything that is read from outside before an engine is asked: target, configuration, host, channels.

What only judging looks at is `planner.around`'s: it is much more, and can be read while the engine works.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from planner import channels, config, discover, host, load
from planner.cache import open_cache
from planner.credentials import masked
from planner.environment_file import read_environment_file
from planner.errors import BadSpec, ChannelError, InputError
from planner.explicit_list import listed_records
from planner.model.solve import Repodata, Request
from planner.not_yet_made import asked_by_file, not_yet_made
from planner.solve.asked import DEPS_MODIFIERS, NOT_IN_MAMBA, NOT_IN_REMOVE, SOLVER_OPTIONS, UPDATE_MODIFIERS
from planner.spec_merge import merged
from planner.specs import is_package_file
from planner.versions import check_spec, spec_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from planner.environment_file import EnvironmentFile
    from planner.model.installed import Environment, Host, PackageRecord
    from planner.question import Question


_NEW = "To ask about an environment that nobody has made yet, write what it should have into a file: --from FILE"


class Situation(Struct, frozen=True):
    """What an engine is asked with. `root` is the installation's root prefix and `base` the environment there, if any.

    `prefixes` are all environments by name and prefix. `channel_names` are the channels that specs name, each with the
    base URLs it stands for; `max_attempts` is conda's own cap on its attempts, where the variable for it is set.
    `listed` are the packages of an explicit list, which are installed without a solve; `asked_of_pip` are the lines of
    an environment file's part for pip.
    """

    root: str
    prefixes: tuple[tuple[str, str], ...]
    base: Environment | None
    target: Environment
    settings: config.Config
    host: Host
    request: Request
    repodata: tuple[Repodata, ...]
    channel_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    max_attempts: int | None = None
    listed: tuple[PackageRecord, ...] | None = None
    asked_of_pip: tuple[str, ...] = ()

    @property
    def is_base(self) -> bool:
        """Whether the target is the installation's root prefix."""
        return os.path.realpath(self.target.prefix) == os.path.realpath(self.root)


def read_situations(questions: Sequence[Question], progress: Callable[[str], None]) -> Iterator[Situation]:
    """One situation for each of several questions, which differ in what should change and in nothing else.

    What they share is read once: target, configuration, host, and each channel. Raises `InputError` and its kin for what
    cannot be used; where it is a request, before anything is read.
    """
    question = questions[0]
    file = read_environment_file(question.from_file) if question.from_file else None
    if file is not None:
        question = asked_by_file(question, file)
        questions = (question,)
    requests = [check_request(item, progress) for item in questions]
    check_places(question)
    present = _present(question, file, progress)
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
        asked_of_pip=file.pip if file is not None else (),
    )


def read_present(question: Question, progress: Callable[[str], None]) -> Situation:
    """Read what there is, whatever is asked: without channels, and with a request for nothing."""
    check_places(question)
    return _present(question, None, progress)


def _present(question: Question, file: EnvironmentFile | None, progress: Callable[[str], None]) -> Situation:
    root, prefixes, target, settings = (
        _installed(question, progress) if file is None else not_yet_made(question, file, progress)
    )
    machine = host.detect_host(
        question.subdir or settings.subdir or target.subdir,
        cuda=question.cuda,
        driver=question.driver,
        glibc=question.glibc,
        host_file=question.host_file,
        environ=question.environ,
    )
    base = target if target.prefix == root else _base(question, root, prefixes)
    return Situation(root, prefixes, base, target, settings, machine, Request("install", (), question.tool), ())


def _base(question: Question, root: str, prefixes: Iterable[tuple[str, str]]) -> Environment | None:
    name = next((name for name, prefix in prefixes if prefix == root), None)
    if name is None:
        return None
    kept = open_cache(question.cache_dir, question.environ)
    return load.load_environment(name, root, kept=kept, in_full=False)


def check_places(question: Question) -> None:
    """Raises `InputError` for a folder to look into that is none."""
    for folder in question.scan:
        if not os.path.isdir(folder):
            raise InputError(f"--scan {folder}: it is no folder that can be looked into")


def _installed(
    question: Question, progress: Callable[[str], None]
) -> tuple[str, tuple[tuple[str, str], ...], Environment, config.Config]:
    """The root, all environments, the one that is asked about, and the configuration for a change to that.

    What could not be read of its configuration is a problem of the environment asked about.
    """
    root = discover.find_root(question.root, question.environ, question.home)
    settings = config.read_config(root, root, question.environ, question.home, question.tool)
    # Specs, and nothing to put them into: that is what people type who want a new environment.
    otherwise = f". {_NEW}" if question.specs and question.operation == "install" else ""
    name, prefix = discover.resolve_environment(
        root, question.env or "base", settings.envs_dirs, question.home, otherwise
    )
    if prefix != root:
        settings = config.read_config(root, prefix, question.environ, question.home, question.tool)
    prefixes = list(discover.environment_prefixes(root, settings.envs_dirs, question.home))
    name = next((known for known, place in prefixes if place == prefix), name)
    if prefix not in {place for _, place in prefixes}:
        prefixes.append((name, prefix))
    progress(f"reading environment {name}")
    target = load.load_environment(name, prefix, kept=open_cache(question.cache_dir, question.environ))
    return root, tuple(prefixes), replace(target, problems=(*target.problems, *settings.problems)), settings


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
    if question.operation == "remove":
        lacking = [option for option in question.options if option in NOT_IN_REMOVE]
        if lacking:
            raise InputError(f"{question.tool}'s remove has no option {lacking[0]}: ask without it")
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


def _options(question: Question) -> tuple[str, ...]:
    """Options that the tool itself knows by these names: the report repeats the command with them."""
    if question.from_file:
        return ("--file", question.from_file, *question.options)
    return (*(["--override-channels"] if question.override_channels else []), *question.options)
