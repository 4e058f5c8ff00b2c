"""`make bench`: make the channel and the installation, run every row beside its peer, write docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from tests.bench import equality, rows, table
from tests.bench.world import World

DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Returns 0 unless a row gives no answer: what the figures are worth is for readers to judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--records", type=int, default=744_501)
    parser.add_argument("--environments", type=int, default=51)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--growth", type=int, nargs="*", default=[10_000, 100_000, 744_501, 2_000_000])
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help=f"some of {', '.join(rows.PARTS)}, equality"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path.home() / ".cache" / "planner-bench", help="for what is made"
    )
    parser.add_argument("--write", type=Path, default=DOCS, help="where performance.md goes")
    given = parser.parse_args()
    bench = rows.Bench(
        World(given.folder, given.records, given.environments, _say),
        given.runs,
        os.environ.get("PLANNER_MAMBA"),
        os.environ.get("PLANNER_LIBMAMBA_PYTHON"),
        tuple(given.growth),
        _say,
    )
    parts = {name: part(bench) for name, part in rows.PARTS.items() if not given.only or name in given.only}
    equal = ""
    if not given.only or "equality" in given.only:
        equal = equality.section(bench.world, bench.engines, bench.libmamba_python, _say)
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    text = table.page(parts, bench.world, date, table.machine(), bench.mamba_version, given.runs) + equal
    print(text, end="")
    given.write.mkdir(parents=True, exist_ok=True)
    page = given.write / "performance.md"
    page.write_text(text + _by_hand(page))
    return 0


def _by_hand(page: Path) -> str:
    """What people have written below the tables, from the mark on: no run knows what stands in the way."""
    before = page.read_text() if page.exists() else ""
    return before[before.index(table.BY_HAND) :] if table.BY_HAND in before else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
