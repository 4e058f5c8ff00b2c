"""Match specs as conda reads them, rewritten to the one form that every engine reads alike.

conda takes a spec in a dozen spellings (`numpy 1.5*`, `a=1.2=*_0`, `a * =0`, `chan/linux-64::a[build='py3*']`, a
package's URL), and the parsers of the engines differ in what they refuse, and in what they silently misread. Here a
spec is taken apart by conda's own rules (conda/models/match_spec.py of conda 26.7, CEP 29) and put together again as
`channel/subdir::name version build[key="value"]`. Plain specs stay as they were typed. What no engine can be asked is a
`BadSpec` that says what to ask instead. Text in, text out: whether anything matches is `planner.versions`'s business.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct

from planner.credentials import without_credentials
from planner.errors import BadSpec

if TYPE_CHECKING:
    from planner.model.solve import Tool

# What both engines read and obey inside brackets; version, build, channel and subdir are parts of the spec itself.
_FIELDS = frozenset({"build_number", "license", "license_family", "md5", "sha256", "track_features"})
_PARTS = frozenset({"name", "version", "build", "channel", "subdir", "fn", "url"})
_PACKAGE_ENDINGS = (".conda", ".tar.bz2")

_VERSION = r"[A-Za-z0-9_.!+]*[A-Za-z0-9_]"
_ATOM = rf"(?:(?:[<>]=?|~=){_VERSION}|(?:==|!=|=)?{_VERSION}(?:\.\*)?)"
# A name, then nothing, a version, or a version and a build: read alike by conda, mamba and both engines.
_PLAIN = re.compile(
    r"[a-z0-9_](?:[a-z0-9_]|[.-](?![.-]))*"
    rf"(?: ?(?:(?:[<>]=?|~=){_VERSION}|(?:==|!=|=){_VERSION}(?:\.\*)?)(?:[,|]{_ATOM})*"
    rf"| (?:{_VERSION}(?:\.\*)?|\*)(?: [A-Za-z0-9_.*]+)?)?"
)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[.-](?![.-]))*")
_BRACKETS = re.compile(r"(\[.*\])")
_PAIR = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^'\",\s]+))\s*(?:,|\s|$)")
_LEGACY = re.compile(r"\((?:[^()]*\b(?:optional|target)\b[^()]*)\)\s*$")
_NAME_AND_REST = re.compile(r"([^\s=<>!~]+)?\s*(.*)", re.DOTALL)
_AROUND = re.compile(r"\s*([,|])\s*")
_AFTER = re.compile(r"([<>=!~])\s+(?=\S)")
_BUILD_AT_END = re.compile(r"(?<![=!|,<>~\s])=(?!=)([^=,|<>~]+)$")
_LOOSE_STAR = re.compile(r"(?<=[^.*<>=!~,|(])\*(?=$|[,|)])")
# A bound with a star after it is the bound: conda has it so, and one engine reads `>1.2.*` as `>=1.2`.
_STARRED_BOUND = re.compile(r"((?:[<>]=?|~=)[^,|()<>=*]+?)\.?\*(?=$|[,|)])")
_INNER_STAR = re.compile(r"\*(?!$|[,|)]|\.\*)")
_BOUND = r"[(]*(?:[<>]=?|[=!~]=|=)?[A-Za-z0-9_.!+*-]+[)]*"
_WHOLE_VERSION = re.compile(rf"{_BOUND}(?:[,|]{_BOUND})*")
_SUBDIR = re.compile(r"(?:noarch|(?:linux|osx|win|freebsd|zos|emscripten|wasi)-[a-z0-9]+)")


class Spec(Struct, frozen=True):
    """The parts of a spec: `version` and `build` are constraints as conda reads them, None where there is none.

    `fields` are the other keys of its brackets, by name.
    """

    name: str
    version: str | None = None
    build: str | None = None
    channel: str | None = None
    subdir: str | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether it is a name and nothing more."""
        return self == Spec(self.name)


def understood(text: str, tool: Tool = "conda") -> str:
    """The spec in a form that every engine reads as `tool` reads this one: as typed where that is so already.

    Raises `BadSpec`.
    """
    stripped = text.strip()
    plain = _PLAIN.fullmatch(stripped) and not stripped.endswith(_PACKAGE_ENDINGS) and " if " not in stripped
    return stripped if plain else written(parse(text, tool))


def written(spec: Spec) -> str:
    """A spec as text, in the form that `understood` gives."""
    place = spec.channel + (f"/{spec.subdir}" if spec.subdir else "") + "::" if spec.channel else ""
    fields = dict(spec.fields)
    if spec.subdir and not spec.channel:
        fields["subdir"] = spec.subdir
    # A build with a star or a relation in it reads the same in brackets everywhere, and a plain one everywhere.
    parts = [spec.name]
    if spec.version is not None or spec.build is not None:
        parts.append(spec.version or "*")
    if spec.build is not None:
        if re.fullmatch(r"[A-Za-z0-9_.*+]+", spec.build):
            parts.append(spec.build)
        else:
            fields["build"] = spec.build
    brackets = ",".join(f'{key}="{value}"' for key, value in sorted(fields.items()))
    return place + " ".join(parts) + (f"[{brackets}]" if brackets else "")


def is_package_file(text: str) -> bool:
    """Whether the text is no spec but the path or URL of a package, which conda installs without solving."""
    stripped = text.partition("#")[0].strip()
    return stripped.endswith(_PACKAGE_ENDINGS) and bool(re.search(r"://|[/\\]", stripped))


@lru_cache(maxsize=65536)
def parse(text: str, tool: Tool = "conda") -> Spec:
    """Take a spec apart by conda's rules, or by mamba's where these differ: in `a=1.2=b`, any 1.2 is meant by mamba.

    Raises `BadSpec`, which says what is wrong and what to write instead.
    """
    if text.rstrip().endswith("@"):
        raise BadSpec(text, "it asks for a feature; name the package that brings it instead")
    bare = text.partition("#")[0].partition(" if ")[0]
    if not bare.strip():
        raise BadSpec(text, "it is empty")
    if bare.strip().endswith(_PACKAGE_ENDINGS) and "[" not in bare:
        return _of_package(bare.strip(), text)
    bare, fields = _brackets(bare, text)
    channel, name, rest = _split(_LEGACY.sub("", bare), text)
    version, build = _version_and_build(rest, text, tool)
    named = _of_package(fields.get("url") or fields["fn"], text) if fields.keys() & {"fn", "url"} else None
    if named is not None:
        version, build = named.version, named.build
        fields.setdefault("channel", named.channel or channel or "")
        fields.setdefault("subdir", named.subdir or "")
    channel, subdir = _place(fields.get("channel") or channel)
    if "version" in fields:
        version = _sanitised(fields["version"], fields.get("build"), tool)
    build = fields.get("build", build)
    return Spec(
        name=_checked_name(name, text),
        version=_starred(version, text),
        build=build,
        channel=channel,
        subdir=fields.get("subdir") or subdir,
        fields=tuple(sorted((key, value) for key, value in fields.items() if key in _FIELDS)),
    )


def _brackets(bare: str, text: str) -> tuple[str, dict[str, str]]:
    """The spec without its brackets, and what stands in them. Their `name` never replaces the one before them."""
    found = _BRACKETS.search(bare)
    if found is None:
        if "[" in bare or "]" in bare:
            raise BadSpec(text, "a bracket is not closed")
        return bare, {}
    inner = found[1][1:-1]
    if "[" in inner:
        raise BadSpec(text, "it has more than one pair of brackets")
    fields: dict[str, str] = {}
    at = 0
    while inner[at:].strip():
        pair = _PAIR.match(inner, at)
        value = next((group for group in pair.groups()[1:] if group), None) if pair else None
        if pair is None or value is None:
            raise BadSpec(text, f"{inner[at:].strip()!r} in its brackets is not key=value")
        if pair[1] not in _FIELDS | _PARTS:
            known = ", ".join(sorted(_FIELDS | _PARTS))
            raise BadSpec(text, f"{pair[1]!r} is no key that can be asked for; known are {known}")
        fields[pair[1]] = value.strip()
        at = pair.end()
    return bare[: found.start()] + bare[found.end() :], fields


def _split(bare: str, text: str) -> tuple[str | None, str, str]:
    """Channel, name and what follows the name."""
    channel, separator, after = bare.rpartition("::")
    if not separator:
        after = bare.rpartition(":")[2] if re.match(r"\s*[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]", bare) else bare
    # conda's old `channel:namespace:name`, whose namespace has no meaning.
    found = _NAME_AND_REST.fullmatch(after.strip())
    if found is None or not found[1]:
        raise BadSpec(text, "it names no package")
    return channel.strip() or None, found[1], found[2]


def _checked_name(name: str, text: str) -> str:
    if "*" in name or (name.startswith("^") and name.endswith("$")):
        raise BadSpec(text, "it is about no single package: write one spec for each package that is meant")
    if "@" in name:
        head, _, version = name.partition("@")
        raise BadSpec(text, f"a version follows = in conda; write {head}={version}")
    if not _NAME.fullmatch(name):
        raise BadSpec(text, f"{name!r} is no name of a package")
    return name.lower()


def _place(channel: str | None) -> tuple[str | None, str | None]:
    """A channel without credentials and without the platform at its end, and that platform; `*` is any channel."""
    if not channel:
        return None, None
    whole = without_credentials(channel).rstrip("/")
    head, slash, last = whole.rpartition("/")
    subdir = last if slash and _SUBDIR.fullmatch(last) else None
    name = head if subdir else whole
    return (None if name == "*" else name), subdir


def _version_and_build(rest: str, text: str, tool: Tool) -> tuple[str | None, str | None]:
    if not rest or rest == "=":  # conda reads `numpy=` as `numpy`
        return None, None
    parts = _AFTER.sub(r"\1", _AROUND.sub(r"\1", rest)).split()
    if len(parts) > 2:  # noqa: PLR2004 -- a version and a build
        raise BadSpec(text, "after the name come a version and a build, and no more; put a comma between versions")
    version, build = parts[0], parts[1].removeprefix("=") if len(parts) > 1 else None
    if build is None:
        found = _BUILD_AT_END.search(version)
        if found and found.start():
            version, build = version[: found.start()], found[1]
    if re.search(r"[<>=!~]$", version) or build == "":
        raise BadSpec(text, "after the relation comes a version")
    return _sanitised(version, build, tool), build


def _sanitised(version: str, build: str | None, tool: Tool) -> str:
    """What `=` says: `=1.7` is any 1.7, for conda just 1.7 where a build stands beside it, and `==1.7` always just that."""
    plain = version.lstrip("=")
    if not version.startswith("=") or not plain:
        return version
    if not set("=,|") & set(plain):
        exact = version.startswith("==") or (build is not None and tool == "conda")
        return plain if exact or plain.endswith("*") else f"{plain}.*"
    return version


def _starred(version: str | None, text: str) -> str | None:
    """A star at the end of a version written as its own part, `1.7.*` for `1.7*`; None for one that allows all."""
    if version is None or version == "*":
        return None
    if version.startswith("^") or _INNER_STAR.search(version):
        raise BadSpec(text, "a star inside a version, or a pattern, cannot be asked; write bounds, as in >=1.2,<2")
    if not _WHOLE_VERSION.fullmatch(version):
        raise BadSpec(text, f"{version!r} is no version, nor versions with , or | between them")
    return _LOOSE_STAR.sub(".*", _STARRED_BOUND.sub(r"\1", version))


def _of_package(place: str, text: str) -> Spec:
    """The very package that a path or URL is about: its name, version and build, and its channel where the URL has it."""
    folder, _, file = re.sub(r"\\", "/", place).rpartition("/")
    stem = next((file.removesuffix(end) for end in _PACKAGE_ENDINGS if file.endswith(end)), None)
    pieces = unquote(stem).rsplit("-", 2) if stem else []
    if len(pieces) != 3 or not all(pieces):  # noqa: PLR2004 -- name, version, build
        raise BadSpec(text, "the file it names is not NAME-VERSION-BUILD.conda or .tar.bz2")
    channel, subdir = _place(folder)
    known = subdir is not None and "://" in folder
    return Spec(
        _checked_name(pieces[0], text), pieces[1], pieces[2], channel if known else None, subdir if known else None
    )
