"""A plan as the public JSON document, and back.

The document is the contract (`schema/plan-1.json` states it formally): its keys are named here, once, for both
directions. What the model holds beyond them (a record's dependencies, say) is not written; reading a document back
gives a plan that writes the same document. Reading is strict: an unknown key, a missing one or a value outside its
range is refused with the path to it. What the plan means is the business of those who made it; how it looks is the
renderers'.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import reprlib
import types
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from planner.errors import InputError
from planner.model.installed import Host, PackageRecord, VirtualPackage
from planner.model.plan import Edge, Finding, Fingerprint, Migration, Plan
from planner.model.solve import Request

if TYPE_CHECKING:
    import os

FORMAT = "conda-upgrade-plan"
SCHEMA_VERSION = 1

T = TypeVar("T", bound=Struct)

# Document key -> attribute, where the two differ or the document holds less than the type.
_KEYS: dict[type, dict[str, str]] = {
    PackageRecord: {
        key: key for key in ("name", "version", "build", "build_number", "channel", "subdir", "url", "sha256", "md5")
    },
    Host: {key: key for key in ("subdir", "virtual_packages", "driver", "compute_capabilities", "source")},
    Request: {
        "operation": "operation",
        "specs": "specs",
        "as": "tool",
        "channels": "channels",
        "channel_priority": "channel_priority",
        "options": "options",
    },
    Finding: {
        **{key: key for key in ("id", "rule", "severity", "status", "basis", "pre_existing", "environment", "subject")},
        "edges": "edge_ids",
        **{key: key for key in ("predicts", "message", "evidence", "remedy")},
    },
}
# A record's texts that the document writes as null when they are not known.
_NULL_WHEN_EMPTY = frozenset({"channel", "subdir", "url"})
_SUBJECT = re.compile(r"(conda|pip|file|env|host):.", re.DOTALL)
_PATTERNS: dict[tuple[type, str], tuple[re.Pattern[str], str]] = {
    (Finding, "subject"): (_SUBJECT, "a subject (conda:, pip:, file:, env: or host: and a name)"),
    (Edge, "consumer"): (_SUBJECT, "a subject (conda:, pip:, file:, env: or host: and a name)"),
    (Edge, "provider"): (_SUBJECT, "a subject (conda:, pip:, file:, env: or host: and a name)"),
    (Finding, "rule"): (re.compile(r"[A-Z]+[0-9]{3}\Z"), "a rule's id"),
    **{
        (Fingerprint, key): (re.compile(r"sha256:."), "a digest (sha256:...)")
        for key in ("target", "host", "request", "repodata")
    },
}
# Legal in JSON text, but a terminal may act on them and a surrogate has no UTF-8: written as \uXXXX, same value.
_UNSAFE = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """The document: JSON values only, `changes` and `final_state` sorted by name, other lists in the plan's order."""
    document = _encode(plan)
    if plan.outcome == "unsolvable":
        document["explanation"] = plan.explanation or ""
        document.update(changes=[], final_state=[], edges=[])
        # Rules that judge the request alone may rest on edges; without a solution the document has none to refer to.
        for finding in document["findings"]:
            finding["edges"] = []
    else:
        del document["explanation"]
    if not plan.held_back:
        del document["held_back"]
    for key in ("changes", "final_state"):
        document[key].sort(key=lambda item: str(item["name"]))
    return {"format": FORMAT, "schema_version": SCHEMA_VERSION, **document}


def dumps(plan: Plan) -> str:
    """The document as text: sorted keys, one line feed at the end, the same plan always the same text."""
    # Piece by piece: of a large plan, the pieces that `json.dumps` joins weigh more than all else together.
    text = io.StringIO()
    json.dump(plan_to_dict(plan), text, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return _safe(text.getvalue())


def line(plan: Plan) -> str:
    """The document as one line, of many in a file."""
    return _safe(json.dumps(plan_to_dict(plan), sort_keys=True, ensure_ascii=False, allow_nan=False))


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


def digest(value: Any) -> str:
    """`sha256:` and the hex digest of a JSON value in canonical form, for fingerprints: key order does not count."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan saved in a file. Raises `InputError` naming the file, and what is wrong with it where."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file; `planner what-if ENV SPEC... --save {path}` writes a plan"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        data = json.loads(content, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        cut = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated")
        what = "it is empty or was cut short" if cut else "it is not JSON"
        raise InputError(f"{path}: {what}: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: it is not JSON: its bytes are no Unicode text") from None
    except ValueError as error:
        raise InputError(f"{path}: it cannot be used: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: it is no plan: its values are nested too deeply") from None
    try:
        return plan_from_dict(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def plan_from_dict(data: Any) -> Plan:
    """The plan that a document describes. Raises `InputError` with the path to the first thing that is wrong."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = f"its format is {_show(data['format'])}" if isinstance(data, dict) and "format" in data else "no format"
        raise InputError(f"not a plan: {found}, expected '{FORMAT}'")
    version = data.get("schema_version")
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        maker = data.get("planner_version")
        by = f" (planner {_show(maker)} wrote it)" if isinstance(maker, str) else ""
        raise InputError(
            f"schema_version {_show(version)} cannot be read here{by}: this planner reads version {SCHEMA_VERSION}"
        )
    body = {key: value for key, value in data.items() if key not in {"format", "schema_version"}}
    unsolvable = body.get("outcome") == "unsolvable"
    if not unsolvable and "explanation" in body:
        raise InputError("explanation: only an unsolvable plan has one")
    if unsolvable and not isinstance(body.get("explanation"), str):
        raise InputError("explanation: an unsolvable plan must have one, as text")
    plan = _struct(Plan, {"explanation": None, "held_back": [], **body}, "")
    _check_whole(plan)
    return plan


def _check_whole(plan: Plan) -> None:
    """What no single value shows: ids that refer, and what an outcome and a migration must look like."""
    if plan.outcome == "unsolvable":
        for key in ("changes", "final_state", "edges"):
            if getattr(plan, key):
                raise InputError(f"{key}: must be empty when the outcome is unsolvable")
    edges = _unique("edges", [edge.id for edge in plan.edges])
    findings = _unique("findings", [finding.id for finding in plan.findings])
    for index, finding in enumerate(plan.findings):
        _all_known(f"findings[{index}].edges", finding.edge_ids, edges, "edge")
    for index, row in enumerate(plan.environments):
        _all_known(f"environments[{index}].via", row.via, findings, "finding")
    if plan.migration is not None and [step.kind for step in plan.migration.steps][-1:] != ["verify-gpu"]:
        raise InputError("migration.steps: the last step's kind must be verify-gpu")


def _unique(key: str, ids: list[str]) -> frozenset[str]:
    seen: set[str] = set()
    for index, name in enumerate(ids):
        if not name or name in seen:
            raise InputError(f"{key}[{index}].id: {_show(name)} is empty or stands twice")
        seen.add(name)
    return frozenset(seen)


def _all_known(path: str, ids: tuple[str, ...], known: frozenset[str], what: str) -> None:
    for index, name in enumerate(ids):
        if name not in known:
            raise InputError(f"{path}[{index}]: there is no {what} {_show(name)}")


# --------------------------------------------------------------------------------------------------------------------
# Values to JSON


def _keys(cls: type[Struct]) -> dict[str, str]:
    return _KEYS.get(cls) or {name: name for name in cls.__struct_fields__}


def _encode(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Struct):
        return {key: _encode_field(value, attribute) for key, attribute in _keys(type(value)).items()}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _encode_field(owner: Any, attribute: str) -> Any:
    value = getattr(owner, attribute)
    if isinstance(owner, Host) and attribute == "virtual_packages":
        return {package.name: package.version for package in sorted(owner.virtual_packages, key=lambda item: item.name)}
    if isinstance(owner, Migration) and attribute == "artifacts":
        return dict(sorted(owner.artifacts))
    if isinstance(owner, PackageRecord) and attribute in _NULL_WHEN_EMPTY:
        return value or None
    return _encode(value)


# --------------------------------------------------------------------------------------------------------------------
# JSON to values


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _struct(cls: type[T], data: Any, path: str) -> T:
    keys = _keys(cls)
    if not isinstance(data, dict):
        raise InputError(f"{path}: {_show(data)} is not an object")
    at = f"{path}: " if path else ""
    for key in data:
        if key not in keys:
            raise InputError(f"{at}the key {_show(key)} is not known")
    for key in keys:
        if key not in data:
            raise InputError(f"{at}the key '{key}' is missing")
    prefix = f"{path}." if path else ""
    return cls(**{attribute: _field(cls, attribute, data[key], prefix + key) for key, attribute in keys.items()})


def _field(cls: type, attribute: str, value: Any, path: str) -> Any:
    if cls is Host and attribute == "virtual_packages":
        return tuple(VirtualPackage(name, version) for name, version in _texts(value, path))
    if cls is Migration and attribute == "artifacts":
        return _texts(value, path)
    if cls is PackageRecord and attribute in _NULL_WHEN_EMPTY:
        if value == "":
            raise InputError(f"{path}: what is not known is null, not an empty text")
        return "" if value is None else _decode(str, value, path)
    decoded = _decode(_hints(cls)[attribute], value, path)
    pattern = _PATTERNS.get((cls, attribute))
    if pattern and not pattern[0].match(decoded):
        raise InputError(f"{path}: {_show(decoded)} is not {pattern[1]}")
    return decoded


def _decode(hint: Any, value: Any, path: str) -> Any:
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        inner = next(option for option in get_args(hint) if option is not type(None))
        return None if value is None else _decode(inner, value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError(f"{path}: {_show(value)} is not a list")
        return tuple(_decode(get_args(hint)[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is Literal:
        return _one_of(get_args(hint), value, path)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(_one_of(tuple(item.value for item in hint), value, path))
    if issubclass(hint, Struct):
        return _struct(hint, value, path)
    return _plain(hint, value, path)


def _plain(hint: type, value: Any, path: str) -> Any:
    if hint is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"{path}: {_show(value)} is not a whole number from 0 up")
        return value
    if not isinstance(value, hint):
        raise InputError(f"{path}: {_show(value)} is not {'true or false' if hint is bool else 'text'}")
    return value


def _one_of(allowed: tuple[str, ...], value: Any, path: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{path}: {_show(value)} is not one of {', '.join(allowed)}")
    return value


def _texts(value: Any, path: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {_show(value)} is not an object")
    return tuple((key, _plain(str, value[key], f"{path}.{key}")) for key in sorted(value))


def _show(value: Any) -> str:
    """A value from outside, safe and short enough for a one-line message (repr escapes what is not printable)."""
    limit = 60
    text = repr(value[: 2 * limit]) if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_show(key)} stands twice in one object")
        result[key] = value
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
