"""A snapshot as a JSON file, and back: strict, so that a comparison never rests on half a file."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec

from planner.errors import InputError
from planner.files import read_bytes, reason
from planner.model.installed import LoadProblem
from planner.snapshot import DistState, FileKind, FileState, RecordState, Snapshot

FORMAT = "conda-environment-snapshot"
SCHEMA_VERSION = 1
_Row: TypeAlias = tuple[str, FileKind, int, int, str, str]
_LIMIT = 1024 * 1024 * 1024  # bytes; a hundred thousand files take twenty million


def dumps(snapshot: Snapshot) -> str:
    """The file: sorted keys, one path a line. The same state gives the same text but for `created`."""
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(snapshot, name) for name in snapshot.__struct_fields__ if name != "files"},
        "records": [_fields(record) for record in snapshot.records],
        "dists": [_fields(dist) for dist in snapshot.dists],
        "variables": dict(snapshot.variables),
        "problems": [_fields(problem) for problem in snapshot.problems],
    }
    head = json.dumps(document, indent=1, sort_keys=True).removesuffix("\n}")
    if snapshot.files is None:
        return f'{head},\n "files": null\n}}\n'
    rows = ",\n  ".join(json.dumps([*_fields(file).values()]) for file in snapshot.files)
    return f'{head},\n "files": [\n  {rows}\n ]\n}}\n'


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def load_snapshot(path: str) -> Snapshot:
    """The snapshot in a file. Raises `InputError` naming the file and what is wrong with it."""
    try:
        data = json.loads(read_bytes(path, _LIMIT))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is no snapshot, or was cut short: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{path}: it is no snapshot: its format is not {FORMAT!r}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: it is of version {data.get('schema_version')!r}; this planner reads {SCHEMA_VERSION}"
        )
    try:
        return _snapshot(data)
    except (msgspec.ValidationError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: it is no snapshot that can be used: {error}") from None


def _snapshot(data: dict[str, Any]) -> Snapshot:
    body = {key: value for key, value in data.items() if key not in {"format", "schema_version"}}
    missing = [name for name in Snapshot.__struct_fields__ if name not in body]
    unknown = [key for key in body if key not in Snapshot.__struct_fields__]
    if missing or unknown:
        raise ValueError(f"the key {(missing or unknown)[0]!r} is {'missing' if missing else 'not known'}")
    variables = msgspec.convert(body.pop("variables"), dict[str, str])
    files = body.pop("files")
    rows = None if files is None else tuple(map(_row, msgspec.convert(files, list[list[Any]])))
    typed: dict[str, Any] = {
        "records": tuple(msgspec.convert(body.pop("records"), list[RecordState])),
        "dists": tuple(msgspec.convert(body.pop("dists"), list[DistState])),
        "problems": tuple(msgspec.convert(body.pop("problems"), list[LoadProblem])),
        "asked_for": tuple(msgspec.convert(body.pop("asked_for"), list[str])),
        "pins": tuple(msgspec.convert(body.pop("pins"), list[str])),
        "frozen": msgspec.convert(body.pop("frozen"), bool),
    }
    typed |= {key: msgspec.convert(value, str) for key, value in body.items()}
    return Snapshot(**typed, variables=tuple(sorted(variables.items())), files=rows)


def _row(row: list[Any]) -> FileState:
    if len(row) != len(FileState.__struct_fields__):
        raise ValueError(f"a file has {len(row)} values instead of {len(FileState.__struct_fields__)}")
    return FileState(*msgspec.convert(row, _Row))
