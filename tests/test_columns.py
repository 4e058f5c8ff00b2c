"""Text in columns: nothing wider than its column, nothing lost, nothing beside its place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from planner.render.columns import cells, fitted, side_by_side, wrapped

WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P"]) | st.sampled_from("日本e\u0301"), max_size=30))


@given(words=WORDS, width=st.integers(2, 60))
def test_a_text_is_broken_between_words_and_nothing_of_it_is_lost(words, width):
    text = " ".join(filter(None, words))
    lines = wrapped(text, width)
    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())
    if all(cell_len(word) <= width for word in words):
        assert [word for line in lines for word in line.split()] == text.split()
        # No word would have found room on the line before.
        for line, following in pairwise(lines):
            assert cell_len(line) + 1 + cell_len(following.split()[0]) > width


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("  ab cd", 5, ["  ab", "cd"]),
        ("abcdefgh ij kl", 4, ["abcd", "efgh", "ij", "kl"]),
        ("a abcdefg ij", 4, ["a", "abcd", "efg", "ij"]),
        ("日本語", 4, ["日本", "語"]),
        ("ab   cd", 4, ["ab", "cd"]),
    ],
)
def test_where_a_text_is_broken(text, width, lines):
    assert wrapped(text, width) == lines


def test_columns_stand_side_by_side():
    assert side_by_side(("one two", "日本語", "x"), (3, 6, 1), 2) == ["one  日本語  x", "two"]
    assert cells("日本語") == 6


def test_the_widest_column_gives_way_first():
    assert fitted([5, 20, 12], 30) == [5, 13, 12]
    assert fitted([5, 20, 12], 29) == [5, 12, 12]
    assert fitted([5, 20, 12], 28) == [5, 11, 12]
    assert fitted([1, 1_000_000], 40) == [1, 39]
    assert fitted([9, 9, 9], 6, 4) == [4, 4, 4]
    # No word is broken while another line can be.
    assert fitted([10, 12, 8], 26, words=[10, 6, 8]) == [10, 8, 8]
    assert fitted([10, 12, 8], 22, words=[10, 6, 8]) == [8, 6, 8]
