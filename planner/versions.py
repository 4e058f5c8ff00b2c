"""Conda's version order, and whether a record matches a spec, behind a few functions on plain strings.

Conda versions are not PEP 440 (`1.1.1w`, `2024a`, `9e`), so `packaging` must never see one. py-rattler implements
conda's own rules (CEP 29, CEP 33) and is imported on first use only: it costs 70 ms of start-up. Version text that
breaks those rules, as old records hold, is compared as text after everything that parses, and never raises. How a
spec may be written is `planner.specs`'s business.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from planner import specs
from planner.errors import BadSpec

if TYPE_CHECKING:
    from planner.model.installed import PackageRecord
    from planner.model.solve import Tool


@lru_cache(maxsize=65536)
def _version(text: str) -> Any:
    import rattler

    try:
        return rattler.Version(text)
    except Exception:  # noqa: BLE001 -- rattler raises its own classes, which move between releases
        return None


@lru_cache(maxsize=65536)
def _spec(text: str) -> Any:
    import rattler

    meant = specs.understood(text)
    try:
        return rattler.MatchSpec(meant)
    except Exception as error:  # noqa: BLE001 -- as in _version
        raise BadSpec(text, str(error)) from None


@lru_cache(maxsize=65536)
def _version_spec(text: str) -> Any:
    import rattler

    try:
        return rattler.VersionSpec(text)
    except Exception:  # noqa: BLE001 -- as in _version
        return None


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 as `left` is older than, equal to or newer than `right` in conda's order."""
    a, b = _version(left), _version(right)
    if a is None or b is None:
        return (left > right) - (left < right)
    return int(a > b) - int(a < b)


def minor(version: str) -> str:
    """The first two components, `3.10` of `3.10.14`; the text itself where there are fewer."""
    return ".".join(version.split(".")[:2])


def major(version: str) -> str:
    """The first component, `2` of `2.0.3`."""
    return version.split(".", maxsplit=1)[0]


def check_spec(spec: str, tool: Tool = "conda") -> str:
    """The spec in the form that every engine reads as `tool` reads this one. Raises `BadSpec` for what is no spec."""
    meant = specs.understood(spec, tool)
    _spec(meant)
    return meant


def spec_name(spec: str) -> str:
    """The package name a spec is about, in lower case. Raises `BadSpec`."""
    return specs.parse(spec).name


def dependency_name(line: str) -> str:
    """The name that a line of `depends` or `constrains` is about, "" where it is empty.

    Such lines come from channels and need not parse: what stands before the first space is taken as it is.
    """
    return line.strip().split(" ", maxsplit=1)[0].lower()


def spec_version(spec: str) -> str | None:
    """The version constraint of a spec as text, None when it has none. Raises `BadSpec`."""
    version = _spec(spec).version
    return None if version is None else str(version)


def spec_build(spec: str) -> str | None:
    """The build constraint of a spec as text, None when it has none. Raises `BadSpec`."""
    build = _spec(spec).build
    return None if build is None else str(build)


def spec_is_bare(spec: str) -> bool:
    """Whether a spec is a name and nothing more. Raises `BadSpec`."""
    return specs.parse(spec).is_bare


def spec_channel(spec: str) -> str | None:
    """The channel that a spec names (`conda-forge` of `conda-forge::numpy`), None when it names none. Raises `BadSpec`."""
    return specs.parse(spec).channel


def strictness(spec: str) -> int:
    """How much a spec says, in conda's steps: 1 a name, 2 a version too, 3 a build or anything else. Raises `BadSpec`."""
    parsed = specs.parse(spec)
    if parsed.build or parsed.channel or parsed.subdir or parsed.fields:
        return 3
    return 1 if parsed.version is None else 2


def version_matches(constraint: str, version: str) -> bool | None:
    """Whether `version` satisfies a version constraint (`>=3.9,<3.10.0a0`); None when either cannot be read."""
    spec, value = _version_spec(constraint), _version(version)
    if spec is None or value is None:
        return None
    return bool(spec.matches(value))


def matches(spec: str, record: PackageRecord) -> bool | None:
    """Whether a record satisfies a spec by name, version, build and digest; None when the spec cannot be read.

    The channel part of a spec is not compared: that is the solver's business.
    """
    import rattler

    try:
        wanted = specs.parse(spec)
        if wanted.name != record.name.lower():
            return False
        parsed = _spec(_without_place(wanted))
    except BadSpec:
        return None
    if any(value and known and value != known for value, known in _digests(wanted, record)):
        return False
    candidate = _candidate(record.name, record.version, record.build, record.build_number)
    if candidate is None:
        return None
    return bool(rattler.NamelessMatchSpec.from_match_spec(parsed).matches(candidate))


def _digests(spec: specs.Spec, record: PackageRecord) -> tuple[tuple[str | None, str | None], ...]:
    fields = dict(spec.fields)
    return (fields.get("md5"), record.md5), (fields.get("sha256"), record.sha256)


@lru_cache(maxsize=65536)
def _without_place(spec: specs.Spec) -> str:
    """The spec without what it says of channel, platform and file: name, version, build and build number."""
    number = tuple(field for field in spec.fields if field[0] == "build_number")
    return specs.written(replace(spec, channel=None, subdir=None, fields=number))


@lru_cache(maxsize=65536)
def _candidate(name: str, version: str, build: str, build_number: int) -> Any:
    import rattler

    try:
        return rattler.PackageRecord(
            name,
            rattler.VersionWithSource(version),
            rattler.BuildString(build),
            build_number,
            "noarch",
        )
    except Exception:  # noqa: BLE001 -- as in _version
        return None
