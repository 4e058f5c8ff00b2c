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
    assert config.custom_channels == (("x", "http://3"), ("y", "http://2"))
    assert [os.path.relpath(path, tmp_path) for path in config.files] == [
        "root/.condarc",
        "root/condarc.d/10.yaml",
        "root/condarc.d/20.yml",
        "home/.condarc",
        "prefix/.condarc",
        "own.yml",
    ]
    assert config.problems == ()


def test_a_file_found_twice_counts_where_it_is_weakest(places):
    path = write(places["home"] / ".condarc", "channels: [mine]\n")
    write(places["prefix"] / ".condarc", "channels: [theirs]\n")
    config = read(places, CONDARC=path)
    assert config.channels == ("theirs", "mine")
    assert len(config.files) == 2


def test_the_file_of_the_root_prefix_is_weaker_than_the_user_s_in_base_too(places):
    write(places["root"] / ".condarc", "channel_priority: strict\n")
    write(places["home"] / ".condarc", "channel_priority: disabled\n")
    root = str(places["root"])
    assert read_config(root, root, {}, str(places["home"])).channel_priority == "disabled"


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


def test_a_final_setting_ends_the_search(places):
    write(
        places["root"] / ".condarc",
        "channel_priority: strict  #!final\nchannels: [a, b]  #!final\npinned_packages:  #!final\n  - numpy 1.*\n"
        "custom_channels:\n  x: http://1  #!final\n  y: http://1\n",
    )
    write(
        places["home"] / ".condarc",
        "channel_priority: disabled\nchannels: [c]\npinned_packages: [scipy]\ncustom_channels: {x: http://2, y: http://2}\n",
    )
    config = read(places, CONDA_CHANNEL_PRIORITY="flexible", CONDA_CHANNELS="d")
    assert (config.channel_priority, config.channels, config.pinned_packages) == ("strict", ("a", "b"), ("numpy 1.*",))
    assert config.custom_channels == (("x", "http://1"), ("y", "http://2"))
    assert config.problems == ()


def test_entries_at_the_top_and_at_the_bottom_stay_there(places):
    write(places["root"] / ".condarc", "channels:\n  - first  #!top\n  - a\n  - last #!bottom\n  - lowest #!bottom\n")
    write(places["home"] / ".condarc", "channels:\n  - b\n  - second #!top\n  - last but one #!bottom\n")
    assert read(places).channels == ("first", "second", "b", "a", "last but one", "last", "lowest")


def test_a_comment_that_is_no_flag_is_none(places):
    write(
        places["root"] / ".condarc", "channels:  # not final\n  - a  # top of the list\n  - 'b #!top'\n  - c #! top\n"
    )
    write(places["home"] / ".condarc", "channels: [z]\n")
    assert read(places).channels == ("z", "a", "b #!top", "c")


def test_important_variables(places):
    config = read(places, CONDA_CHANNEL_PRIORITY="strict!important", CONDA_CHANNELS="a!important,b")
    assert (config.channel_priority, config.channels) == ("strict", ("a", "b"))


def test_a_pin_that_cannot_be_read_is_named_and_the_others_hold(places):
    path = write(places["root"] / ".condarc", "pinned_packages: ['numpy@1', 'scipy 1.5*']\n")
    config = read(places)
    assert config.pinned_packages == ("scipy 1.5.*",)
    (problem,) = config.problems
    assert (problem.path, problem.consequence) == (path, "this pin is not applied")
    assert "write numpy=1" in problem.what


def test_solver(places):
    write(places["root"] / ".condarc", "experimental_solver: classic\n")
    assert read(places).solver == "classic"
    assert read(places, CONDA_SOLVER="libmamba").solver == "libmamba"


def test_priorities_that_conda_does_not_know_are_problems(places):
    write(places["root"] / ".condarc", "channel_priority: 1\n")
    config = read(places)
    assert config.channel_priority == "flexible"
    assert [problem.what for problem in config.problems] == [
        "channel_priority has a value of the wrong kind (a number or a date)"
    ]


# --------------------------------------------------------------------------------------------------------------------
# mamba


def read_mamba(places, **environ):
    return read_config(str(places["root"]), str(places["prefix"]), environ, str(places["home"]), "mamba")


def test_mamba_reads_its_own_files_beside_conda_s(places):
    write(places["root"] / ".condarc", "channels: [root]\nchannel_priority: strict\n")
    write(places["root"] / ".mambarc", "channels: [root's mamba]\n")
    write(places["home"] / ".condarc", "channels: [conda's]\n")
    write(places["home"] / ".config" / "mamba" / "mambarc.d" / "a.yml", "channels: [folder]\n")
    write(places["home"] / ".mambarc", "channels: [mine]\nplatform: win-64\nsubdir: osx-64\n")
    write(places["prefix"] / ".condarc", "channels: [prefix]\n")
    config = read_mamba(places)
    assert config.channels == ("prefix", "mine", "folder", "conda's", "root's mamba", "root")
    assert (config.channel_priority, config.subdir) == ("strict", "win-64")
    assert read(places).channels == ("prefix", "conda's", "root")


@pytest.mark.parametrize("variable", ["MAMBARC", "CONDARC"])
def test_a_file_named_to_mamba_is_all_that_it_reads(places, tmp_path, variable):
    write(places["home"] / ".condarc", "channels: [mine]\n")
    own = write(tmp_path / "own.yml", "channels: [own]\n")
    config = read_mamba(places, **{variable: own})
    assert (config.channels, config.files) == (("own",), (own,))


def test_mamba_has_variables_of_its_own(places):
    environ = {
        "MAMBA_CHANNEL_PRIORITY": "disabled",
        "CONDA_CHANNEL_PRIORITY": "strict",
        "MAMBA_PINNED_PACKAGES": "numpy 1.*, scipy",
        "CONDA_PINNED_PACKAGES": "pandas",
        "MAMBA_CHANNELS": "not read",
        "CONDA_CHANNELS": "a,b",
        "CONDA_SUBDIR": "win-64",
        "MAMBA_ROOT_PREFIX": "/somewhere",
    }
    config = read_mamba(places, **environ)
    assert (config.channel_priority, config.pinned_packages) == ("disabled", ("numpy 1.*", "scipy"))
    assert (config.channels, config.subdir, config.problems) == (("a", "b"), "win-64", ())


def test_an_empty_file_says_nothing(places):
    path = write(places["root"] / ".condarc", "# only a comment\n")
    config = read(places)
    assert config.files == (path,)
    assert config.channels == Config().channels
