"""What pip put into an environment, as a requirements file for a new one: class by class, and what cannot come along.

A distribution that conda provides in the new environment is left out, so that none has two owners. Everything left out
stands in the file as a comment with its reason. Names, versions and URLs come from packages and are not trusted: what
is not plainly one becomes a comment, and no text can start a line of its own. Pure: nothing is looked up in an index.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from planner.pip_after import dist_name
from planner.pip_classes import accepts
from planner.versions import minor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.model.installed import DirectUrl, Environment, PackageRecord, PipDist

_TORCH = frozenset({"torch", "torchaudio", "torchvision"})
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_REPOSITORIES = frozenset({"git", "hg"})  # whose commits are sums of their contents
_COMMIT, _SUBDIRECTORY = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"), re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._/-]*")
_TORCH_INDEX = "https://download.pytorch.org/whl/"


class PipLayer(Struct, frozen=True):
    """The pip layer of a new environment.

    `lines` are what pip is given, `carried` the dists behind them; `left` is (dist, reason) for each that does not
    come along by itself. `rebuilt` are the carried ones whose present files fit the old python alone. `of_torch` are
    the lines that PyTorch's own index is needed for, with that index. `text` is the requirements file of all others.
    Where a file asks for them instead (`planner.pip_part`), `asked` are the names in its lines, and `by_hand` is (line,
    reason) for each that is left to do.
    """

    lines: tuple[str, ...]
    carried: tuple[PipDist, ...]
    left: tuple[tuple[PipDist, str], ...]
    rebuilt: tuple[str, ...] = ()
    of_torch: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    by_hand: tuple[tuple[str, str], ...] = ()

    @property
    def from_files(self) -> tuple[str, ...]:
        """The lines that pip installs from the user's own index, a URL or a file."""
        return tuple(line for line in self.lines if not line.startswith("-e ") and line not in self.of_torch)

    @property
    def torch_text(self) -> str:
        """The requirements file of what PyTorch's own index has, which is then asked for nothing else."""
        return "\n".join(("# From PyTorch's own index.", *self.of_torch)) + "\n"

    @property
    def editable(self) -> tuple[str, ...]:
        """The lines that tie the environment to a folder of sources."""
        return tuple(line for line in self.lines if line.startswith("-e "))

    @property
    def editable_text(self) -> str:
        """The requirements file of the editable ones, which have a step of their own."""
        return "\n".join(("# Installed from their folders, in place.", *self.editable)) + "\n"

    @property
    def text(self) -> str:
        """The requirements file: pip's lines, then what is left out and why, as comments."""
        whose = "is asked for" if self.asked or self.by_hand else "had installed, for the new environment"
        out = [f"# What pip {whose}.", *self.from_files]
        if not self.from_files:
            out.append("# Nothing is left for pip to install.")
        if self.rebuilt:
            out += ["#", "# Compiled for the old python; pip has to find or build a file for the new one:"]
            out += [f"#   {one_line(name)}" for name in self.rebuilt]
        if self.left:
            out += ["#", "# Not installed by this file:"]
            out += [f"#   {one_line(dist.name)} {one_line(dist.version)}: {one_line(why)}" for dist, why in self.left]
        if self.by_hand:
            out += ["#", "# Left to do by hand:", *(f"#   {line}: {why}" for line, why in self.by_hand)]
        return "\n".join(out) + "\n"


def pip_layer(
    environment: Environment,
    records: Iterable[PackageRecord],
    planned_python: str | None,
    *,
    windows: bool,
    sources: frozenset[str] = frozenset(),
) -> PipLayer:
    """Sort the pip dists of `environment` into what pip can install beside `records`, and what it cannot.

    `sources` are the `file:` URLs that are known to be there still.
    """
    provided = provided_dists(environment, records)
    own = minor(environment.python) if environment.python else None
    lines: list[str] = []
    indexes: set[str] = set()
    of_torch: list[str] = []
    carried: list[PipDist] = []
    left: list[tuple[PipDist, str]] = []
    seen: set[str] = set()
    # A name can lie in several folders; the one that the environment's own python sees counts.
    for dist in sorted(environment.pip_dists, key=lambda dist: (dist.name, dist.python != own, dist.metadata_path)):
        stale = not windows and own is not None and dist.python is not None and dist.python != own
        if dist.name in seen and stale:
            continue
        if stale:
            why = (
                f"it lies in the folder of python {dist.python}, which the environment's own python {own} does not see"
            )
            left.append((dist, why))
            continue
        if dist.name in seen:
            left.append((dist, "a second copy of it was installed over the first"))
            continue
        seen.add(dist.name)
        if dist.name in provided:
            left.append((dist, f"conda provides it in the new environment, as {provided[dist.name]}"))
            continue
        line, why = _line(dist, planned_python, sources)
        if line is None:
            left.append((dist, why))
            continue
        lines.append(line)
        carried.append(dist)
        index = _torch_index(dist)
        if index:
            indexes.add(f"--extra-index-url {index}")
            of_torch.append(line)
    moves = own is not None and planned_python is not None and minor(planned_python) != own
    rebuilt = tuple(dist.name for dist in carried if moves and dist.kind == "tagged")
    found = sorted(indexes)
    return PipLayer((*found, *lines), tuple(carried), tuple(left), rebuilt, of_torch=(*found, *of_torch))


def provided_dists(environment: Environment, records: Iterable[PackageRecord]) -> dict[str, str]:
    """Normalised distribution name -> label of the conda record that brings it, as far as names and today's owners tell."""
    owned: dict[str, list[str]] = {}
    for dist in environment.dists:
        if dist.owner is not None:
            owned.setdefault(dist.owner, []).append(dist.name)
    provided: dict[str, str] = {}
    for record in records:
        names = owned.get(record.name, [])
        for name in (*names, dist_name(record)):
            if name is not None:
                provided.setdefault(name, record.label)
    return provided


def one_line(text: str) -> str:
    """Text with line breaks and other control characters written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _line(dist: PipDist, planned_python: str | None, sources: frozenset[str]) -> tuple[str | None, str]:
    """The line for pip, or None and why there is none."""
    if not _NAME.fullmatch(dist.name):
        return None, "its name is not one that pip accepts"
    if dist.direct_url is not None:
        return _direct(dist, sources)
    if not _VERSION.fullmatch(dist.version) or not _is_pep440(dist.version):
        return None, "its version is not one that pip accepts"
    if planned_python and accepts(dist.requires_python, planned_python) is False:
        return None, f"this version says Requires-Python {dist.requires_python}, and the new python is {planned_python}"
    if "+" in dist.version and _torch_index(dist) is None:
        return None, "a local version: no public index has it; install it from where it was built"
    return f"{dist.name}=={dist.version}", ""


def _direct(dist: PipDist, sources: frozenset[str]) -> tuple[str | None, str]:
    """The line for a dist that was not installed from an index."""
    source = dist.direct_url
    assert source is not None  # noqa: S101 -- the caller has looked
    url = _safe_url(source.url)
    if url is None:
        return None, "the place it was installed from cannot be written down safely (credentials, a query, or no URL)"
    local = url.startswith("file:")
    if source.kind == "vcs":
        return _from_repository(dist, source, url, there=not local or source.url in sources)
    if source.editable:
        return (f"-e {url}", "") if local else (None, f"an editable install from {url}")
    old_wheel = dist.kind == "tagged" and url.endswith(".whl")
    if local and source.url in sources and not old_wheel:
        return f"{dist.name} @ {url}", ""
    if local and source.kind == "dir":
        return None, f"installed from the folder {url}; if that is still there: {dist.name} @ {url}"
    if local:
        return None, f"installed from the file {url}; if that is still there and fits: {dist.name} @ {url}"
    if old_wheel:
        return None, f"installed from {url}, a wheel for the old python"
    return f"{dist.name} @ {url}", ""


def _from_repository(dist: PipDist, source: DirectUrl, url: str, *, there: bool) -> tuple[str | None, str]:
    """The line for the very commit that was built, where pip can have it without asking anyone for a key."""
    commit = source.vcs in _REPOSITORIES and _COMMIT.fullmatch(source.commit)
    part = source.subdirectory
    if not commit or (part and not _SUBDIRECTORY.fullmatch(part)):
        return None, f"installed from the repository {url}; the commit is in {dist.metadata_path}/direct_url.json"
    line = f"{dist.name} @ {source.vcs}+{url}@{source.commit}" + (f"#subdirectory={part}" if part else "")
    if url.startswith(("https:", "http:")) or (url.startswith("file:") and there):
        return line, ""
    why = "is not there any more" if url.startswith("file:") else "may ask for a key of yours"
    return None, f"its repository {why}; if you can reach it: {line}"


def _safe_url(text: str) -> str | None:
    """The URL with nothing in it that a requirements file gives a meaning to; None with secrets in it, or no scheme."""
    if not text.isprintable():
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if not parts.scheme or not (parts.netloc or parts.path.startswith("/")):
        return None
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[^A-Za-z0-9.:\[\]_-]", parts.netloc):
        return None
    path = quote(unquote(parts.path), safe="/:+@,=~!()")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _is_pep440(version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def _torch_index(dist: PipDist) -> str | None:
    """PyTorch's own index for a build of its family with a flavour in its version (`2.1.0+cu118`)."""
    flavour = dist.version.partition("+")[2]
    known = (
        dist.name in _TORCH and dist.direct_url is None and re.fullmatch(r"cpu|cu\d{2,3}|rocm\d+(?:\.\d+)*", flavour)
    )
    return _TORCH_INDEX + flavour if known else None
