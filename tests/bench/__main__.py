"""`make bench`: make the channel and the installation, run every row beside its peer, write docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from tests.bench import equality, kept, rows, table
from tests.bench.world import World

DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Returns 0 unless a row gives no answer: what the figures are worth is for readers to judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--records", type=int, default=744_501)
    parser.add_argument("--environments", type=int, default=51)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="*", default=[10_000, 100_000, 744_501, 2_000_000])
    names = (*rows.PARTS, "equality")
    parser.add_argument(
        "--only", action="append", default=[], choices=names, metavar="PART", help=f"some of {', '.join(names)}"
    )
    parser.add_argument("--resume", action="store_true", help="leave out what is on the page already")
    parser.add_argument("--equal", type=int, metavar="N", help="compare the answers of so many environments only")
    parser.add_argument("--processes", type=int, default=2, help="that compare answers at the same time")
    parser.add_argument(
        "--folder", type=Path, default=Path.home() / ".cache" / "planner-bench", help="for what is made"
    )
    parser.add_argument("--write", type=Path, default=DOCS, help="where performance.md and performance.json go")
    given = parser.parse_args()
    bench = rows.Bench(
        World(given.folder, given.records, given.environments, _say),
        given.runs,
        os.environ.get("PLANNER_MAMBA"),
        os.environ.get("PLANNER_CONDA"),
        os.environ.get("PLANNER_LIBMAMBA_PYTHON"),
        tuple(given.growth),
        _say,
    )
    results = kept.read(given.write)
    for name, part in rows.PARTS.items():
        if (not given.only or name in given.only) and not (given.resume and name in results.parts):
            measured = part(bench)
            results.parts[name] = kept.Part(_setting(bench), tuple(measured))
            _publish(given.write, results)
    if not given.only or "equality" in given.only:
        known = results.equality.compared if results.equality and given.resume else ()
        results.equality = kept.Equality(_setting(bench), known)
        for item in equality.compare_all(
            bench.world,
            bench.engines,
            bench.libmamba_python,
            _say,
            known=known,
            most=given.equal,
            processes=given.processes,
        ):
            found = (*results.equality.compared, item)
            results.equality = kept.Equality(_setting(bench), found)
            _publish(given.write, results)
    print(table.page(results), end="")
    return 0


def _setting(bench: rows.Bench) -> kept.Setting:
    return kept.Setting(
        datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        table.machine(),
        bench.world.records,
        bench.world.environments,
        bench.runs,
        bench.mamba_version,
        bench.conda_version,
    )


def _publish(folder: Path, results: kept.Results) -> None:
    """Write what there is after each part: a run of an hour may be cut off."""
    kept.write(folder, results)
    page = folder / "performance.md"
    page.write_text(table.page(results) + _by_hand(page))


def _by_hand(page: Path) -> str:
    """What people have written below the tables, from the mark on: no run knows what stands in the way."""
    before = page.read_text() if page.exists() else ""
    return before[before.index(table.BY_HAND) :] if table.BY_HAND in before else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
