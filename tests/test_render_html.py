"""The HTML report: valid, one file, without scripts or outside references, and harmless whatever the names are."""

from __future__ import annotations

import itertools
import re

import html5lib
import pytest
from msgspec.structs import replace

from planner.model.installed import PackageRecord
from planner.render import html
from planner.render.view import build_view
from tests.hostile import MEGABYTE, TEXTS, poisoned
from tests.sample_plans import ALL, UNSAFE, change
from tests.valid import parsed_html

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {
    *"html head meta title style body a header h1 h2 h3 p strong nav ul li main section dl div dt dd".split(),
    *"table thead tbody tr th td pre code figure figcaption".split(),
}
DRAWN = {"svg", "rect", "text", "path", "polygon", "circle"}
ATTRIBUTES = {
    *"lang charset name content http-equiv class href id aria-label aria-labelledby scope role data-label".split(),
    *"viewBox x y width height rx d points cx cy r text-anchor".split(),
}


def page(plan):
    return html.render(build_view(plan))


def elements(tree):
    return [element for element in tree.iter() if isinstance(element.tag, str)]


def shown(element):
    return "".join(element.itertext())


def of(tree, tag, style=None):
    return [element for element in tree.iter(tag) if style is None or style in (element.get("class") or "").split()]


@pytest.mark.parametrize("name", ALL)
def test_page_is_valid_and_has_the_sections_in_order(name):
    view = build_view(ALL[name])
    tree = parsed_html(html.render(view))
    assert [shown(element) for element in of(tree, f"{HTML}h2")] == [section.heading for section in view.sections]
    assert [shown(element) for element in of(tree, f"{HTML}h1")] == [view.title]
    ids = [element.get("id") for element in elements(tree) if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in elements(tree):
        if element.get("href"):
            assert element.get("href")[1:] in ids
        if element.get("aria-labelledby"):
            assert element.get("aria-labelledby") in ids


def test_the_validator_would_notice():
    with pytest.raises(html5lib.html5parser.ParseError):
        parsed_html(page(UNSAFE).replace("</main>", "</div></main>"))


@pytest.mark.parametrize("name", ALL)
def test_one_file_without_scripts_or_outside_references(name):
    text = page(ALL[name])
    tree = parsed_html(text)
    for element in elements(tree):
        namespace, _, tag = element.tag.rpartition("}")
        assert tag in (DRAWN if namespace == SVG[:-1] else ELEMENTS), tag
        assert {key.rpartition("}")[2] for key in element.attrib} <= ATTRIBUTES
    assert {element.get("href")[0] for element in of(tree, f"{HTML}a")} == {"#"}
    style = shown(next(iter(of(tree, f"{HTML}style"))))
    assert not re.search(r"url\(|@import|expression|<", style)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_name_acts_on_the_page(text):
    plan = poisoned(UNSAFE, text)
    rendered = page(plan)
    tree = parsed_html(rendered)
    harmless = parsed_html(page(poisoned(UNSAFE, "abc")))
    # Only what is counted and grouped by its text may differ: the vocabulary of the page may not.
    assert {element.tag for element in elements(tree)} <= {element.tag for element in elements(harmless)}
    assert {key for element in elements(tree) for key in element.attrib} <= {
        key for element in elements(harmless) for key in element.attrib
    }
    assert all(char == "\n" or char.isprintable() for char in rendered)
    # Some thousand texts of this plan, each of them cut.
    assert len(rendered) < 4 * MEGABYTE


def test_a_name_is_shown_as_itself():
    name = '<script>alert("&amp;")</script>'
    moved = change("upgrade", PackageRecord(name, "1", "0"), PackageRecord(name, "2", "0"))
    tree = parsed_html(page(replace(UNSAFE, changes=(moved,))))
    assert name in [shown(cell) for cell in of(tree, f"{HTML}td")]
    assert name in [shown(text) for text in of(tree, f"{SVG}text")]


@pytest.mark.parametrize("name", ALL)
def test_accessible(name):
    tree = parsed_html(page(ALL[name]))
    assert tree.get("lang") == "en"
    levels = [int(element.tag[-1]) for element in elements(tree) if re.fullmatch(rf"{re.escape(HTML)}h\d", element.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for table in of(tree, f"{HTML}table"):
        headers = of(table, f"{HTML}th")
        assert headers
        assert {header.get("scope") for header in headers} == {"col"}
    for picture in of(tree, f"{HTML}div", "picture"):
        assert picture.get("role") == "img"
        assert picture.get("aria-label")
    assert all(shown(link) for link in of(tree, f"{HTML}a"))


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_has_contrast_in_light_dark_and_print():
    palettes = [
        dict(re.findall(r"--(\w+): (#\w{6});", part)) for part in re.findall(r":root \{([^}]*)\}", page(UNSAFE))
    ]
    assert len(palettes) == 3
    for palette in palettes:
        for name in ("text", "soft", "good", "warn", "bad", "unknown", "link"):
            for ground in ("page", "panel"):
                light, dark = sorted((_luminance(palette[name]), _luminance(palette[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_nothing_is_left_out_of_the_tables():
    view = build_view(UNSAFE)
    rows = sum(len(block.rows) for section in view.sections for block in section.blocks if hasattr(block, "rows"))
    assert len(of(parsed_html(html.render(view)), f"{HTML}td")) >= rows
    assert "more rows" not in html.render(view)


def test_sign_off_can_be_written_on():
    tree = parsed_html(page(UNSAFE))
    (form,) = of(tree, f"{HTML}dl", "form")
    assert [shown(label) for label in of(form, f"{HTML}dt")][:2] == ["Requested by", "Reviewed by"]
