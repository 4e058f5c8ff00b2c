"""The pictures: what they show follows from the plan, what they leave out is said, and they are well-formed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from planner.model.installed import PackageRecord
from planner.model.plan import EnvironmentReport, Step
from planner.render import svg
from planner.render.blocks import Figure
from planner.render.drawings import Bar, Bars, Box, Link, Move, Moves, Radius, Reached, Stop, Timeline
from planner.render.view import build_view
from tests.hostile import TEXTS, poisoned
from tests.sample_plans import ALL, CONDA_LOST, MIGRATION, SAFE, UNSAFE, UNSOLVABLE, change

SHORT = [text[:3000] for text in TEXTS]
TEXT = st.text(max_size=80) | st.sampled_from(SHORT)


def figures(plan):
    return [block for section in build_view(plan).sections for block in section.blocks if isinstance(block, Figure)]


def figure(plan, kind):
    return next(found for found in figures(plan) if isinstance(found.drawing, kind))


def test_blast_radius_has_the_changed_packages_what_hangs_off_them_and_the_others():
    found = figure(UNSAFE, Radius)
    assert found.drawing == Radius(
        "base",
        "what breaks, or needs a decision",
        (Box("mamba install python=3.10", "4 package changes"), Box("python", "3.9.5 \u2192 3.10.0")),
        (
            Reached(
                Box("Block BASE001: conda itself is removed: base would have no conda", "", "bad"),
                (Link(1, on_record=True),),
            ),
            Reached(
                Box(
                    "Block PIP001: 15 pip packages would be gone",
                    "cffi, debugpy, kiwisolver, llvmlite, markupsafe, matplotlib and 9 more",
                    "bad",
                ),
                (Link(0, on_record=False),),
            ),
            Reached(
                Box(
                    "Warning PIP001: 20 pip packages would be gone",
                    "attrs, backcall, bleach, bokeh, cycler, decorator and 14 more",
                    "warn",
                ),
                (Link(0, on_record=False),),
            ),
            Reached(
                Box(
                    "Warning GPU005 (not verified): a CUDA build of pytorch is planned, but the GPU of the host is not known",
                    "",
                    "unknown",
                ),
                (Link(0, on_record=False),),
            ),
        ),
        (Box("py37", "untouched", "good"),),
    )
    assert found.caption == (
        "A full line is an ABI edge on record; a broken line says only that it follows from the request. "
        "Left out here: 2 changed packages that no finding here is about."
    )
    for word in ("python (3.9.5", "conda itself is removed", "hanging off python", "py37 (untouched)"):
        assert word in found.text


def test_a_large_blast_radius_is_reduced_and_says_so():
    many = tuple(
        replace(CONDA_LOST, rule=f"XYZ{number:03}", subject=f"conda:p{number}", id=f"F{number}")
        for number in range(1, 31)
    )
    rows = tuple(
        EnvironmentReport(f"e{number}", f"/e/{number}", affected=number == 40, readable=number != 41)
        for number in range(1, 42)
    )
    found = figure(replace(UNSAFE, findings=many, environments=rows), Radius)
    assert len(found.drawing.reached) == 8
    assert [box.detail for box in found.drawing.others[:3]] == ["is reached", "not fully readable", "untouched"]
    assert "22 groups of findings" in found.caption
    assert "35 other environments" in found.caption


def test_without_a_solution_the_picture_says_that_nothing_happens():
    found = figure(UNSOLVABLE, Radius)
    assert found.title == "What the request would reach, if it were done"
    assert found.drawing.label == "what would break, if it were done"
    assert found.drawing.sources == (
        Box("conda install python=3.10", "has no solution: nothing of this happens now", "bad"),
    )
    assert not [found for found in figures(UNSOLVABLE) if isinstance(found.drawing, Moves)]


def test_versions_show_the_build_only_where_the_version_does_not_tell():
    found = figure(UNSAFE, Moves)
    assert found.drawing.rows == (
        Move("conda", "4.10.3", "absent", "remove", "bad"),
        Move("python", "3.9.5", "3.10.0", "upgrade", "plain"),
        Move("pip", "21.1.3 py39h06a4308_0", "21.1.3 py310h06a4308_0", "rebuild", "plain"),
    )
    assert found.caption == "Left out here: 1 package linked again, its build unchanged."
    (row,) = figure(SAFE, Moves).drawing.rows
    assert (row.before, row.after) == ("1.16.0 pkgs/main", "1.16.0 conda-forge")


def test_many_versions_are_reduced_and_say_so():
    moved = tuple(
        change("upgrade", PackageRecord(f"p{number:02}", "1", "0"), PackageRecord(f"p{number:02}", "2", "0"))
        for number in range(15)
    )
    found = figure(replace(UNSAFE, changes=moved), Moves)
    assert (len(found.drawing.rows), found.caption) == (12, "Left out here: 3 more packages.")


def test_timeline_has_every_step_the_sign_off_and_the_way_back():
    found = figure(UNSAFE, Timeline)
    assert [(stop.number, stop.detail) for stop in found.drawing.stops] == [
        ("1", "can be undone"),
        ("2", ""),
        ("3", ""),
        ("", "only then:"),
        ("+1", ""),
    ]
    assert found.drawing.back == ("Remove base-py310; base was never touched",)
    long = replace(MIGRATION, steps=tuple(Step(f"s{n}", "k", f"Step {n}") for n in range(60)))
    assert len(figure(replace(UNSAFE, migration=long), Timeline).drawing.stops) == 62


def test_a_size_that_is_not_known_has_no_bar():
    found = figure(UNSAFE, Bars)
    assert [(bar.value, bar.text) for bar in found.drawing.bars] == [
        (41_000_000, "41.0 MB (41000000 bytes)"),
        (None, "not known"),
    ]
    (panel,) = svg.draw(found.drawing)
    assert len([element for element in ET.fromstring(panel).iter("rect") if "bar" in element.get("class")]) == 1


@pytest.mark.parametrize("name", ALL)
def test_every_picture_is_well_formed_and_inside_its_frame(name):
    for found in figures(ALL[name]):
        for panel in svg.draw(found.drawing):
            _inside(ET.fromstring(panel))


def _inside(tree):
    _, _, width, height = map(float, tree.get("viewBox").split())
    for element in tree.iter():
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        assert x >= 0
        assert x + float(element.get("width", 0)) <= width
        assert y + float(element.get("height", 0)) <= height
        if element.tag == "text" and element.get("text-anchor") is None:
            assert x + 0.5 * 13 * len(element.text or "") <= width or not (element.text or "").isascii()


@settings(max_examples=150)
@given(texts=st.lists(TEXT, min_size=3, max_size=3), value=st.none() | st.integers(min_value=0, max_value=10**15))
def test_any_text_makes_a_well_formed_picture(texts, value):
    a, b, c = texts
    drawings = (
        Radius(
            a,
            b,
            (Box(b, c), Box(c, a)),
            (Reached(Box(c, a), (Link(0, on_record=False), Link(1, on_record=True))),),
            (Box(a),),
        ),
        Moves((Move(a, b, c, "upgrade", "plain"),) * 7),
        Timeline((Stop("1", a, b), Stop("", c)), (b,)),
        Timeline((), (b,)),
        Bars((Bar(a, value, b),)),
    )
    for drawing in drawings:
        for panel in svg.draw(drawing):
            assert all(char.isprintable() for char in panel)
            _inside(ET.fromstring(panel))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_plans_have_pictures_of_usual_size(text):
    panels = [panel for found in figures(poisoned(UNSAFE, text)) for panel in svg.draw(found.drawing)]
    assert panels
    assert sum(map(len, panels)) < 60_000
