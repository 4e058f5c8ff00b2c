import pytest

from planner.history import read_history, unreadable_lines
from planner.model.installed import History

ALL = {"a", "b", "c", "jupyter", "matplotlib", "numpy", "param", "python", "scipy"}


def fold(*lines, installed=ALL):
    return dict(read_history("\n".join(lines), installed).specs)


def block(*lines):
    return ("==> 2024-01-01 00:00:00 <==", "# cmd: conda install", "# conda version: 24.1.0", *lines)


@pytest.mark.parametrize("text", ["", "\n\n", "==> 2024-01-01 00:00:00 <==\n", "conda-forge::a-1-0\n", "no history"])
def test_files_without_a_wish(text):
    assert read_history(text, ALL) == History()
    assert unreadable_lines(text) == ()


@pytest.mark.parametrize("action", ["update", "install", "create"])
def test_words_that_ask(action):
    assert fold(*block(f"# {action} specs: ['python=3.10', 'numpy']")) == {"python": "python=3.10", "numpy": "numpy"}


@pytest.mark.parametrize("action", ["remove", "uninstall"])
def test_words_that_take_back(action):
    assert fold(*block("# update specs: ['a=1', 'b']"), *block(f"# {action} specs: ['a']")) == {"b": "b"}


def test_later_specs_override_earlier_ones():
    assert fold(*block("# install specs: ['a=1', 'b']"), *block("# update specs: ['a']")) == {"a": "a", "b": "b"}
    assert fold(
        *block("# install specs: ['a=1']"), *block("# remove specs: ['a']"), *block("# install specs: a=2")
    ) == {"a": "a=2"}


def test_neutered_specs_replace_what_was_asked_for():
    lines = block("# update specs: ['b']", "# neutered specs: ['a']")
    assert fold(*block("# update specs: ['a==1.0']"), *lines) == {"a": "a", "b": "b"}


def test_a_block_removes_before_it_updates():
    assert fold(*block("# update specs: ['a=2']", "# remove specs: ['a']")) == {"a": "a=2"}


def test_other_words_and_plain_comments_do_not_count():
    assert fold(*block("# unknown specs: ['a']", "# specs: ['a']", "# update: ['a']", "# a comment")) == {}


def test_lists_may_be_json_or_old_python():
    assert fold(*block("""# update specs: ["a=1", "b"]""")) == {"a": "a=1", "b": "b"}
    assert fold(*block("# update specs: [u'a=1', u'b']")) == {"a": "a=1", "b": "b"}
    assert fold(*block("""# update specs: ["numpy[version='>=1,<2']"]""")) == {"numpy": "numpy >=1,<2"}


def test_specs_with_commas_as_before_conda_4_5():
    line = "# install specs: python>=3.5.1,jupyter >=1.0.0,<2.0,matplotlib >=1.5.1,<2.0,!=1.6"
    assert fold(*block(line)) == {
        "python": "python>=3.5.1",
        "jupyter": "jupyter >=1.0.0,<2.0",
        "matplotlib": "matplotlib >=1.5.1,<2.0,!=1.6",
    }
    assert fold(*block("# install specs: param >=1.5.1,<2.0")) == {"param": "param >=1.5.1,<2.0"}
    assert fold(*block("# install specs: a")) == {"a": "a"}
    assert fold(*block("# install specs:")) == {}


def test_specs_ending_in_at_are_dropped():
    assert fold(*block("# update specs: ['a@', 'b']")) == {"b": "b"}
    assert unreadable_lines("# update specs: ['a@', 'b']") == ()


def test_names_no_longer_installed_are_dropped():
    assert fold(*block("# update specs: ['a', 'gone']")) == {"a": "a"}


def test_channels_urls_and_case():
    specs = ["conda-forge::A=1", "https://host/c/linux-64/b-1.0-0.tar.bz2"]
    found = fold(*block(f"# update specs: {specs}"))
    assert found == {"a": "conda-forge::a 1.*", "b": "https://host/c/linux-64::b 1.0 0"}


def test_windows_line_ends_and_missing_command_lines():
    assert fold("==> d <==\r", "# update specs: ['a']\r") == {"a": "a"}
    assert fold("# update specs: ['a']") == {"a": "a"}


def test_the_second_line_of_a_kind_in_one_block_replaces_the_first():
    assert fold(*block("# update specs: ['a']", "# update specs: ['b']")) == {"b": "b"}


@pytest.mark.parametrize(
    "line",
    [
        "# update specs: ['a', 'b'",
        "# update specs: ['a', 3]",
        "# update specs: [print()]",
        "# update specs: a['x']",
        "# update specs: ['a', '!!!']",
        "# update specs: " + "[" * 5000,
    ],
)
def test_lines_that_cannot_be_read_are_named_and_stop_nothing(line):
    text = "\n".join([*block(line), *block("# update specs: ['c']")])
    assert unreadable_lines(text) == (line,)
    assert dict(read_history(text, ALL).specs)["c"] == "c"


def test_a_bad_spec_leaves_its_neighbours():
    assert fold(*block("# update specs: ['a', '!!!', 'b']")) == {"a": "a", "b": "b"}


def test_paths_in_a_list_do_not_warn():
    assert unreadable_lines("# update specs: ['a', 'C:\\pkgs\\d.conda']") != ()
