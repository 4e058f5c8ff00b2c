"""One job in a process of its own, which says how long it took, the start of the interpreter and all imports aside.

`python -m tests.bench.inside JOB ARGUMENT...` prints a line of JSON. What takes a hundredth of a second cannot be told
from outside, where starting python takes two.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_REPEATS = 3  # of which the quickest counts: the first one also pays for what is made on first use
_LONG = 10  # seconds after which a job is not repeated


def raw_read(root: str, workers: str = "1") -> Callable[[], int]:
    """Every byte of every conda-meta, by so many processes: what no loader can do without."""
    folders = [os.path.join(root, "conda-meta"), *map(str, Path(root, "envs").glob("*/conda-meta"))]

    def read(some: list[str]) -> int:
        total = 0
        for folder in some:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".json"):
                        descriptor = os.open(entry.path, os.O_RDONLY)
                        total += len(os.read(descriptor, os.fstat(descriptor).st_size))
                        os.close(descriptor)
        return total

    def job() -> int:
        number = int(workers)
        children = []
        for at in range(1, number):
            child = os.fork()
            if child == 0:
                read(folders[at::number])
                os._exit(0)
            children.append(child)
        total = read(folders[::number])
        for child in children:
            os.waitpid(child, 0)
        return total

    return job


def envs(root: str, home: str) -> Callable[[], int]:
    """What `planner envs` reads."""
    from planner import discover
    from planner.inventory import read_inventory
    from planner.reach.notes import Places

    places = Places({}, home, os.path.join(home, "nowhere"))
    return lambda: len(
        read_inventory(root, discover.machine_prefixes(root, (), {}, home), places).environments,
    )


def load(root: str, cache: str) -> Callable[[], int]:
    """What a question about base loads of all environments; without a cache where no folder is given."""
    from planner import conda_meta, conda_meta_folder, discover
    from planner.cache import Cache
    from planner.load import load_installation

    kept = Cache(cache or None)
    prefixes = discover.environment_prefixes(root)

    def job() -> int:
        # What one run has decoded, the next one of a user has to decode again.
        conda_meta._shared.clear()
        conda_meta_folder._decoded.cache_clear()
        return len(load_installation(root, prefixes, asked=root, kept=kept).environments)

    return job


def _objects(listed: str) -> list[str]:
    return Path(listed).read_text(encoding="utf-8").split("\n")


def elf(listed: str) -> Callable[[], int]:
    """The planner's reader on each object of a list."""
    from planner.abi.elf import ElfFacts, read_elf

    paths = _objects(listed)
    return lambda: sum(isinstance(read_elf(path), ElfFacts) for path in paths)


def pyelftools(listed: str) -> Callable[[], int]:
    """The same facts by pyelftools: a list of names, versions, flags and the interpreter of each object."""
    from elftools.elf.elffile import ELFFile

    names = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
    flags = {"DT_FLAGS", "DT_FLAGS_1", "DT_BIND_NOW"}

    def facts(path: str) -> list[object]:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            found: list[object] = [elf.elfclass, elf.little_endian, elf.header.e_machine, elf.header.e_type]
            found += [item.get_interp_name() for item in elf.iter_segments("PT_INTERP")]
            dynamic = elf.get_section_by_name(".dynamic")
            for tag in dynamic.iter_tags() if dynamic else ():
                if tag.entry.d_tag in names:
                    found.append(getattr(tag, names[tag.entry.d_tag]))
                elif tag.entry.d_tag in flags:
                    found.append(tag.entry.d_val)
            needs = elf.get_section_by_name(".gnu.version_r")
            for need, auxiliaries in needs.iter_versions() if needs else ():
                found.append((need.name, [(item.name, item["vna_flags"], item["vna_other"]) for item in auxiliaries]))
            definitions = elf.get_section_by_name(".gnu.version_d")
            for definition, auxiliaries in definitions.iter_versions() if definitions else ():
                found.append((definition["vd_ndx"], definition["vd_flags"], next(iter(auxiliaries)).name))
            return found

    paths = _objects(listed)
    return lambda: sum(bool(facts(path)) for path in paths)


JOBS: dict[str, Callable[..., Callable[[], int]]] = {
    "raw-read": raw_read,
    "envs": envs,
    "load": load,
    "elf": elf,
    "pyelftools": pyelftools,
}


def main() -> int:
    """Run the job; a job named with `once:` is run a single time, for what is different the second time."""
    name = sys.argv[1].removeprefix("once:")
    job = JOBS[name](*sys.argv[2:])
    runs = []
    while not runs or (len(runs) < _REPEATS and sum(runs[0]) < _LONG and not sys.argv[1].startswith("once:")):
        wall, cpu = time.perf_counter(), time.process_time()
        count = job()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = min(runs)
    print(json.dumps({"wall": wall, "cpu": cpu, "count": count, "peak": _peak()}))
    return 0


def _peak() -> float:
    """The most megabytes that this process held. `ru_maxrss` would count what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(held.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
