"""Several specs of one package as the one spec that conda asks its solver for.

conda merges what is typed (`numpy>=1.5 "numpy=*=py310*"`) before it solves, and refuses specs that exclude each other by
their very words (conda/models/match_spec.py of conda 26.7). mamba hands each spec to its solver.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.errors import BadSpec
from planner.specs import Spec, parse, written

if TYPE_CHECKING:
    from collections.abc import Iterable


def merged(texts: Iterable[str]) -> tuple[str, ...]:
    """One spec for each name, in the order of names: conda asks for what all specs of one name allow together.

    Raises `BadSpec` where two of them exclude each other by their very words.
    """
    together: dict[str, Spec] = {}
    written_as: dict[str, str] = {}
    for text in texts:
        spec = parse(text)
        known = together.get(spec.name)
        together[spec.name] = spec if known is None else _both(known, spec, text)
        written_as[spec.name] = text if known in {None, spec} else written(together[spec.name])
    return tuple(written_as.values())


def _both(one: Spec, two: Spec, text: str) -> Spec:
    fields = dict(one.fields)
    for key, value in two.fields:
        fields[key] = _same(fields.get(key), value, key, text) or value
    versions = dict.fromkeys(version for version in (one.version, two.version) if version)
    if len(versions) > 1:
        versions = dict.fromkeys(f"({version})" if "|" in version else version for version in versions)
    return Spec(
        one.name,
        version=",".join(versions) or None,
        build=_both_builds(one.build, two.build, text),
        channel=_same(one.channel, two.channel, "channel", text),
        subdir=_same(one.subdir, two.subdir, "subdir", text),
        fields=tuple(sorted(fields.items())),
    )


def _same(one: str | None, two: str | None, what: str, text: str) -> str | None:
    if one and two and one != two:
        raise BadSpec(text, f"another spec of this package asks for the {what} {one!r}")
    return one or two


def _both_builds(one: str | None, two: str | None, text: str) -> str | None:
    """The build that both allow: the narrower of two that lie within each other, else a pattern for both."""
    if one is None or two is None or one == two:
        return one or two
    for wide, narrow in ((one, two), (two, one)):
        if re.fullmatch(_pattern(wide), narrow):
            return narrow
    ends = {(build.startswith("*"), build.endswith("*"), build.count("*")) for build in (one, two)}
    if "*" not in one + two or ends in ({(True, False, 1)}, {(False, True, 1)}):
        raise BadSpec(text, f"another spec of this package asks for the build {one!r}")
    return f"^(?={_pattern(one)}$)(?:{_pattern(two)})$"


def _pattern(build: str) -> str:
    if build.startswith("^") and build.endswith("$"):
        return build[1:-1]
    return re.escape(build).replace(r"\*", ".*")
