"""What was asked, as plain values: the one argument of `planner.run.what_if`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

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
