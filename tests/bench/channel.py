"""A channel of conda-forge's shape, as `repodata.json` for linux-64 and noarch, of any number of records.

The shape is that of the real one in bytes a record, records a name, dependencies a record and the part that an
environment can reach; names and versions are invented but for the families that questions are about. The bytes depend
on the seed and the number of records alone.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests.bench import timeline
from tests.bench.timeline import CUDA, LAST, NUMPY_2, PYTHONS, Package, draw, moves, pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SEED = 20250601
_RECORDS_OF_A_NAME = 23
_CONDA_FORMAT = 1500  # the day from which packages are .conda files


class Channel:
    """The packages of a channel and their records, by subdir and file name."""

    def __init__(self, records: int, seed: int = SEED) -> None:
        """About `records` of them: the last name is not cut."""
        self.seed = seed
        self.packages: dict[str, Package] = {}
        self.records: dict[str, dict[str, dict[str, Any]]] = {"linux-64": {}, "noarch": {}}
        for package in timeline.core(seed):
            self._add(package)
        pinned = [self.packages[name] for name, _ in timeline.PINNED]
        before = list(self.packages.values())
        rank = 0
        while len(self) < records:
            package = timeline.drawn(seed, rank, records // _RECORDS_OF_A_NAME, before, pinned)
            self._add(package)
            before.append(package)
            rank += 1

    def __len__(self) -> int:
        return sum(map(len, self.records.values()))

    def write(self, folder: Path) -> None:
        """Write `SUBDIR/repodata.json`, compact and sorted by file name, as channels are served."""
        for subdir, records in self.records.items():
            (folder / subdir).mkdir(parents=True, exist_ok=True)
            with (folder / subdir / "repodata.json").open("w", encoding="ascii") as file:
                file.write('{"info":' + json.dumps({"subdir": subdir}))
                for key, end in (("packages", ".tar.bz2"), ("packages.conda", ".conda")):
                    file.write(f',"{key}":{{')
                    lines = (
                        f"{json.dumps(fn)}:{json.dumps(record, separators=(',', ':'))}"
                        for fn, record in sorted(records.items())
                        if fn.endswith(end)
                    )
                    file.write(",".join(lines) + "}")
                file.write(',"removed":[],"repodata_version":1}')

    # ----------------------------------------------------------------------------------------------------------------

    def _add(self, package: Package) -> None:
        self.packages[package.name] = package
        dice = draw(self.seed, f"records {package.name}")
        for day, version, number, minors in self._builds(package, dice):
            for minor in minors:
                for variant in _variants(package, day):
                    self._put(package, day, version, number, minor, variant)

    def _builds(self, package: Package, dice: Any) -> Iterator[tuple[int, str, int, tuple[str, ...]]]:
        """(day, version, build number, pythons) of each build; a library and a noarch package have one python, "" ."""
        if package.name == "python_abi":
            yield from ((first, f"{minor}", 0, (minor,)) for minor, first, _ in PYTHONS)
            return
        bound = package.kind == "extension" and package.name != "python"
        rebuilds = (
            sorted({day for name in package.pins for day in moves(self.packages[name])}) if package.tended else []
        )
        arrivals = [(first, minor) for minor, first, _ in PYTHONS] if bound and package.tended else []
        ends = [day for day, _ in package.releases[1:]] + [LAST]
        for (day, version), end in zip(package.releases, ends, strict=True):
            own = version.rpartition(".")[0] if package.name == "python" else ""
            yield day, version, 0, _alive(day) if bound else (own,)
            if own:
                continue
            number = 0
            for moved in (moved for moved in rebuilds if day < moved < end):
                number += 1
                yield moved + dice.randint(1, 15), version, number, _alive(moved) if bound else (own,)
            for first, minor in arrivals:
                if day < first < end:
                    yield first + dice.randint(1, 30), version, number, (minor,)

    def _put(self, package: Package, day: int, version: str, number: int, minor: str, variant: str) -> None:
        subdir = "linux-64" if package.kind in {"library", "extension"} else "noarch"
        depends = self._depends(package, day, minor, variant)
        short = hashlib.sha256("\n".join(depends).encode()).hexdigest()[:7]
        tag = f"py{minor.replace('.', '')}h{short}" if minor and package.name != "python" else f"h{short}"
        tag = "pyhd8ed1ab" if package.kind == "pure" else tag
        build = f"{variant}_{tag}_{number}" if variant else f"{tag}_{number}"
        if package.name == "python_abi":
            build = f"{number}_cp{minor.replace('.', '')}"
        fn = f"{package.name}-{version}-{build}{'.conda' if day >= _CONDA_FORMAT else '.tar.bz2'}"
        digest = hashlib.sha256(f"{self.seed}/{subdir}/{fn}".encode()).hexdigest()
        record: dict[str, Any] = {"build": build, "build_number": number}
        if package.name in {"python_abi", "python"}:
            other = "python" if package.name == "python_abi" else "python_abi"
            record["constrains"] = [
                f"{other} {minor}.*" + (f" *_cp{minor.replace('.', '')}" if other != "python" else "")
            ]
        elif package.kind == "extension" and number % 3 == 1:
            record["constrains"] = [f"{package.name}-base <0a0"]
        record |= {
            "depends": depends,
            "license": "BSD-3-Clause",
            "license_family": "BSD",
            "md5": digest[:32],
            "name": package.name,
        }
        if package.kind in {"pure", "data"}:
            record["noarch"] = "python" if package.kind == "pure" else "generic"
        record |= {
            "sha256": digest,
            "size": 1000 + int(digest[:5], 16) * (40 if subdir == "linux-64" else 1),
            "subdir": subdir,
            "timestamp": timeline.EPOCH_MS + day * timeline.DAY_MS + int(digest[5:10], 16),
            "version": version,
        }
        self.records[subdir][fn] = record

    def _depends(self, package: Package, day: int, minor: str, variant: str) -> list[str]:
        if package.name == "python_abi":
            return []
        dice = draw(self.seed, f"{package.name} {package.version_at(day)}")
        found = [_at_least(self.packages[name], day, dice) for name in package.needs_at(day) if name in self.packages]
        found += [pin(self.packages[name], day) for name in package.pins]
        if package.kind in {"library", "extension"} and package.name not in {"libgcc", "libstdcxx"}:
            found += ["__glibc >=2.17,<3.0.a0", f"libgcc >={self.packages['libgcc'].version_at(day)}"]
        if package.kind == "extension" and package.name != "python":
            after = f"{minor.split('.', maxsplit=1)[0]}.{int(minor.split('.')[1]) + 1}"
            found += [f"python >={minor},<{after}.0a0", f"python_abi {minor}.* *_cp{minor.replace('.', '')}"]
        if package.numpy:
            found.append("numpy >=1.19,<3" if day >= NUMPY_2 else "numpy >=1.16.0,<2.0a0")
        if package.kind == "pure":
            floor = max(first for _, first, _ in PYTHONS if first <= max(0, day - 1100))
            found.append(f"python >={next(name for name, first, _ in PYTHONS if first == floor)}")
        if package.follows:
            found = [text for text in found if not text.startswith(package.follows)]
            found.append(f"{package.follows} {self.packages[package.follows].version_at(day)}")
        if variant and variant != "cpu":
            cuda = f"{variant[4:6]}.{variant[6:]}"
            found += [f"cuda-version >={cuda},<{int(variant[4:6]) + 1}", "cudnn", "nccl", "libcublas"]
        return sorted(set(found))


def _at_least(package: Package, day: int, dice: Any) -> str:
    """A requirement on a version that was there some time before; now and then with an end at the next major."""
    if dice.random() < 0.25:
        return package.name
    version = package.version_at(day - 200 - int(dice.random() * 600))
    if dice.random() < 0.06 and not version.startswith("0."):
        return f"{package.name} >={version},<{int(version.split('.')[0]) + 1}.0a0"
    return f"{package.name} >={version}"


def _alive(day: int) -> tuple[str, ...]:
    return tuple(minor for minor, first, last in PYTHONS if first <= day < last)


def _variants(package: Package, day: int) -> Iterable[str]:
    """The builds of one release that differ by CUDA; "" where there is nothing to choose."""
    if not package.cuda:
        return ("",)
    return ("cpu", *(f"cuda{version.replace('.', '')}" for version, first in CUDA if first <= day))
