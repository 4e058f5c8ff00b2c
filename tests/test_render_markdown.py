"""The Markdown report, judged by a Markdown parser: what it shows is the text itself, whatever the text is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from planner.render import markdown
from planner.render.blocks import Bullets, Commands, Facts, Form, Heading, Lines, Paragraph, ReportView, Section, Table
from planner.render.escape import visible, visible_lines
from planner.render.view import build_view
from tests.hostile import TEXTS, poisoned
from tests.sample_plans import ALL, COMPILED, PURE, UNSAFE

# linkify is left out: automatic links change how a text is marked up, not what it says.
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = [
    "a|b",
    "a\\|b",
    "\\",
    "``` sh",
    "```",
    "`````",
    "`x`",
    "<script>alert(1)</script>",
    "<!-- x",
    "<https://x.invalid>",
    "<3@x.invalid>",
    "![x](javascript:alert(1))",
    "[x]: /url",
    "# x",
    "- x",
    "--- ",
    "-",
    "+",
    "***",
    "___",
    "1. x",
    "12)",
    "> x",
    "===",
    "    indented",
    "__cuda__ _x_ a__b",
    "*b* ~~s~~ ~~~",
    "&lt; &#60; & &copy;",
    "line\nfeed\r\n\u2028",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "a #",
    "| --- |",
    "\t tab",
    "\udce9",
    "trailing\\",
    "$x$",
]
TEXT = st.text(max_size=60) | st.sampled_from(NASTY) | st.text(alphabet="|\\`*_<>&#[]()!-+1.=~ \n@a", max_size=25)


def report(*blocks, title="t", headline="h"):
    return markdown.render(ReportView(title, "safe", headline, "good", (Section("s", "S", blocks),)))


def shown(inline):
    """The text that an inline token shows to a reader."""
    kinds = {child.type for child in inline.children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}, kinds
    return "".join(child.content for child in inline.children)


def expected(text):
    return visible(text).strip()


def inlines(text, kind):
    tokens = PARSER.parse(text)
    return [
        shown(tokens[index + 1])
        for index, token in enumerate(tokens)
        if token.type == kind and tokens[index + 1].type == "inline"
    ]


def kinds(text):
    return [token.type for token in PARSER.parse(text) if token.nesting >= 0 and token.type != "inline"]


@settings(max_examples=300)
@given(cells=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_tables_keep_their_rows_and_cells(cells):
    text = report(Table(("A", "B"), tuple(cells)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(cells)
    assert inlines(text, "th_open") == ["A", "B"]
    assert inlines(text, "td_open") == [expected(cell) for row in cells for cell in row]


@settings(max_examples=300)
@given(text=TEXT.filter(lambda text: visible(text).strip()))
def test_prose_is_shown_as_it_is(text):
    rendered = report(Heading(text), Paragraph(text), Bullets((text, "end")), Facts((("L", text),)), title=text)
    assert kinds(rendered) == [
        "heading_open",
        "paragraph_open",
        "heading_open",
        "heading_open",
        "paragraph_open",
        "bullet_list_open",
        *["list_item_open", "paragraph_open"] * 3,
    ]
    assert inlines(rendered, "heading_open") == [expected(text), "S", expected(text)]
    assert inlines(rendered, "paragraph_open") == [
        "h",
        expected(text),
        expected(text),
        "end",
        f"L: {expected(text)}",
    ]


@settings(max_examples=200)
@given(text=TEXT)
def test_what_is_fenced_stays_fenced(text):
    rendered = report(Lines(text), Commands("Run", ((text, "x"),)), Paragraph("end"))
    fences = [token.content for token in PARSER.parse(rendered) if token.type == "fence"]
    assert fences == ["\n".join(visible_lines(text)) + "\n", f"{visible(text)} x\n"]
    assert inlines(rendered, "paragraph_open") == ["h", "Run:", "end"]


@pytest.mark.parametrize("text", NASTY)
def test_no_markup_of_others_is_html(text):
    html = PARSER.render(report(Paragraph(text), Table(("A",), ((text,),))))
    assert "<script" not in html
    assert "<a " not in html
    assert "<img" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_common_names_stay_readable_in_the_source():
    for text in ("py39h06a4308_0", "python >=3.9,<3.10.0a0", "/opt/conda/envs/a-b", "4.10.3", "pip's", "x (y)"):
        assert markdown.escape(text) == text


@pytest.mark.parametrize("name", ALL)
def test_whole_report_parses_into_its_sections(name):
    view = build_view(ALL[name])
    rendered = markdown.render(view)
    tokens = PARSER.parse(rendered)
    found = [
        tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    assert found == [section.heading for section in view.sections]
    assert not [token for token in tokens if token.type == "html_block"]
    assert rendered.endswith("\n")
    assert not rendered.endswith("\n\n")


def test_nothing_is_left_out():
    rendered = markdown.render(build_view(UNSAFE))
    cells = inlines(rendered, "td_open")
    assert "more rows" not in rendered
    for name, version in (*COMPILED, *PURE):
        assert f"{name} {version}" in cells
    assert [cell for cell in cells if cell.startswith("F")] == [f"F{number}" for number in range(2, 37)]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_names_leave_the_sections_as_they_are(text):
    view = build_view(poisoned(UNSAFE, text))
    tokens = PARSER.parse(markdown.render(view))
    found = [
        tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    assert found == [section.heading for section in view.sections]
    assert not [token for token in tokens if token.type in {"html_block", "hr", "blockquote_open"}]
    children = {child.type for token in tokens for child in token.children or ()}
    assert children <= {"text", "text_special", "strong_open", "strong_close"}


def test_there_is_room_to_sign():
    rendered = report(Form(("Reviewed by", "Date")))
    assert inlines(rendered, "paragraph_open") == ["h", f"Reviewed by: {'_' * 12}", f"Date: {'_' * 12}"]
