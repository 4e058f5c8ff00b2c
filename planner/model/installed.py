"""What is installed and where: packages, pip's distributions, environments, an installation, and the host they run on."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct


class PackageRecord(Struct, frozen=True):
    """A conda package as repodata or conda-meta records it: what solving and judging need, without its path lists.

    `channel` is the channel's base URL or name as recorded, without the subdir. `size` is in bytes, `timestamp` in
    milliseconds since the epoch. `noarch` is "python", "generic" or None.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    channel: str = ""
    subdir: str = ""
    fn: str = ""
    url: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    timestamp: int | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    license: str | None = None
    track_features: tuple[str, ...] = ()
    features: str | None = None
    python_site_packages_path: str | None = None

    @property
    def dist_name(self) -> str:
        """The canonical `name-version-build`, which is also the stem of its file names."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def label(self) -> str:
        """`name version build`, as people read it."""
        return f"{self.name} {self.version} {self.build}"

    def same_build(self, other: PackageRecord) -> bool:
        """Whether both are one build, wherever it was downloaded from: same name, version, build and subdir."""
        return (self.name, self.version, self.build, self.build_number) == (
            other.name,
            other.version,
            other.build,
            other.build_number,
        ) and (not self.subdir or not other.subdir or self.subdir == other.subdir)


PathType: TypeAlias = Literal["hardlink", "softlink", "directory", "other"]


class RecordFiles(Struct, frozen=True):
    """The path list of one installed record, loaded on demand: it is nine tenths of conda-meta.

    `paths` are relative to the prefix with forward slashes, sorted. `known` is False where the record names no files
    at all although its package surely has some (records completed by hand, cut ones): then nothing follows from the
    absence of a path.
    """

    paths: tuple[str, ...]
    known: bool = True


class DirectUrl(Struct, frozen=True):
    """Where pip was told to take a distribution from (PEP 610): a local folder or archive, a VCS, or a URL.

    `vcs` is the program of a repository and `commit` what was built of it, `subdirectory` where in it; each may be empty.
    """

    url: str
    editable: bool = False
    kind: Literal["dir", "archive", "vcs"] = "archive"
    vcs: str = ""
    commit: str = ""
    subdirectory: str = ""


DistKind: TypeAlias = Literal["pure", "abi3", "tagged", "editable", "local"]


class PipDist(Struct, frozen=True):
    """A Python distribution found in a site-packages folder, by whatever installed it.

    `name` is normalised (PEP 503), `display_name` as its metadata writes it. `location` is the site-packages folder
    and `metadata_path` the `.dist-info` or `.egg-info`, both relative to the prefix with forward slashes.
    `python` is the X.Y of the folder (`lib/python3.9/...`), None on Windows, whose folder has no version.
    `tags` are the WHEEL file's tags, `extensions` the compiled modules its RECORD names, relative to `location`.
    `owner` is the name of the conda record that owns its metadata, None when conda does not know of it: only those
    are pip's. `files_known` is False when there is no RECORD: then `extensions` proves nothing by being empty.
    """

    name: str
    version: str
    display_name: str
    location: str
    metadata_path: str
    python: str | None = None
    installer: str | None = None
    tags: tuple[str, ...] = ()
    requires_python: str | None = None
    requires_dist: tuple[str, ...] = ()
    direct_url: DirectUrl | None = None
    top_level: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    owner: str | None = None
    files_known: bool = True

    @property
    def kind(self) -> DistKind:
        """Its class when python's minor moves: editable, local, tagged (bound to one python), abi3, or pure.

        A dist with a compiled module that carries neither a cpython tag nor abi3 is bound to the python it was built
        for as far as anyone can know, hence tagged.
        """
        if self.direct_url is not None and self.direct_url.editable:
            return "editable"
        if self.compiled:
            return "abi3" if self._is_abi3() else "tagged"
        # What conda owns was built from a folder of the build machine, which says nothing here.
        if self.owner is None and self.direct_url is not None and self.direct_url.url.startswith("file:"):
            return "local"
        return "pure"

    @property
    def compiled(self) -> bool:
        """Whether it brings compiled code, by its files, or by its wheel tags where its files are not known."""
        if self.files_known:
            return bool(self.extensions)
        return any(not tag.endswith("-none-any") for tag in self.tags)

    def _is_abi3(self) -> bool:
        if self.tags:
            return all(tag.split("-")[1:2] == ["abi3"] or tag.endswith("-none-any") for tag in self.tags)
        return bool(self.extensions) and all(".abi3." in path for path in self.extensions)


class SharedPath(Struct, frozen=True):
    """A path, relative to the prefix, that a conda record and one of pip's distributions both list as theirs.

    `same` says whether both list the same content, `holds` whose content lies there; None where that is not known.
    """

    path: str
    same: bool | None
    holds: Literal["conda", "pip", "neither"] | None = None


class TorchLink(Struct, frozen=True):
    """How a distribution's objects are tied to torch: linked to its C++ interface, to its stable one alone, or not at all.

    `path` is the object that shows it, relative to the prefix, `libraries` those of torch that it needs, `symbol` a name
    of torch's among those it leaves undefined.
    """

    kind: Literal["linked", "stable", "none"]
    path: str = ""
    libraries: tuple[str, ...] = ()
    symbol: str | None = None


class LoadProblem(Struct, frozen=True):
    """An input that could not be read: which file, what is wrong, and what was done without it."""

    path: str
    what: str
    consequence: str


class History(Struct, frozen=True):
    """What people asked for, folded from `conda-meta/history`: name -> last spec, of names still installed."""

    specs: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names that were asked for."""
        return frozenset(name for name, _ in self.specs)


class Environment(Struct, frozen=True):
    """One conda environment as it lies on disk. Records and dists are sorted by name.

    `sites` are its site-packages folders, relative to the prefix with forward slashes.
    """

    name: str
    prefix: str
    subdir: str
    records: tuple[PackageRecord, ...] = ()
    dists: tuple[PipDist, ...] = ()
    history: History = History()
    pins: tuple[str, ...] = ()
    frozen: str | None = None  # the message of conda-meta/frozen ("" when it has none); None: not frozen
    env_vars: tuple[tuple[str, str], ...] = ()
    problems: tuple[LoadProblem, ...] = ()
    fingerprint: str = ""
    sites: tuple[str, ...] = ()

    @property
    def pip_dists(self) -> tuple[PipDist, ...]:
        """The dists that conda does not own: what pip, or a person, put there."""
        return tuple(dist for dist in self.dists if dist.owner is None)

    def record(self, name: str) -> PackageRecord | None:
        """The installed record of that name, if any."""
        return next((record for record in self.records if record.name == name), None)

    @property
    def python(self) -> str | None:
        """The version of its own python, None when it has none (or its record could not be read)."""
        record = self.record("python")
        return record.version if record else None


class Installation(Struct, frozen=True):
    """A conda installation: its root prefix and every environment found, base first, then by prefix.

    Environments that nobody asked about may be known without the dists that conda owns, and without a fingerprint.
    `problems` are about finding environments, not about what is in one.
    """

    root: str
    environments: tuple[Environment, ...]
    problems: tuple[LoadProblem, ...] = ()


class VirtualPackage(Struct, frozen=True):
    """A fact of the host that packages depend on, `__cuda 12.4` say."""

    name: str
    version: str
    build: str = "0"


class Host(Struct, frozen=True):
    """The machine the change is meant for: detected here, given by options or a file, or assumed."""

    subdir: str
    virtual_packages: tuple[VirtualPackage, ...] = ()
    driver: str | None = None
    compute_capabilities: tuple[str, ...] | None = None
    source: Literal["detected", "given", "assumed"] = "detected"
    gpu_known: bool = False  # the GPU was given (--cuda VERSION or none, --driver) or found; not merely not found

    def virtual(self, name: str) -> str | None:
        """The version of a virtual package (`__cuda`), None when the host has none."""
        return next((package.version for package in self.virtual_packages if package.name == name), None)
