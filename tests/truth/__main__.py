"""`make truth`: run the lab, print the table, write docs/truth.md and docs/truth.json."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from planner.version import __version__
from rules import RULES
from tests.truth import generator, lab, table

DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """Returns 0 unless the lab itself fails: what the figures are worth is for readers to judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("--small", action="store_true", help="the part that continuous integration runs")
    parser.add_argument("--seed", type=int, default=generator.SEED)
    parser.add_argument("--drawn", type=int, help="how many cases the generator contributes")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="INSTALLATION", help="some installations alone")
    parser.add_argument("--no-files", action="store_true", help="also what is said without looking into files")
    parser.add_argument("--write", type=Path, help="where truth.md and truth.json go", default=DOCS)
    given = parser.parse_args()
    drawn = given.drawn if given.drawn is not None else (6 if given.small else 108)
    outcome = lab.run(
        small=given.small,
        seed=given.seed,
        drawn=drawn,
        rules=RULES,
        say=_say,
        processes=given.processes,
        only=frozenset(given.only),
        unread=given.no_files,
    )
    facts = table.Facts(
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        planner=__version__,
        solver=", ".join(sorted({result.solver for result in outcome.results})),
        pythons=outcome.pythons,
        seed=given.seed,
        unused=outcome.unused,
        missing=outcome.missing,
        rules=tuple(rule.id for rule in RULES),
    )
    print(table.text(outcome.results, facts), end="")
    given.write.mkdir(parents=True, exist_ok=True)
    (given.write / "truth.md").write_text(table.markdown(outcome.results, facts))
    document = table.document(outcome.results, facts)
    (given.write / "truth.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
