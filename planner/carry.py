"""What comes along into a new environment: the specs of the second question, "one that keeps every requested package".

What people asked for is what history says; where history says nothing, the packages that nothing else needs stand in.
A GPU build is asked for again as a GPU build, since a solver left alone may answer with a CPU build. Conda, its
plugins and what an installer seeds stay in base. Pure functions on specs and records: solving is the engines' business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.errors import BadSpec
from planner.flavour import FRAMEWORKS, flavour
from planner.model.solve import Install, SolveRequest
from planner.versions import check_spec, minor, spec_build, spec_is_bare, spec_name, spec_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from planner.model.installed import Environment, Host, PackageRecord
    from planner.model.solve import ChannelPriority, Repodata, Request

# What installers put into base beside conda itself, and the metapackage of the Anaconda distribution.
_SEEDED = frozenset(
    {
        "_anaconda_depends",
        "anaconda",
        "anaconda-anon-usage",
        "anaconda-navigator",
        "conda",
        "console_shortcut_miniconda",
        "constructor",
        "libmamba",
        "libmambapy",
        "mamba",
        "menuinst",
        "micromamba",
        "miniforge_console_shortcut",
        "powershell_shortcut_miniconda",
        "setuptools",
        "wheel",
    }
)

# Frameworks worth keeping on the GPU even where they came as a dependency of what was asked for.
_KEPT_ON_GPU = frozenset({"jaxlib", "pytorch", "tensorflow"})
_WANTS_CPU = frozenset({"cpuonly", "pytorch-cpu", "tensorflow-cpu"})


def new_environment_request(
    specs: Sequence[str],
    repodata: tuple[Repodata, ...],
    host: Host,
    subdir: str,
    channel_priority: ChannelPriority,
) -> SolveRequest:
    """The second question for an engine: these specs in an empty prefix. A failure is answered by asking for less."""
    return SolveRequest(
        installed=(),
        jobs=tuple(Install(spec) for spec in specs),
        repodata=repodata,
        virtual_packages=host.virtual_packages,
        subdir=subdir,
        channel_priority=channel_priority,
        explained=False,
    )


def new_environment_specs(environment: Environment, is_base: bool, request: Request) -> tuple[str, ...]:  # noqa: FBT001 -- the signature that the pipeline calls
    """The specs of a new environment that has what the request asks for and keeps every package asked for earlier.

    The request's own specs come first, then those kept, by name. Raises `BadSpec` for a spec of the request.
    """
    asked = {spec_name(spec) for spec in request.specs}
    removing = request.operation == "remove"
    gone = taken_away(environment, request) if removing else asked
    kept = {name: spec for name, spec in _kept_specs(environment, request) if name not in gone}
    if is_base:
        own = stays_in_base(environment)
        kept = {name: spec for name, spec in kept.items() if name not in own}
    if environment.python and "python" not in gone:
        kept["python"] = f"python {minor(environment.python)}.*"
    if "python" in asked | set(kept) and "pip" not in gone and (environment.record("pip") or environment.pip_dists):
        kept.setdefault("pip", "pip")
    first = {} if removing else {spec_name(spec): spec for spec in request.specs}
    return tuple(keep_gpu(environment, request, {**first, **dict(sorted(kept.items()))}, gone))


def taken_away(environment: Environment, request: Request) -> frozenset[str]:
    """What a removal takes from the environment: the names it is about, and whatever needs one of them."""
    if request.operation != "remove":
        return frozenset()
    return frozenset(_with_dependents(environment, map(spec_name, request.specs)))


def gone_with_removed(environment: Environment, request: Request) -> tuple[str, ...]:
    """The specs of what was asked for earlier and goes along with what a removal names, since it needs that."""
    gone = taken_away(environment, request) - {spec_name(spec) for spec in request.specs}
    return tuple(spec for name, spec in sorted(_kept_specs(environment, request)) if name in gone)


def asked_for(environment: Environment) -> tuple[str, ...]:
    """The names that stand for what people asked for: history's, or the leaves of the dependency graph without any."""
    return tuple(sorted(environment.history.names)) or leaves(environment)


def leaves(environment: Environment) -> tuple[str, ...]:
    """The installed packages that no other installed package depends on, sorted."""
    needed = {name for record in environment.records for name in depends_names(record) if name != record.name}
    return tuple(sorted(record.name for record in environment.records if record.name not in needed))


def stays_in_base(environment: Environment) -> frozenset[str]:
    """The names in base that are conda's own: itself, its plugins, and what installers put beside it.

    Empty where neither conda nor mamba is installed: such a root is an environment like any other.
    """
    if not environment.record("conda") and not environment.record("mamba"):
        return frozenset()
    names = set(_SEEDED)
    for record in environment.records:
        if record.name.startswith(("conda-", "_conda", "mamba-", "libmamba-")) or "conda" in depends_names(record):
            names.add(record.name)
    return frozenset(names)


def depends_names(record: PackageRecord) -> Iterator[str]:
    """The names that a record's `depends` lines begin with, virtual packages among them."""
    for line in record.depends:
        match = re.match(r"\s*(?:[^\s:]+::)?([A-Za-z0-9_.-]+)", line)
        if match:
            yield match.group(1).lower()


def _kept_specs(environment: Environment, request: Request) -> Iterator[tuple[str, str]]:
    """What was asked for earlier, as specs of today's question."""
    history = environment.history.specs
    if not history:
        yield from ((name, name) for name in leaves(environment))
        return
    # An environment made from an explicit lock has every package in its history, each with its very build. Nobody
    # asked for these one by one, and none of them fits another python.
    exact = {name for name, spec in history if _is_exact(spec)}
    locked = len(exact) > 1 and len(exact) * 2 > len(environment.records)
    tops = set(leaves(environment)) if locked else set()
    for name, spec in history:
        if name in exact and locked:
            if name in tops:
                yield name, name
        elif request.operation == "update-all":
            yield name, _channel(spec) + name
        else:
            yield name, _with_pin(environment, name, _loosened(name, spec))


def _is_exact(spec: str) -> bool:
    """Whether a spec names one version and one build."""
    try:
        build, version = spec_build(spec), spec_version(spec)
    except BadSpec:
        return False
    return build is not None and version is not None and not set("*^<>|,~") & set(build + version)


def _loosened(name: str, spec: str) -> str:
    """A spec without the build where it names just one, as a build is of one python; the name where it cannot be read."""
    try:
        if _is_exact(spec):
            return f"{_channel(spec)}{name} {spec_version(spec)}"
        check_spec(spec)
    except BadSpec:
        return name
    return spec


def _with_pin(environment: Environment, name: str, spec: str) -> str:
    """The pin of a package that was asked for by its bare name: what stands in `conda-meta/pinned` was meant to hold."""
    if not spec_is_bare(spec):
        return spec
    return next((pin for pin in environment.pins if _name_of(pin) == name), spec)


def _name_of(spec: str) -> str | None:
    """The name a spec is about, None where it cannot be read."""
    try:
        return spec_name(spec)
    except BadSpec:
        return None


def _channel(spec: str) -> str:
    """The channel part of a spec with its `::`, empty without one."""
    head, separator, _ = spec.partition("::")
    return head + separator if separator else ""


def _with_dependents(environment: Environment, names: Iterable[str]) -> set[str]:
    """The names and every installed package that needs one of them, directly or not."""
    gone = set(names)
    while True:
        more = {record.name for record in environment.records if gone & set(depends_names(record))} - gone
        if not more:
            return gone
        gone |= more


def keep_gpu(environment: Environment, request: Request, specs: dict[str, str], gone: Iterable[str]) -> Iterator[str]:
    """The specs, those of frameworks that are installed as GPU builds narrowed to GPU builds."""
    wanted = dict(specs)
    if not any(_asks_for_cpu(spec) for spec in request.specs):
        left_out = set(gone) if request.operation == "remove" else set()
        for record in environment.records:
            name = record.name
            if name in left_out or name not in FRAMEWORKS or flavour(record) != "gpu":
                continue
            glob = _gpu_glob(record)
            if glob and (name in specs or (name in _KEPT_ON_GPU and _is_needed(environment, name, specs))):
                wanted[name] = _with_build(name, specs.get(name, name), glob)
    yield from wanted.values()


def _is_needed(environment: Environment, name: str, specs: dict[str, str]) -> bool:
    """Whether anything that comes along needs the package as installed now."""
    return bool(_with_dependents(environment, {name}) & set(specs))


def _asks_for_cpu(spec: str) -> bool:
    build = spec_build(spec) or ""
    return spec_name(spec) in _WANTS_CPU or "cpu" in build.lower()


def _gpu_glob(record: PackageRecord) -> str | None:
    """A build glob that GPU builds of the package match on every channel that has them; None where builds do not tell."""
    build = record.build.lower()
    if re.search(r"cuda|cu\d", build):
        # torchvision and torchaudio are `py310_cu121` on one channel and `cuda126_py310...` on the other.
        return "*cuda*" if record.name == "pytorch" else "*cu*"
    return next((f"*{word}*" for word in ("gpu", "rocm") if word in build), None)


def _with_build(name: str, spec: str, glob: str) -> str:
    """The spec with a build added, unless it has one."""
    if spec_build(spec) is not None:
        return spec
    return f"{_channel(spec)}{name} {spec_version(spec) or '*'} {glob}"
