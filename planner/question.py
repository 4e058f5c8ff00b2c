"""What was asked, as plain values: the one argument of `planner.run.what_if`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from planner.credentials import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.model.plan import Argv
    from planner.model.solve import ChannelPriority, Operation, Tool


class Question(Struct, frozen=True, kw_only=True):
    """What `planner what-if` was asked. Options unset are None or empty: then configuration decides.

    With `from_file`, what is asked for stands in that file, and `env` is the name or prefix of an environment to be
    made; None: the name that the file gives it.

    `look_into_files` is False with --no-files, `deep` fetches packages to look into them. `options` are conda's solver
    options under conda's own names (`--no-deps`). `scan` are further folders in which to look for references, `system`
    is the folder that holds `etc`, `usr` and `var`. `environ`, `home`, `cache_dir` and `created` (ISO time) come from
    the rim, so that the answer depends on nothing that is not written here.
    """

    env: str | None = "base"
    specs: tuple[str, ...] = ()
    operation: Operation = "install"
    tool: Tool = "conda"
    root: str | None = None
    channels: tuple[str, ...] = ()
    override_channels: bool = False
    mirrors: tuple[tuple[str, str], ...] = ()
    offline: bool = False
    channel_priority: ChannelPriority | None = None
    solver: str = "auto"
    solver_python: str | None = None
    options: tuple[str, ...] = ()
    subdir: str | None = None
    cuda: str | None = None
    driver: str | None = None
    glibc: str | None = None
    host_file: str | None = None
    name: str | None = None
    look_into_files: bool = True
    deep: bool = False
    scan: tuple[str, ...] = ()
    system: str = os.sep
    from_file: str | None = None
    environ: Mapping[str, str]
    home: str
    cache_dir: str
    created: str


def asked_again(question: Question, root: str, channels: Sequence[str]) -> tuple[Argv, Argv]:
    """The options with which another question reads the same installation, channels and host, from any folder.

    The first are the group's and stand before the command, the others behind it. `channels` are those that were
    searched; what leads to them may lie in a mirror.
    """
    mirrors = (f"{channel}={_anywhere(place)}" for channel, place in question.mirrors)
    words = [*(["--override-channels"] if channels else [])]
    words += [word for channel in channels for word in ("--channel", channel)]
    words += [word for text in mirrors for word in ("--mirror", masked(text))]
    words += ["--offline"] if question.offline else []
    python = question.solver_python
    given = (
        ("--channel-priority", question.channel_priority),
        ("--solver", question.solver if question.solver != "auto" else None),
        ("--solver-python", python and (os.path.abspath(python) if os.sep in python else python)),
        ("--subdir", question.subdir),
        ("--host", question.host_file and os.path.abspath(question.host_file)),
        ("--cuda", question.cuda),
        ("--driver", question.driver),
        ("--glibc", question.glibc),
    )
    words += [word for option, value in given if value for word in (option, value)]
    return ("--root", root), tuple(words)


def _anywhere(place: str) -> str:
    """The absolute path of what is read as a folder; a URL and a channel's name as they are."""
    relative = place.startswith(".") or ("/" in place and os.path.isdir(place))
    return os.path.abspath(place) if relative and "://" not in place else place
