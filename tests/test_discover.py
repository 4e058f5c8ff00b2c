import os
import re

import pytest

from planner import discover
from planner.errors import InputError


@pytest.fixture(autouse=True)
def no_usual_places(monkeypatch):
    """The machine that runs the tests may well have a conda of its own."""
    monkeypatch.setattr(discover, "USUAL_PLACES", tuple(p for p in discover.USUAL_PLACES if p.startswith("~")))


def make(*paths):
    for path in paths:
        (path / "conda-meta").mkdir(parents=True)


def make_root(path, *envs):
    make(path, *(path / "envs" / name for name in envs))
    return path


def find(environ, home, explicit=None):
    return discover.find_root(explicit, {key: str(value) for key, value in environ.items()}, str(home))


def test_explicit_root_wins_and_may_start_at_home(tmp_path):
    root = make_root(tmp_path / "home" / "mine")
    other = make_root(tmp_path / "other")
    assert find({"CONDA_EXE": other / "bin" / "conda"}, tmp_path / "home", "~/mine") == str(root)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ((), "there is no folder {path};"),
        (("bin",), "{path} has no conda-meta folder;"),
        (("envs/x",), "{path} has no conda-meta folder;"),
    ],
)
def test_explicit_root_that_is_none(tmp_path, made, expected):
    path = tmp_path / "root"
    for folder in made:
        (path / folder).mkdir(parents=True)
    make_root(tmp_path / "miniconda3")
    with pytest.raises(InputError) as caught:
        find({}, tmp_path, str(path))
    assert expected.format(path=path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_explicit_root_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is not a folder"):
        find({}, tmp_path, str(tmp_path / "file"))


def test_a_micromamba_root_without_a_base(tmp_path):
    root = tmp_path / "mm"
    make(root / "envs" / "a")
    assert find({"MAMBA_ROOT_PREFIX": root}, tmp_path) == str(root)
    assert discover.environment_prefixes(str(root)) == (("a", str(root / "envs" / "a")),)
    with pytest.raises(InputError, match=r"has no base environment: .* there are: a$"):
        discover.resolve_environment(str(root), "base")


def test_the_order_of_the_places(tmp_path):
    home = tmp_path / "home"
    exe, active, mamba, noted, usual = (
        make_root(path, "e")
        for path in (
            tmp_path / "exe",
            tmp_path / "active",
            tmp_path / "mamba",
            tmp_path / "noted",
            home / "miniforge3",
        )
    )
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"/gone/envs/x\n{noted}/envs/e\n")
    environ = {"CONDA_EXE": exe / "bin" / "conda", "CONDA_PREFIX": active / "envs" / "e", "MAMBA_ROOT_PREFIX": mamba}
    for expected in (exe, active, mamba):
        assert find(environ, home) == str(expected)
        environ.pop(next(iter(environ)))
    assert find(environ, home) == str(noted)
    (home / ".conda" / "environments.txt").unlink()
    assert find({"CONDA_EXE": tmp_path / "gone" / "bin" / "conda"}, home) == str(usual)


def test_conda_exe_may_be_a_link_from_elsewhere(tmp_path):
    root = make_root(tmp_path / "conda")
    (root / "bin").mkdir()
    (root / "bin" / "conda").write_text("")
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "conda").symlink_to(root / "bin" / "conda")
    assert find({"CONDA_EXE": tmp_path / "usr" / "bin" / "conda"}, tmp_path / "home") == str(root)


def test_an_active_environment_outside_any_installation_is_the_last_resort(tmp_path):
    lone = tmp_path / "data" / "lone"
    make(lone)
    assert find({"CONDA_PREFIX": lone}, tmp_path / "home") == str(lone)
    root = make_root(tmp_path / "home" / "miniconda3")
    assert find({"CONDA_PREFIX": lone}, tmp_path / "home") == str(root)


def test_nothing_found_says_where_was_looked_and_what_to_do(tmp_path):
    with pytest.raises(InputError) as caught:
        find({}, tmp_path)
    message = str(caught.value)
    for place in (
        "CONDA_EXE",
        "CONDA_PREFIX",
        "MAMBA_ROOT_PREFIX",
        "~/.conda/environments.txt",
        "~/miniconda3",
        "--root",
    ):
        assert place in message
    assert message.count("CONDA_PREFIX") == 1


def test_prefixes_are_base_then_by_name_each_once(tmp_path):
    root = make_root(tmp_path / "root", "b", "a", "base")
    (root / "envs" / "no-prefix").mkdir()
    (root / "envs" / "alias").symlink_to(root / "envs" / "b")
    (root / "envs" / "loop").symlink_to(root / "envs" / "loop")
    elsewhere = tmp_path / "elsewhere"
    make(elsewhere / "a", elsewhere / "c")
    nested = root / "opt" / "nested"
    outside = tmp_path / "outside"
    make(nested, outside)
    home = tmp_path / "home"
    (home / ".conda").mkdir(parents=True)
    (home / ".conda" / "environments.txt").write_text(f"{root}/envs/a\n{nested}/\n{outside}\n\nrelative/path\n")
    found = discover.environment_prefixes(str(root), (str(elsewhere),), str(home))
    assert found == (
        ("base", str(root)),
        (str(elsewhere / "a"), str(elsewhere / "a")),
        (str(root / "envs" / "base"), str(root / "envs" / "base")),
        ("a", str(root / "envs" / "a")),
        ("b", str(root / "envs" / "b")),
        ("c", str(elsewhere / "c")),
        ("nested", str(nested)),
    )


def test_environments_txt_that_cannot_be_read(tmp_path):
    root = make_root(tmp_path / "root")
    (tmp_path / ".conda").mkdir()
    os.mkfifo(tmp_path / ".conda" / "environments.txt")
    assert discover.environment_prefixes(str(root), (), str(tmp_path)) == (("base", str(root)),)


def test_base_is_the_root_whatever_lies_in_it(tmp_path):
    root = make_root(tmp_path / "root", "base")
    assert discover.resolve_environment(str(root), "base") == ("base", str(root))


def test_names_are_looked_up_in_envs_then_in_envs_dirs(tmp_path):
    root = make_root(tmp_path / "root", "a")
    elsewhere = tmp_path / "home" / "envs"
    make(elsewhere / "a", elsewhere / "b")
    home = str(tmp_path / "home")
    assert discover.resolve_environment(str(root), "a", ("~/envs",), home) == ("a", str(root / "envs" / "a"))
    assert discover.resolve_environment(str(root), "b", ("~/envs",), home) == ("b", str(elsewhere / "b"))


def test_paths_are_prefixes(tmp_path, monkeypatch):
    root = make_root(tmp_path / "root", "a")
    lone = tmp_path / "lone"
    make(lone)
    monkeypatch.chdir(tmp_path)
    for text in (str(lone), f"{lone}/", "./lone", "~/lone"):
        assert discover.resolve_environment(str(root), text, (), str(tmp_path)) == ("lone", str(lone))
    monkeypatch.chdir(lone)
    assert discover.resolve_environment(str(root), ".") == ("lone", str(lone))
    assert discover.resolve_environment(str(root), str(root)) == ("base", str(root))
    assert discover.resolve_environment(str(root), str(root / "envs" / "a")) == ("a", str(root / "envs" / "a"))


def test_a_path_whose_name_is_taken_goes_by_its_path(tmp_path):
    root = make_root(tmp_path / "root", "a")
    make(tmp_path / "a")
    assert discover.resolve_environment(str(root), str(tmp_path / "a")) == (str(tmp_path / "a"),) * 2


def test_an_alias_is_the_environment_itself(tmp_path):
    root = make_root(tmp_path / "root", "real")
    (root / "envs" / "alias").symlink_to(root / "envs" / "real")
    assert discover.resolve_environment(str(root), "alias") == ("real", str(root / "envs" / "real"))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("torhc", "there is no environment 'torhc' in {root}; is it torch? There are: base, alpha, torch"),
        ("zzz", "there is no environment 'zzz' in {root}; there are: base, alpha, torch"),
        ("empty", "'empty' is no conda environment: {root}/envs/empty has no conda-meta folder"),
        ("./nowhere", "./nowhere is no conda environment: there is no folder "),
        (" ", "the name of the environment is empty; there are: base, alpha, torch"),
        ("a\0b/c", "is no conda environment: there is no folder "),
        ("C:\\envs\\x", "is no conda environment: there is no folder "),
    ],
)
def test_unknown_environments(tmp_path, env, message):
    root = make_root(tmp_path / "root", "alpha", "torch")
    (root / "envs" / "empty").mkdir()
    with pytest.raises(InputError, match=re.escape(message.format(root=root))):
        discover.resolve_environment(str(root), env)


def test_a_long_list_of_environments_is_cut(tmp_path):
    root = make_root(tmp_path / "root", *(f"e{number:02}" for number in range(20)))
    with pytest.raises(InputError, match=r"there are: base, e00, .*e10 and 9 more$"):
        discover.resolve_environment(str(root), "unlike")


def test_an_environment_that_may_not_be_looked_into_is_listed(open_tmp, unprivileged):
    root = make_root(open_tmp / "root", "secret")
    with unprivileged(root / "envs" / "secret"):
        assert discover.environment_prefixes(str(root)) == (
            ("base", str(root)),
            ("secret", str(root / "envs" / "secret")),
        )


def test_the_real_installations(real_data):
    folder = real_data / "installations" / "linux-base-py312"
    assert [name for name, _ in discover.environment_prefixes(str(folder))] == ["base", "env-py310", "env-py39"]
    assert find({"CONDA_PREFIX": folder / "envs" / "env-py39"}, "/nowhere") == str(folder)
    assert find({"CONDA_PREFIX": folder}, "/nowhere") == str(folder)
