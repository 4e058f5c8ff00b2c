"""An installation of environments out of a generated channel, as conda would have left it on disk.

Every environment is a real answer of a solver to a few names as the channel was on one day, so it is consistent, and
partly out of date today. Its records carry path lists of the lengths that real ones have: they are nine tenths of what
lies in conda-meta. The packages' files themselves are not there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import rattler
from rattler.exceptions import SolverError

from tests.bench.timeline import draw

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.bench.channel import Channel

URL = "https://conda.example/forge"
_FIRST_DAY = datetime(2017, 1, 1, tzinfo=timezone.utc)
_ROUNDS = 6
_FIXED_PATHS = {"python": 4200, "pytorch": 10500, "numpy": 900}
# A python that answers the one question which mamba asks of it, for pip's packages: there are none.
_PYTHON = "#!/bin/sh\necho '{\"installed\": []}'\n"


def install(channel: Channel, repodata: Path, root: Path, environments: int, *, packages: int = 330) -> int:
    """Write `environments` of them below `root`, base first, of about `packages` each; returns the number of records."""
    sparse = [
        rattler.SparseRepoData(rattler.Channel(URL), subdir, repodata / subdir / "repodata.json")
        for subdir in channel.records
    ]
    (root / "envs").mkdir(parents=True)
    (root / "pkgs").mkdir()
    total = 0
    for number in range(environments):
        dice = draw(channel.seed, f"environment {number}")
        prefix = root / "envs" / f"e{number:02}" if number else root
        minor, day = (
            ("3.10", 2960) if number == 0 else (dice.choice(("3.9", "3.10", "3.10", "3.11")), dice.randint(2200, 3060))
        )
        asked, records = _environment(channel, sparse, dice, minor, day, packages)
        _write(prefix, asked, records)
        total += len(records)
    return total


def _environment(
    channel: Channel, sparse: list[Any], dice: random.Random, minor: str, day: int, packages: int
) -> tuple[list[str], list[Any]]:
    """Names are added until the environment is large enough; of those that have no solution with the rest, some are left."""
    asked, records = [f"python={minor}", "pip", "numpy", "pytorch", "torchvision"], []
    tended = [
        name for name, package in channel.packages.items() if package.kind in {"extension", "pure"} and package.tended
    ]
    names = [name for name in tended if name not in {"python", "python_abi"}][:4000]
    for _ in range(_ROUNDS):
        more = [names[int(dice.random() ** 2 * len(names))] for _ in range(max(1, packages // 12))]
        while more:
            answer = asyncio.run(_solved(sparse, [*asked, *more], day))
            if answer is not None:
                asked, records = list(dict.fromkeys([*asked, *more])), answer
                break
            more = more[: len(more) // 3]
        if len(records) >= packages:
            break
    return asked, records


async def _solved(sparse: list[Any], specs: list[str], day: int) -> list[Any] | None:
    try:
        return await rattler.solve(
            sparse,
            [rattler.MatchSpec(spec) for spec in specs],
            platforms=["linux-64", "noarch"],
            virtual_packages=[
                rattler.GenericVirtualPackage(
                    rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0")
                )
                for name, version in (("__glibc", "2.36"), ("__unix", "0"), ("__linux", "6.1"), ("__cuda", "12.6"))
            ],
            exclude_newer=_FIRST_DAY + timedelta(days=day),
            channel_relations="disabled",
        )
    except SolverError:
        return None


def _write(prefix: Path, asked: list[str], records: list[Any]) -> None:
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").write_text(_PYTHON)
    (prefix / "bin" / "python").chmod(0o755)
    lines = ["==> 2025-02-10 09:00:00 <==", "# cmd: conda create", "# conda version: 24.11.0"]
    for record in sorted(records, key=lambda record: record.file_name):
        stem = record.file_name.removesuffix(".conda").removesuffix(".tar.bz2")
        (meta / f"{stem}.json").write_text(_record(record.file_name, json.dumps(_values(record), sort_keys=True)))
        lines.append(f"+{URL}/{record.subdir}::{stem}")
    lines.append(f"# update specs: {json.dumps(asked)}")
    (meta / "history").write_text("\n".join(lines) + "\n")


def _values(record: Any) -> dict[str, Any]:
    values = record.to_json()
    values = json.loads(values) if isinstance(values, str) else dict(values)
    return {**values, "fn": record.file_name, "url": record.url, "channel": f"{URL}/{record.subdir}"}


@lru_cache(maxsize=4096)
def _record(fn: str, values: str) -> str:
    """One file of conda-meta, two spaces deep as conda writes it."""
    record = json.loads(values)
    dice = draw(0, fn)
    number = _FIXED_PATHS.get(record["name"], max(3, min(4000, round(64 * dice.lognormvariate(0, 1.15)))))
    python = "lib/python3.10/site-packages" if "python" in " ".join(record["depends"]) else "share"
    paths = [f"{python}/{record['name']}/part{n // 40:03}/module_{n:05}.py" for n in range(number)]
    digest = hashlib.sha256(fn.encode()).hexdigest()
    entries = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": f"{digest[:58]}{n:06x}",
            "sha256_in_prefix": f"{digest[:58]}{n:06x}",
            "size_in_bytes": 100 + 37 * n,
        }
        for n, path in enumerate(paths)
    ]
    record |= {"files": paths, "paths_data": {"paths": entries, "paths_version": 1}, "requested_spec": ""}
    return json.dumps(record, indent=2, sort_keys=True)
