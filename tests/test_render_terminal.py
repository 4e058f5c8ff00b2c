"""The report on a screen: nothing wider than it, nothing that drives it, nothing left out without a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from planner.render import markdown, terminal
from planner.render.blocks import Bullets, Commands, Facts, Form, Heading, Lines, Paragraph, ReportView, Section, Table
from planner.render.escape import visible
from planner.render.view import build_view
from tests.hostile import MEGABYTE, TEXTS, poisoned
from tests.sample_plans import ALL, COMPILED, CONDA_LOST, PURE, UNSAFE

NASTY = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://x\x1b\\link",
    "\x9b2J",
    "\r\noverwritten",
    "[bold red]markup[/]",
    "[link=http://x]y[/link]",
    ":boom:",
    "\u202egnp.exe",
    "\u200bzero",
    "日本語" * 40,
    "x" * 500,
    "\udce9",
    "\x07\x08\x7f",
    "\t",
    "",
    "e\u0301" * 90,
]
TEXT = st.text(max_size=200) | st.sampled_from(NASTY)
SGR = re.compile(r"\x1b\[[0-9;]*m")


def report(*blocks, width=80, colour=False):
    view = ReportView("t", "unsafe", "h", "bad", (Section("s", "S", blocks),))
    return terminal.render(view, width=width, colour=colour)


def body(*blocks, width=80):
    return report(*blocks, width=width).split("─\n", maxsplit=1)[1].splitlines()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_screen(name, width):
    text = terminal.render(build_view(ALL[name]), width=width, colour=False)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\n\n\n" not in text


@settings(max_examples=120)
@given(texts=st.lists(TEXT, min_size=6, max_size=6), width=st.integers(min_value=40, max_value=220))
def test_any_text_is_harmless_and_fits(texts, width):
    a, b, c, d, e, f = texts
    blocks = (
        Heading(a, "bad"),
        Paragraph(b),
        Facts((("L", c),)),
        Bullets((d,), e),
        Table(("One", "Two", "Three"), ((a, b, c), (d, e, f)), below=2),
        Table(("One", "Two"), ((a, b), (c, d))),
        Commands(f, ((a, b),)),
        Lines(f"{a}\n{b}"),
    )
    text = report(*blocks, width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert all(char == "\n" or char.isprintable() for char in text)
    coloured = report(*blocks, width=width, colour=True)
    assert all(char == "\n" or char.isprintable() for char in SGR.sub("", coloured))
    assert "\x1b" not in SGR.sub("", coloured)


@settings(max_examples=60)
@given(text=st.sampled_from(NASTY))
def test_text_is_shown_not_interpreted(text):
    squeezed = "".join("".join(body(Paragraph(text))).split())
    assert squeezed == "".join(visible(text).split())


def test_colour_only_when_asked_for(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "10")
    view = build_view(UNSAFE)
    plain = terminal.render(view, width=80, colour=False)
    assert "\x1b" not in plain
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = terminal.render(view, width=80, colour=True)
    assert "\x1b[1;31mUNSAFE: carrying this out" in coloured
    stripped = "\n".join(line.rstrip() for line in SGR.sub("", coloured).splitlines())
    assert stripped + "\n" == plain


def test_long_tables_say_how_many_rows_are_left():
    rows = tuple((f"p{number}", "x") for number in range(75))
    lines = body(Table(("A", "B"), rows))
    assert lines[-1] == "... and 15 more rows: --format markdown or json has them all"
    assert lines[-2].startswith("p59")
    assert body(Table(("A", "B"), rows[:60]))[-1].startswith("p59")


def test_long_explanations_say_how_many_lines_are_left():
    lines = body(Lines("\n".join(f"l{number}" for number in range(62))))
    assert lines[-2:] == ["  l59", "... and 2 more lines: --format markdown or json has them all"]


def test_every_name_is_listed_on_the_narrowest_screen():
    text = " ".join(terminal.render(build_view(UNSAFE), width=80, colour=False).split())
    for name, version in (*COMPILED, *PURE):
        assert f"{name} {version}" in text


def test_long_column_goes_under_its_row_on_a_narrow_screen():
    table = Table(("Package", "Before", "Why"), (("numpy", "1.20.3 py39h06a4308_0", "because " * 12 + "so"),), below=2)
    assert body(table, width=60) == [
        "Package  Before",
        "──────────────────────────────",
        "numpy    1.20.3 py39h06a4308_0",
        "    because because because because because because because",
        "    because because because because because so",
    ]
    assert body(table, width=160)[2] == f"numpy     1.20.3 py39h06a4308_0   {'because ' * 12}so"


def test_a_broken_command_is_still_a_command():
    command = ("python", "-m", "pip", "install", "--requirement", "'my requirements.txt'")
    assert body(Commands("Run", (command,)), width=40) == [
        "Run:",
        "    python -m pip install \\",
        "      --requirement \\",
        "      'my requirements.txt'",
    ]
    assert body(Commands("Run", (command,), "^"), width=80) == [
        "Run:",
        "    python -m pip install --requirement 'my requirements.txt'",
    ]


def test_report_with_a_megabyte_of_text_stays_a_report():
    huge = replace(CONDA_LOST, message="x" * 1_000_000, subject="conda:" + "y" * 1_000_000)
    text = terminal.render(build_view(replace(UNSAFE, findings=(huge,))), width=80, colour=False)
    assert len(text) < 30_000
    assert "998000 more characters: the plan document has them" in " ".join(text.split())


def test_report_reads_from_the_top():
    text = terminal.render(build_view(UNSAFE), width=80, colour=False)
    assert text.startswith(
        'What "mamba install python=3.10" would do to base\n'
        "\n"
        "UNSAFE: carrying this out would break 36 things; first: conda itself is removed:\n"
        "base would have no conda.\n"
        "\n"
        "VERDICT\n"
        f"{'─' * 80}\n"
        "Because:\n"
        "  - Block BASE001: conda itself is removed: base would have no conda\n"
    )


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_names_neither_drive_the_screen_nor_leave_it(text):
    view = build_view(poisoned(UNSAFE, text))
    rendered = terminal.render(view, width=80, colour=False)
    assert all(char == "\n" or char.isprintable() for char in rendered)
    assert max(cell_len(line) for line in rendered.splitlines()) <= 80
    assert len(rendered) < 4 * MEGABYTE
    assert "\x1b" not in SGR.sub("", terminal.render(view, width=80, colour=True))


def test_there_is_room_to_sign():
    assert body(Form(("Reviewed by", "Date"))) == [
        "Reviewed by  ________________________",
        "Date         ________________________",
    ]


def test_long_lists_say_how_many_are_left():
    lines = body(Bullets(tuple(f"l{number}" for number in range(30))))
    assert lines[-2:] == ["  - l23", "... and 6 more like these: --format markdown or json has them all"]


@pytest.mark.parametrize("name", ALL)
def test_pictures_make_no_difference_where_none_is_shown(name):
    with_them, without = build_view(ALL[name]), build_view(ALL[name], pictures=False)
    assert terminal.render(without, width=80, colour=False) == terminal.render(with_them, width=80, colour=False)
    assert markdown.render(without) == markdown.render(with_them)
