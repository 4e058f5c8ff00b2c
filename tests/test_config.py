"""Configuration as conda reads it: where it is, which file wins, and what is said of a file that cannot be read."""

import os

import pytest

from planner import config_files
from planner.config import DEFAULT_CHANNELS_UNIX, Config, read_config
from planner.config_files import search_path


@pytest.fixture
def places(tmp_path):
    """Folders of a root prefix, a target prefix and a home, all empty."""
    made = {name: tmp_path / name for name in ("root", "prefix", "home")}
    for folder in made.values():
        folder.mkdir()
    return made


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(places, **environ):
    return read_config(str(places["root"]), str(places["prefix"]), environ, str(places["home"]))


@pytest.fixture(autouse=True)
def _no_system_files(monkeypatch):
    """What an administrator configured for every conda of this machine is not part of these tests."""
    monkeypatch.setattr(config_files, "_SYSTEM_FOLDERS", ())


def test_nothing_configured_means_condas_defaults(places):
    config = read(places)
    assert config.channels == ("defaults",)
    assert config.default_channels == DEFAULT_CHANNELS_UNIX
    assert config.channel_alias == "https://conda.anaconda.org"
    assert config.channel_priority == "flexible"
    assert config.aggressive_update_packages == ("ca-certificates", "certifi", "openssl")
    assert (config.auto_update_conda, config.add_pip_as_python_dependency, config.offline) == (True, True, False)
    assert config.pkgs_dirs == (str(places["root"] / "pkgs"), str(places["home"] / ".conda" / "pkgs"))
    assert config.envs_dirs == (str(places["root"] / "envs"), str(places["home"] / ".conda" / "envs"))
    assert (config.pinned_packages, config.subdir, config.problems, config.files) == ((), None, (), ())


def test_order_of_search():
    environ = {"XDG_CONFIG_HOME": "/xdg", "CONDARC": "~/mine.yml"}
    found = list(search_path("/root", "/prefix", environ, "/home/u"))
    without_systems = found[found.index("/root/.condarc") :]
    assert without_systems == [
        "/root/.condarc",
        "/root/condarc",
        "/root/condarc.d",
        "/xdg/conda/.condarc",
        "/xdg/conda/condarc",
        "/xdg/conda/condarc.d",
        "/home/u/.config/conda/.condarc",
        "/home/u/.config/conda/condarc",
        "/home/u/.config/conda/condarc.d",
        "/home/u/.conda/.condarc",
        "/home/u/.conda/condarc",
        "/home/u/.conda/condarc.d",
        "/home/u/.condarc",
        "/prefix/.condarc",
        "/prefix/condarc",
        "/prefix/condarc.d",
        "/home/u/mine.yml",
    ]


def test_later_files_win_and_their_lists_come_first(places, tmp_path):
    write(
        places["root"] / ".condarc",
        "channels: [a, b]\nchannel_priority: disabled\ncustom_channels: {x: http://1, y: http://2}\n",
    )
    write(places["root"] / "condarc.d" / "20.yml", "channels: [d20]\n")
    write(places["root"] / "condarc.d" / "10.yaml", "channels: [d10]\n")
    write(places["root"] / "condarc.d" / "notes.txt", "channels: [no]\n")
    write(places["home"] / ".condarc", "channels: [c, a]\nchannel_priority: strict\ncustom_channels: {x: http://3}\n")
    write(places["prefix"] / ".condarc", "channels: [p]\n")
    own = write(tmp_path / "own.yml", "channels: [q]\n")
    config = read(places, CONDARC=own)
    assert config.channels == ("q", "p", "c", "a", "d20", "d10", "b")
    assert config.channel_priority == "strict"
    assert config.custom_channels == (("pkgs/pro", "https://repo.anaconda.com"), ("x", "http://3"), ("y", "http://2"))
    assert [os.path.relpath(path, tmp_path) for path in config.files] == [
        "root/.condarc",
        "root/condarc.d/10.yaml",
        "root/condarc.d/20.yml",
        "home/.condarc",
        "prefix/.condarc",
        "own.yml",
    ]
    assert config.problems == ()


def test_a_file_found_twice_counts_where_it_is_strongest(places):
    path = write(places["home"] / ".condarc", "channels: [mine]\n")
    write(places["prefix"] / ".condarc", "channels: [theirs]\n")
    config = read(places, CONDARC=path)
    assert config.channels == ("mine", "theirs")
    assert config.files[-1] == path
    assert len(config.files) == 2


def test_variables_win(places):
    write(
        places["root"] / ".condarc",
        "channels: [a]\nchannel_priority: strict\nsubdir: linux-64\noffline: false\n"
        "pinned_packages: ['python 3.10.*']\npkgs_dirs: [/file/pkgs]\nenvs_dirs: [/file/envs]\n",
    )
    config = read(
        places,
        CONDA_CHANNELS="x, y",
        CONDA_CHANNEL_PRIORITY="false",
        CONDA_SUBDIR="win-64",
        CONDA_OFFLINE="1",
        CONDA_PINNED_PACKAGES="numpy 1.*&scipy",
        CONDA_PKGS_DIRS="/var/pkgs",
        CONDA_ENVS_PATH=os.pathsep.join(["/one", "~/two"]),
        CONDA_AUTO_UPDATE_CONDA="no",
        CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY="False",
        CONDA_AGGRESSIVE_UPDATE_PACKAGES="openssl",
        CONDA_PREFIX="/somewhere",
        CONDA_EXE="/somewhere/bin/conda",
    )
    assert config.channels == ("x", "y", "a")
    assert config.channel_priority == "disabled"
    assert config.subdir == "win-64"
    assert config.offline
    assert config.pinned_packages == ("numpy 1.*", "scipy", "python 3.10.*")
    assert config.pkgs_dirs == ("/var/pkgs", "/file/pkgs")
    assert config.envs_dirs == (
        "/one",
        str(places["home"] / "two"),
        "/file/envs",
        str(places["root"] / "envs"),
        str(places["home"] / ".conda" / "envs"),
    )
    assert (config.auto_update_conda, config.add_pip_as_python_dependency) == (False, False)
    assert config.aggressive_update_packages == ("openssl",)
    assert config.problems == ()


def test_a_variable_set_to_nothing_is_not_set(places):
    write(places["root"] / ".condarc", "channel_priority: strict\nchannels: [a]\n")
    config = read(places, CONDA_CHANNEL_PRIORITY="", CONDA_CHANNELS="", CONDA_OFFLINE="")
    assert (config.channel_priority, config.channels, config.problems) == ("strict", ("a",), ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("strict", "strict"),
        ("Flexible", "flexible"),
        ("true", "flexible"),
        ("false", "disabled"),
        ("disabled", "disabled"),
    ],
)
def test_channel_priority_in_its_old_and_new_forms(places, written, meant):
    write(places["root"] / ".condarc", f"channel_priority: {written}\n")
    assert read(places).channel_priority == meant


def test_an_empty_list_of_aggressive_updates_is_meant(places):
    write(places["root"] / ".condarc", "aggressive_update_packages: []\n")
    assert read(places).aggressive_update_packages == ()


def test_variables_in_values_are_expanded(places):
    write(
        places["root"] / ".condarc",
        "channels: ['https://u:${WORD}@h.example/c', $UNSET/d]\nchannel_alias: https://$HOST/api/\n"
        "custom_multichannels: {all: [$HOST/a, b]}\n",
    )
    config = read(places, WORD="pw", HOST="h.example")
    assert config.channels == ("https://u:pw@h.example/c", "$UNSET/d")
    assert config.channel_alias == "https://h.example/api"
    assert config.custom_multichannels == (("all", ("h.example/a", "b")),)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("channels: [a\nb: c\n", "it is not valid YAML at line 2, column 2"),
        ("- a\n- b\n", "it is not a list of `name: value` settings"),
        ("channels: !!python/object/apply:os.system ['true']\n", "it is not valid YAML at line 1"),
        (b"channels: [\xff]\n", "it is not UTF-8 (byte 11)"),
    ],
)
def test_a_broken_file_is_named_and_the_rest_counts(places, text, what):
    path = places["home"] / ".condarc"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    write(places["root"] / ".condarc", "channels: [good]\n")
    config = read(places)
    assert config.channels == ("good",)
    (problem,) = config.problems
    assert problem.path == str(path)
    assert problem.what.startswith(what)
    assert problem.consequence == "its settings were left out, the other configuration files count"


def test_a_file_that_may_not_be_read(places):
    path = write(places["root"] / ".condarc", "channels: [a]\n")
    os.chmod(path, 0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    (problem,) = read(places).problems
    assert (problem.path, problem.what) == (path, "it cannot be read: Permission denied")


def test_settings_of_the_wrong_kind_are_left_out_without_quoting_them(places):
    path = write(
        places["root"] / ".condarc",
        "channels: https://u:secret@h/c\nchannel_priority: sometimes\noffline: perhaps\ncustom_channels: [a]\n",
    )
    config = read(places)
    assert (config.channels, config.channel_priority, config.offline) == (("defaults",), "flexible", False)
    assert {problem.path for problem in config.problems} == {path}
    assert sorted(problem.what for problem in config.problems) == [
        "channel_priority has a value of the wrong kind (a text)",
        "channels has a value of the wrong kind (a text)",
        "custom_channels has a value of the wrong kind (a list)",
        "offline has a value of the wrong kind (a text)",
    ]


def test_flags_that_are_not_understood_are_said(places):
    path = write(places["root"] / ".condarc", "channels:\n  - a  #!top\n  - b\nchannel_priority: strict #!final\n")
    config = read(places)
    assert config.channels == ("a", "b")
    assert [(problem.path, problem.what) for problem in config.problems] == [
        (path, "the flag '#!final' is not understood here"),
        (path, "the flag '#!top' is not understood here"),
    ]


def test_an_empty_file_says_nothing(places):
    path = write(places["root"] / ".condarc", "# only a comment\n")
    config = read(places)
    assert config.files == (path,)
    assert config.channels == Config().channels
