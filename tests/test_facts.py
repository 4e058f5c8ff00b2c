"""The facts that rules rest on: every one sourced and dated, and the tables consistent in themselves."""

import datetime as dt
import itertools
import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner

from cli import main
from planner.cuda_drivers import numbers
from planner.facts import Facts, known_facts

TABLES = known_facts().tables()


@pytest.mark.parametrize(("table", "rows"), TABLES, ids=[name for name, _ in TABLES])
def test_every_row_has_a_source_and_a_day(table, rows):
    facts = known_facts()
    assert rows, table
    for row in rows:
        # A row of a feedstock's own names its recipe in full.
        assert facts.sources.get(row.source, "").strip() or "/" in row.source, row
        assert dt.date(2026, 1, 1) < row.checked <= dt.datetime.now(tz=dt.timezone.utc).date(), row


def test_every_source_is_used():
    named = {row.source for _, rows in TABLES for row in rows}
    assert {source for source in named if "/" not in source} == set(known_facts().sources)


def test_no_row_stands_twice():
    for name, rows in TABLES:
        told = [msgspec.structs.astuple(msgspec.structs.replace(row, source="", checked=dt.date.min)) for row in rows]
        assert len(set(told)) == len(told), name


def test_floors_and_pairs_rise():
    facts = known_facts()
    for old, new in itertools.pairwise(facts.floors):
        assert numbers(old.cuda) < numbers(new.cuda)
        assert numbers(old.lowest) < numbers(new.lowest)
    for old, new in itertools.pairwise(facts.pairs):
        assert numbers(old.torch) < numbers(new.torch)
        assert numbers(old.torchvision) < numbers(new.torchvision)


def test_a_build_has_no_code_that_its_toolkit_cannot_make():
    facts = known_facts()
    for build in facts.builds:
        lowest = [row.lowest for row in facts.floors if build.cuda and numbers(row.cuda) <= numbers(build.cuda)]
        for code in build.architectures:
            assert numbers(lowest[-1]) <= numbers(code), build


def test_the_c_plus_plus_abi_of_pypi_s_torch_changes_between_2_6_and_2_7():
    abi = {
        row.torch: row.cxx11_abi for row in known_facts().builds if row.origin == "pypi" and row.cxx11_abi is not None
    }
    assert {version for version, new in abi.items() if not new} == {
        version for version in abi if numbers(version) < (2, 7)
    }


def test_a_row_without_a_source_is_an_error():
    with pytest.raises(msgspec.ValidationError, match="source"):
        msgspec.convert({"toolkits": [{"cuda": "1.0", "driver": "1", "checked": dt.date(2026, 1, 2)}]}, Facts)


def test_the_catalogue_lists_them():
    done = CliRunner().invoke(main, ["rules", "facts"])
    assert done.exit_code == 0
    assert "toolkits (27)" in done.output
    assert "cuda 12.4, driver 550.54.14  [NVIDIA, CUDA 13.2 release notes" in done.output
    assert "read 2026-11-23]" in done.output
    one = CliRunner().invoke(main, ["rules", "facts", "pairs"])
    assert "toolkits" not in one.output
    assert "torch 2.5, torchvision 0.20, torchaudio 2.5" in one.output


def test_a_table_that_is_none():
    done = CliRunner().invoke(main, ["rules", "facts", "nonsense"])
    assert done.exit_code == 2
    assert "toolkits" in done.output


def test_threads_that_ask_at_once_read_them_once():
    """In an interpreter of its own: msgspec crashed it where two threads made it look into the types together."""
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from planner.facts import known_facts

sys.setswitchinterval(1e-6)
ready = Barrier(8)
with ThreadPoolExecutor(8) as pool:
    asked = [pool.submit(lambda: (ready.wait(), known_facts())[1]) for _ in range(8)]
print(len({id(item.result()) for item in asked}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
