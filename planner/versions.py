"""Conda's version order and match specs, behind a few functions on plain strings.

Conda versions are not PEP 440 (`1.1.1w`, `2024a`, `9e`), so `packaging` must never see one. py-rattler implements
conda's own rules (CEP 29, CEP 33) and is imported on first use only: it costs 70 ms of start-up. Version text that
breaks those rules, as old records hold, is compared as text after everything that parses, and never raises.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.errors import BadSpec

if TYPE_CHECKING:
    from planner.model import PackageRecord


_CHANNEL = re.compile(r"""\bchannel\s*=\s*["']?([^"',\]]+)""")
# What a spec can say in brackets beside version, build and channel; each makes it as strict as one with a build.
_BRACKETED = ("build_number", "md5", "sha256", "url", "fn", "subdir", "track_features", "license")


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

    try:
        return rattler.MatchSpec(text)
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


def check_spec(spec: str) -> None:
    """Raise `BadSpec` unless `spec` parses as a conda match spec."""
    if not spec.strip():
        raise BadSpec(spec, "it is empty")
    _spec(spec)


def spec_name(spec: str) -> str:
    """The package name a spec is about, in lower case. Raises `BadSpec`."""
    name = _spec(spec).name
    text = getattr(name, "normalized", None) or str(name)
    return str(text).lower()


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
    parsed = _spec(spec)
    return parsed.version is None and parsed.build is None and parsed.channel is None and parsed.build_number is None


def spec_channel(spec: str) -> str | None:
    """The channel that a spec names (`conda-forge` of `conda-forge::numpy`), None when it names none."""
    head, separator, _ = spec.partition("::")
    if separator and head.strip():
        return head.strip()
    bracketed = _CHANNEL.search(spec)
    return bracketed[1] if bracketed else None


def strictness(spec: str) -> int:
    """How much a spec says, in conda's steps: 1 a name, 2 a version too, 3 a build or anything else. Raises `BadSpec`."""
    parsed = _spec(spec)
    if spec_channel(spec) or parsed.build is not None or "*" in spec_name(spec):
        return 3
    if "[" in spec and any(key in spec for key in _BRACKETED):
        return 3
    return 1 if parsed.version is None else 2


def version_matches(constraint: str, version: str) -> bool | None:
    """Whether `version` satisfies a version constraint (`>=3.9,<3.10.0a0`); None when either cannot be read."""
    spec, value = _version_spec(constraint), _version(version)
    if spec is None or value is None:
        return None
    return bool(spec.matches(value))


def matches(spec: str, record: PackageRecord) -> bool | None:
    """Whether a record satisfies a spec by name, version and build; None when the spec cannot be read.

    The channel part of a spec is not compared: that is the solver's business.
    """
    import rattler

    try:
        parsed = _spec(spec)
    except BadSpec:
        return None
    if spec_name(spec) != record.name.lower():
        return False
    candidate = _candidate(record.name, record.version, record.build, record.build_number)
    if candidate is None:
        return None
    nameless = rattler.NamelessMatchSpec.from_match_spec(parsed)
    if parsed.channel is not None:
        version, build = parsed.version, parsed.build
        text = f"{record.name} {version or '*'} {build or '*'}"
        return matches(text, record)
    return bool(nameless.matches(candidate))


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
