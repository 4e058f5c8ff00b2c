"""The bytecode of `noarch: python` packages, which conda makes when it links them and rattler does not.

Without it each program of the new environment compiles its imports anew, every time where its user may not write there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planner.apply.embedded import records_of, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model.plan import Argv


def compile_call(prefix: str, sources: str) -> Argv | None:
    """The command that compiles what `noarch: python` packages have put into a prefix, as conda does when it links them.

    Writes the paths of their sources to the file `sources`. None where no such package or no python is there.
    """
    paths = [path for record in records_of(prefix).values() for path in _modules(record)]
    python = next((record for record in records_of(prefix).values() if record["name"] == "python"), None)
    if not paths or python is None:
        return None
    with open(sources, "w", encoding="utf-8") as stream:
        stream.writelines(f"{os.path.join(prefix, path)}\n" for path in paths)
    parallel = () if python["version"].startswith("2.") else ("-j", "0")
    call = (os.path.join(prefix, "bin", "python"), "-E", "-s", "-Wi", "-m", "compileall")
    return (*call, "-q", "-l", "-i", sources, *parallel)


def put_on_record(prefix: str) -> None:
    """Put the bytecode that is there into the records of its packages, so that it goes with them.

    Sources for another python do not compile, and have none.
    """
    for place, record in records_of(prefix).items():
        made = [path for source in _modules(record) for path in _bytecode_of(prefix, source)]
        if made:
            record["files"] += [path for path, _ in made]
            record["paths_data"]["paths"] += [
                {"_path": path, "path_type": "pyc_file", "size_in_bytes": size} for path, size in made
            ]
            write_record(place, record)


def _modules(record: dict[str, Any]) -> list[str]:
    """The python sources of a `noarch: python` package in the site-packages of its prefix."""
    if record.get("noarch") != "python":
        return []
    return [path for path in record["files"] if path.endswith(".py") and "/site-packages/" in path]


def _bytecode_of(prefix: str, source: str) -> Iterator[tuple[str, int]]:
    folder, name = os.path.split(source)
    cache = f"{folder}/__pycache__"
    with suppress(FileNotFoundError), os.scandir(os.path.join(prefix, cache)) as entries:
        for entry in entries:
            if entry.name.startswith(f"{name[:-3]}.") and entry.name.endswith(".pyc"):
                yield f"{cache}/{entry.name}", entry.stat().st_size
