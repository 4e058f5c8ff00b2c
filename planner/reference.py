"""What lies around the environments and refers to them: values only, as `planner.reach` reads them from disk.

A change writes below one prefix, yet more than that prefix may feel it: a virtual environment made from its python, a
kernelspec, a unit, a variable, the user site. Each is a frozen value that says where it stands, so that a person can
check it with `ls` or `cat`. What becomes of it on a change is worked out in `planner.afterwards` and said by the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.model.installed import LoadProblem, PackageRecord, PipDist

ReferenceKind: TypeAlias = Literal[
    "activation",
    "cron",
    "editable",
    "job",
    "kernel",
    "link",
    "path-file",
    "shebang",
    "stack",
    "start-up",
    "unit",
    "variable",
    "virtualenv",
]
Variable: TypeAlias = Literal["KMP_DUPLICATE_LIB_OK", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH"]
Scope: TypeAlias = Literal["environment", "kernel", "process", "service", "shell"]


class Started(Struct, frozen=True):
    """Where a python looks for modules besides the standard library, as it is started: what its options leave out is False.

    `beside` is the folder of the script that it runs (not with `-P` or `-I`), `user_site` that of the user (not with `-s`
    or `-I`), `variables` whether it heeds PYTHONPATH and the like (not with `-E` or `-I`), `site` its site-packages (not
    with `-S`, which leaves out the user's too).
    """

    beside: bool = True
    user_site: bool = True
    variables: bool = True
    site: bool = True


PLAINLY = Started()


class Reference(Struct, frozen=True):
    """Something outside an environment that names a path of it.

    `source` is the file, link or folder that refers (absolute), `line` the line in it (0: the whole), `text` what stands
    there. `prefix` is the environment referred to, `path` the path below it, empty for the environment as a whole.
    `holder` is the prefix of the environment that `source` itself lies in, None outside all of them.
    `interpreter` is the path below `prefix` of the python that it is run by, where it is known: of the script that is
    named, or of a virtual environment (empty: it has a copy). `modules` are the top-level modules that it imports as soon
    as it starts, and `within` those below these, by dotted names, but for those beside it where that python, `started` so,
    looks there first; `bound` are the files of these that only one python can load. `script` is the file that the python
    runs, where it is one. `surely` is False for a line that may not be come to, or may only speak of the path. Of a virtual
    environment: `python` is the X.Y it was made for, `made_by` the tool, `modules` the names of its distributions, and
    `shares` says that it has the packages of that python besides.
    `broken` says that it does not work today: what it names is not there.
    """

    kind: ReferenceKind
    source: str
    prefix: str
    path: str
    text: str
    line: int = 0
    holder: str | None = None
    interpreter: str = ""
    modules: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    started: Started = PLAINLY
    bound: tuple[str, ...] = ()
    script: str = ""
    surely: bool = True
    python: str | None = None
    made_by: str = ""
    shares: bool = False
    broken: bool = False

    @property
    def where(self) -> str:
        """The place, `/etc/crontab:7`."""
        return f"{self.source}:{self.line}" if self.line else self.source


class Setting(Struct, frozen=True):
    """One entry of a variable that decides what is loaded, or how that gets on, and where it is set.

    `prefix` and `path` say which path of which environment the entry is, None and the entry itself where it is in none.
    `applies_to` is the prefix of the environment that it holds for, None where it holds for any that starts from there.
    `libraries` are the shared libraries that lie there, for the LD_ variables, `modules` the top-level modules, for
    PYTHONPATH; `bound` are the files of those right in it that only one python can load.
    """

    variable: Variable
    entry: str
    source: str
    text: str
    scope: Scope
    line: int = 0
    prefix: str | None = None
    path: str = ""
    applies_to: str | None = None
    libraries: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether the entry is a path, from which something is taken."""
        return self.variable != "KMP_DUPLICATE_LIB_OK"

    @property
    def where(self) -> str:
        """The place, `/home/u/.bashrc:7`."""
        return f"{self.source}:{self.line}" if self.line else self.source


class UserSite(Struct, frozen=True):
    """`~/.local/lib/pythonX.Y/site-packages`: every python X.Y of this user reads it before its own."""

    python: str
    path: str
    dists: tuple[PipDist, ...]


class RunningProcess(Struct, frozen=True):
    """A process that runs from, or has mapped, files of an environment; `path` is one of them."""

    pid: int
    name: str
    prefix: str
    path: str
    user: str = ""


class SharedFile(Struct, frozen=True):
    """A file of an environment that is one inode with a file of another one, which does not own it by the same build."""

    path: str
    other: str
    other_prefix: str
    links: int


class Room(Struct, frozen=True):
    """How many bytes this user may still write below a folder, and the device it is on."""

    folder: str
    free: int
    device: int


class Disk(Struct, frozen=True):
    """Where a change writes: the environment, the package cache, and the folder of new environments.

    `cached` are the dist names that the package caches hold ready: nothing is fetched or unpacked for these. A folder
    whose room could not be measured is None.
    """

    target: Room | None = None
    cache: Room | None = None
    new: Room | None = None
    cached: frozenset[str] = frozenset()


def _none_shared(_record: PackageRecord) -> tuple[SharedFile, ...]:
    return ()


class Surroundings(Struct, frozen=True):
    """All that was found around the environments of one installation.

    `looked_at` counts for each prefix what was read in it. `user_site_off` says where it is said that the user site is
    not to be read ("" when it is read). `shared` finds the files of an installed record of the target that share an inode.
    """

    references: tuple[Reference, ...] = ()
    settings: tuple[Setting, ...] = ()
    user_sites: tuple[UserSite, ...] = ()
    processes: tuple[RunningProcess, ...] = ()
    problems: tuple[LoadProblem, ...] = ()
    looked_at: tuple[tuple[str, str], ...] = ()
    cache_links: tuple[tuple[str, int, str], ...] = ()
    user_site_off: str = ""
    disk: Disk = Disk()
    shared: Callable[[PackageRecord], tuple[SharedFile, ...]] = _none_shared

    def user_site(self, python: str | None) -> UserSite | None:
        """The user site of that python X.Y, if it has anything in it."""
        return next((site for site in self.user_sites if site.python == python), None)

    def to(self, prefix: str) -> tuple[Reference, ...]:
        """What refers to the environment at `prefix` from outside."""
        return tuple(item for item in self.references if item.prefix == prefix and item.holder != prefix)

    def own(self, prefix: str) -> tuple[Reference, ...]:
        """What in the environment at `prefix` names a path of it, and came with no package."""
        return tuple(item for item in self.references if item.prefix == item.holder == prefix)
