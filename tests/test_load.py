import json
import os
import random
import shutil
import time

import pytest

from planner.conda_meta import BadRecordError, decode, paths, python_metadata
from planner.load import load_environment, load_installation, record_files
from planner.model.installed import LoadProblem, PackageRecord, RecordFiles

SITE = "lib/python3.10/site-packages"
CHANNEL = "https://conda.anaconda.org/conda-forge"


def raw(name="numpy", version="1.26.4", build="py310h_0", **more):
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "channel": f"{CHANNEL}/linux-64",
        "subdir": "linux-64",
        "fn": f"{name}-{version}-{build}.conda",
        "url": f"{CHANNEL}/linux-64/{name}-{version}-{build}.conda",
        "depends": [],
        "constrains": [],
        "files": [],
        **more,
    }


def install(prefix, *records, **files):
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True, exist_ok=True)
    for record in records:
        (meta / f"{record['name']}-{record['version']}-{record['build']}.json").write_text(json.dumps(record))
    for name, text in files.items():
        (meta / name).write_text(text, encoding="utf-8")
    return prefix


def load(prefix):
    return load_environment("x", str(prefix))


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def record_of(**changes):
    return decode(json.dumps({key: value for key, value in raw(**changes).items() if value is not ...}).encode())


def problems_of(prefix):
    return [(os.path.basename(problem.path), problem.what, problem.consequence) for problem in load(prefix).problems]


# --------------------------------------------------------------------------------------------------------------------
# One record


def test_a_record_of_today():
    found = record_of(
        depends=["python >=3.10,<3.11.0a0"],
        constrains=["a <0a0"],
        build_number=4,
        timestamp=1707225917000,
        size=7009070,
        sha256="AB",
        md5="cd",
        license="MIT",
        noarch="python",
        track_features="",
        python_site_packages_path=SITE,
    )
    assert found == PackageRecord(
        name="numpy",
        version="1.26.4",
        build="py310h_0",
        build_number=4,
        channel=CHANNEL,
        subdir="linux-64",
        fn="numpy-1.26.4-py310h_0.conda",
        url=f"{CHANNEL}/linux-64/numpy-1.26.4-py310h_0.conda",
        depends=("python >=3.10,<3.11.0a0",),
        constrains=("a <0a0",),
        noarch="python",
        timestamp=1707225917000,
        size=7009070,
        sha256="ab",
        md5="cd",
        license="MIT",
        python_site_packages_path=SITE,
    )


def test_a_record_with_its_identity_alone():
    assert decode(b'{"name": "a", "version": "1", "build": "py27_3"}') == PackageRecord(
        name="a", version="1", build="py27_3", build_number=3, fn="a-1-py27_3.tar.bz2"
    )


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"channel": CHANNEL}, "channel", CHANNEL),
        ({"channel": f"{CHANNEL}/linux-64/"}, "channel", CHANNEL),
        ({"channel": f"{CHANNEL}/noarch", "subdir": "noarch"}, "channel", CHANNEL),
        ({"channel": "conda-forge"}, "channel", "conda-forge"),
        ({"channel": "conda-forge/linux-64"}, "channel", "conda-forge"),
        ({"channel": "https://u:p@h/t/SECRET/c/linux-64"}, "channel", "https://h/c"),
        ({"channel": "/t/SECRET/c/linux-64"}, "channel", "/c"),
        ({"channel": None}, "channel", CHANNEL),
        ({"channel": None, "url": None}, "channel", ""),
        (
            {"url": "https://u:p@h/t/SECRET/c/linux-64/a-1-0.conda?sig=SECRET#x"},
            "url",
            "https://h/c/linux-64/a-1-0.conda",
        ),
        ({"subdir": None}, "subdir", "linux-64"),
        ({"subdir": None, "url": None}, "subdir", "linux-64"),
        ({"subdir": None, "url": None, "channel": None, "noarch": "generic"}, "subdir", "noarch"),
        ({"subdir": None, "url": None, "channel": None, "platform": "win", "arch": "x86_64"}, "subdir", "win-64"),
        ({"fn": None}, "fn", "numpy-1.26.4-py310h_0.conda"),
        ({"fn": None, "url": None}, "fn", "numpy-1.26.4-py310h_0.tar.bz2"),
        ({"fn": "../../etc/passwd", "url": None}, "fn", "numpy-1.26.4-py310h_0.tar.bz2"),
        ({"noarch": True}, "noarch", "generic"),
        ({"noarch": False}, "noarch", None),
        ({"noarch": ""}, "noarch", None),
        ({"track_features": "a b,c"}, "track_features", ("a", "b", "c")),
        ({"track_features": ["a", "b"]}, "track_features", ("a", "b")),
        ({"features": ["a", "b"]}, "features", "a b"),
        ({"features": ""}, "features", None),
        ({"build_number": "7"}, "build_number", 7),
        ({"build_number": None, "build": "h123_9_cpython"}, "build_number", 9),
        ({"build_number": None, "build": "main"}, "build_number", 0),
        ({"timestamp": 1538000000}, "timestamp", 1538000000000),
        ({"timestamp": 1538000000.5}, "timestamp", 1538000000000),
        ({"timestamp": "x", "size": "y"}, "timestamp", None),
        ({"size": True}, "size", None),
        ({"md5": None, "sha256": 3}, "sha256", None),
        ({"license": ["MIT"]}, "license", None),
        ({"depends": None, "constrains": None}, "depends", ()),
        ({"paths_data": 3, "files": "x", "link": []}, "name", "numpy"),
    ],
)
def test_what_old_tools_and_people_wrote(changes, field, expected):
    assert getattr(record_of(**changes), field) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b'{"name": "a", "files": ["x', "it is cut short: its JSON ends in the middle"),
        (b"not json", "it is not valid JSON: "),
        (b"[]", "it is no package record: Expected object, got array"),
        (b'{"version": "1", "build": "0"}', "it is no package record: Object missing required field name"),
        (b'{"name": "a", "version": 1, "build": "0"}', "it is no package record: Expected str, got int - at $.version"),
        (b'{"name": "", "version": "1", "build": "0"}', "it is no package record: '' cannot be a name"),
        (b'{"name": "../a", "version": "1", "build": "0"}', "it is no package record: '../a' cannot be a name"),
        (b'{"name": "a", "version": "1 2", "build": "0"}', "it is no package record: '1 2' cannot be a version"),
        (b'{"name": "a", "version": "1", "build": "\\u001b["}', "it is no package record: '\\x1b[' cannot be a build"),
        (
            b'{"name": "a", "version": "1", "build": "0", "depends": "b"}',
            "it is no package record: Expected array | null, got str - at $.depends",
        ),
        (b'{"name": "\xff", "version": "1", "build": "0"}', "it is not UTF-8"),
        (b'{"name": "a", "x": ' + b"[" * 100_000, "its JSON is nested too deeply"),
    ],
)
def test_what_is_no_record(content, why):
    with pytest.raises(BadRecordError) as caught:
        decode(content)
    assert str(caught.value).startswith(why)


# --------------------------------------------------------------------------------------------------------------------
# Files of a record


def test_files_are_those_of_the_prefix_sorted():
    record = record_of()
    content = raw(
        files=["b", "Lib\\a", "b", ""], paths_data={"paths": [{"_path": "site-packages/a"}]}, link={"type": 1}
    )
    assert paths(json.dumps(content).encode(), record) == RecordFiles(("Lib/a", "b"))


def test_paths_data_stands_in_for_files():
    content = raw(files=None, paths_data={"paths": [{"_path": "b", "path_type": "softlink"}, {"_path": "a"}]})
    assert paths(json.dumps(content).encode(), record_of()) == RecordFiles(("a", "b"))


@pytest.mark.parametrize(("link", "known"), [({"type": 1}, True), (None, False)])
def test_no_files_at_all_are_believed_of_an_installer_only(link, known):
    assert paths(json.dumps(raw(link=link)).encode(), record_of()) == RecordFiles((), known=known)


def test_record_files_finds_the_file_under_another_name(tmp_path):
    install(tmp_path, raw(files=["a"]))
    meta = tmp_path / "conda-meta"
    (meta / "numpy-1.26.4-py310h_0.json").rename(meta / "numpy-renamed.json")
    (meta / "numpy-9-other.json").write_text(json.dumps(raw(version="9", files=["z"])))
    (meta / "numpy-cut.json").write_text('{"name')
    assert record_files(str(tmp_path), record_of()) == RecordFiles(("a",))


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("{"), pipe])
def test_record_files_that_cannot_be_read_are_unknown(tmp_path, spoil):
    install(tmp_path, raw(files=["a"]))
    spoil(tmp_path / "conda-meta" / "numpy-1.26.4-py310h_0.json")
    assert record_files(str(tmp_path), record_of()) == RecordFiles((), known=False)
    assert record_files(str(tmp_path / "nowhere"), record_of()) == RecordFiles((), known=False)


def test_record_files_stay_in_conda_meta(tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(raw(files=["a"])))
    install(tmp_path)
    record = PackageRecord("numpy", "1.26.4", "py310h_0", fn="../secret.conda")
    assert record_files(str(tmp_path), record).known is False


def test_the_python_metadata_of_a_record():
    content = raw(
        files=[
            f"{SITE}/a-1.dist-info/METADATA",
            f"{SITE}/a-1.dist-info/RECORD",
            f"{SITE}/a-1.dist-info/REQUESTED",
            f"{SITE}/b-1.dist-info/INSTALLER",
            f"{SITE}/c-1-py3.10.egg-info",
            f"{SITE}/d-1-py3.10.egg-info/PKG-INFO",
            f"{SITE}/e.egg/EGG-INFO/PKG-INFO",
            "Lib\\site-packages\\f-1.dist-info\\METADATA",
            "share/METADATA",
        ]
    )
    assert sorted(set(python_metadata(json.dumps(content).encode()))) == [
        "Lib/site-packages/f-1.dist-info",
        f"{SITE}/a-1.dist-info",
        f"{SITE}/c-1-py3.10.egg-info",
        f"{SITE}/d-1-py3.10.egg-info",
        f"{SITE}/e.egg/EGG-INFO",
    ]


# --------------------------------------------------------------------------------------------------------------------
# One environment


def test_an_environment(tmp_path):
    install(
        tmp_path,
        raw("python", "3.10.14", "h_0"),
        raw(),
        history="==> d <==\n# cmd: c\n# update specs: ['python=3.10', 'gone']\n",
        pinned="# a comment\n\nnumpy 1.26.*  # why\n python <3.11\n",
        frozen='{"message": "ask Ann"}',
        state='{"env_vars": {"B": "2", "A": "1", "C": "***unset***"}}',
    )
    found = load(tmp_path)
    assert found.problems == ()
    assert [record.name for record in found.records] == ["numpy", "python"]
    assert (found.name, found.prefix, found.subdir, found.python) == ("x", str(tmp_path), "linux-64", "3.10.14")
    assert found.history.specs == (("python", "python=3.10"),)
    assert found.pins == ("numpy 1.26.*", "python <3.11")
    assert found.frozen == "ask Ann"
    assert found.env_vars == (("A", "1"), ("B", "2"))


def test_an_environment_with_nothing_in_it(tmp_path):
    from planner.host import native_subdir

    found = load(install(tmp_path, history=""))
    assert (found.problems, found.records, found.dists, found.frozen) == ((), (), (), None)
    assert found.subdir == native_subdir()


@pytest.mark.parametrize("text", ["", "\n", "{}", '{"message": 3}', "[]"])
def test_frozen_without_a_message(tmp_path, text):
    found = load(install(tmp_path, frozen=text))
    assert (found.frozen, found.problems) == ("", ())


@pytest.mark.parametrize(
    ("name", "text", "what", "consequence"),
    [
        ("frozen", "stop", "it is not valid JSON", "the environment counts as frozen, without a message"),
        ("state", "{", "it is not valid JSON", "which variables activation sets is not known"),
        ("state", "[1]", "it does not hold an object with env_vars", "which variables activation sets is not known"),
        ("pinned", "!!!", "the spec '!!!' cannot be read: ", "this pin is not applied"),
        (
            "history",
            "# update specs: ['a'",
            "the line \"# update specs: ['a'\" cannot be read",
            "what it asks for is left out",
        ),
    ],
)
def test_side_files_that_make_no_sense(tmp_path, name, text, what, consequence):
    install(tmp_path, raw(), **{name: text})
    found = load(tmp_path)
    (problem,) = found.problems
    assert problem.path == str(tmp_path / "conda-meta" / name)
    assert problem.what.startswith(what)
    assert problem.consequence == consequence
    assert found.frozen == ("" if name == "frozen" else None)
    assert [record.name for record in found.records] == ["numpy"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path)])
@pytest.mark.parametrize("name", ["history", "pinned", "frozen", "state", "a-1-0.json"])
def test_what_is_no_file_blocks_nothing(tmp_path, name, make):
    install(tmp_path, raw())
    make(str(tmp_path / "conda-meta" / name))
    found = load(tmp_path)
    assert [record.name for record in found.records] == ["numpy"]
    (problem,) = found.problems
    assert problem.path == str(tmp_path / "conda-meta" / name)
    assert problem.what.startswith(("it is a ", "it cannot be read: "))


def test_a_history_in_an_old_encoding_keeps_its_specs(tmp_path):
    install(tmp_path, raw())
    text = "==> d <==\n# cmd: C:\\Users\\J\xfcrgen\n# update specs: ['numpy']\n"
    (tmp_path / "conda-meta" / "history").write_bytes(text.encode("latin-1"))
    found = load(tmp_path)
    assert (found.history.specs, found.problems) == ((("numpy", "numpy"),), ())


def test_a_pinned_file_that_is_not_utf8(tmp_path):
    install(tmp_path, raw())
    (tmp_path / "conda-meta" / "pinned").write_bytes(b"numpy \xff")
    assert problems_of(tmp_path) == [("pinned", "it is not UTF-8 (byte 6)", "pins are not applied")]


def test_every_bad_record_is_named_and_none_stops_the_rest(tmp_path):
    install(tmp_path, raw(), **{"a-1-0.json": "{", "b-1-0.json": "[]", "c-1-0.json": ""})
    assert problems_of(tmp_path) == [
        ("a-1-0.json", "it is cut short: its JSON ends in the middle", "the package a-1-0 is left out"),
        ("b-1-0.json", "it is no package record: Expected object, got array", "the package b-1-0 is left out"),
        ("c-1-0.json", "it is empty", "the package c-1-0 is left out"),
    ]
    assert [record.name for record in load(tmp_path).records] == ["numpy"]


@pytest.mark.parametrize(
    ("one", "two", "kept"),
    [
        (("1.9", "h_0", 0), ("1.10", "a_0", 0), "1.10 a_0"),
        (("1.10", "a_1", 1), ("1.10", "z_0", 0), "1.10 a_1"),
        (("1.10", "a_0", 0), ("1.10", "b_0", 0), "1.10 b_0"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_records_of_one_name(tmp_path, one, two, kept, turned):
    records = [raw("a", version, build, build_number=number) for version, build, number in (one, two)]
    meta = install(tmp_path) / "conda-meta"
    for name, record in zip(("a-1.json", "a-2.json"), reversed(records) if turned else records, strict=True):
        (meta / name).write_text(json.dumps(record))
    found = load(tmp_path)
    assert [record.label for record in found.records] == [f"a {kept}"]
    (problem,) = found.problems
    assert problem.what.startswith("it is a second record of a, beside a-")
    assert problem.consequence == f"a {kept} is taken as installed; which of them really is, is not known"


def test_conda_meta_that_cannot_be_listed(tmp_path):
    consequence = "which packages are installed is not known"
    assert problems_of(tmp_path / "nowhere") == [
        ("conda-meta", "it cannot be read: No such file or directory", consequence)
    ]
    (tmp_path / "conda-meta").write_text("")
    assert problems_of(tmp_path)[0] == ("conda-meta", "it cannot be read: Not a directory", consequence)


def test_what_another_user_may_not_read(open_tmp, unprivileged):
    from planner.host import native_subdir

    native_subdir()  # what loading imports late must be there before the user changes
    install(open_tmp, raw(), raw("other", "1", "0"))
    locked = open_tmp / "conda-meta" / "other-1-0.json"
    with unprivileged(locked):
        found = load(open_tmp)
    assert [record.name for record in found.records] == ["numpy"]
    assert found.problems == (
        LoadProblem(str(locked), "it cannot be read: Permission denied", "the package other-1-0 is left out"),
    )
    with unprivileged(open_tmp / "conda-meta"):
        found = load(open_tmp)
    assert found.records == ()
    assert [problem.what for problem in found.problems][:1] == ["it cannot be read: Permission denied"]


def test_the_platform_is_that_of_most_records(tmp_path):
    install(
        tmp_path,
        raw("a", subdir="noarch"),
        raw("b", subdir="noarch"),
        raw("c", subdir="noarch"),
        raw("d", subdir="osx-arm64"),
        raw("e", subdir="osx-arm64"),
        raw("f", subdir="linux-64"),
        raw("g", subdir="mars-64"),
        raw("h", subdir="mars-64"),
        raw("i", subdir="mars-64"),
    )
    assert load(tmp_path).subdir == "osx-arm64"


def dist_info(prefix, stem, installer):
    folder = prefix / SITE / f"{stem}.dist-info"
    folder.mkdir(parents=True)
    name, version = stem.split("-")
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (folder / "INSTALLER").write_text(installer)
    return f"{SITE}/{folder.name}"


def test_who_owns_a_distribution(tmp_path):
    metadata = {stem: dist_info(tmp_path, stem, who) for stem, who in [
        ("listed-1", "conda"), ("cut-1", "conda"), ("unlisted-1", "conda"), ("stale-0", "conda"), ("pip-1", "pip"),
    ]}  # fmt: skip
    install(
        tmp_path,
        raw("listed", "1", "0", files=[f"{metadata['listed-1']}/METADATA"]),
        raw("unlisted", "1", "0"),
        raw("stale", "1", "0"),
        raw("pip", "1", "0"),
        **{"py-cut-1-0.json": f'{{"name": "py-cut", "files": ["{metadata["cut-1"]}/RECORD", "lib'},
    )
    found = load(tmp_path)
    assert {dist.name: dist.owner for dist in found.dists} == {
        "listed": "listed",
        "cut": "py-cut",
        "unlisted": "unlisted",
        "stale": None,
        "pip": None,
    }


# --------------------------------------------------------------------------------------------------------------------
# Fingerprints


def test_the_fingerprint_does_not_depend_on_the_order_of_files(tmp_path):
    records = [raw(f"p{number}", sha256=f"{number}") for number in range(30)]
    one, two = tmp_path / "one", tmp_path / "two"
    install(one, *records)
    random.Random(1).shuffle(records)  # noqa: S311 -- an order, no secret
    install(two, *records)
    for stem in ("a-1", "b-2"):
        dist_info(one, stem, "pip")
    for stem in ("b-2", "a-1"):
        dist_info(two, stem, "pip")
    assert load(one).fingerprint == load(two).fingerprint
    assert load(one).fingerprint.startswith("sha256:")


@pytest.mark.parametrize("change", [{"version": "2"}, {"build": "z_0"}, {"sha256": "ff"}])
def test_the_fingerprint_changes_with_a_record(tmp_path, change):
    before = load(install(tmp_path / "a", raw(sha256="aa"))).fingerprint
    assert load(install(tmp_path / "b", raw(**{"sha256": "aa", **change}))).fingerprint != before


def test_the_fingerprint_changes_with_a_distribution(tmp_path):
    install(tmp_path, raw())
    before = load(tmp_path).fingerprint
    dist_info(tmp_path, "a-1", "pip")
    assert load(tmp_path).fingerprint != before


# --------------------------------------------------------------------------------------------------------------------
# Installations


def test_an_installation_is_loaded_base_first_then_by_prefix(tmp_path):
    prefixes = [("z", tmp_path / "envs" / "a"), ("base", tmp_path), ("a", tmp_path / "envs" / "z")]
    for _, prefix in prefixes:
        install(prefix, raw())
    told = []
    found = load_installation(str(tmp_path), [(name, str(prefix)) for name, prefix in prefixes], told.append)
    assert [environment.name for environment in found.environments] == ["base", "z", "a"]
    assert told == [f"reading environment {name} ({n} of 3)" for n, name in enumerate(("base", "z", "a"), 1)]
    assert (found.root, found.problems) == (str(tmp_path), ())


def test_an_envs_folder_that_may_not_be_listed(open_tmp, unprivileged):
    install(open_tmp, raw())
    (open_tmp / "envs").mkdir()
    with unprivileged(open_tmp / "envs"):
        found = load_installation(str(open_tmp), [("base", str(open_tmp))])
    assert found.problems == (
        LoadProblem(
            str(open_tmp / "envs"),
            "it cannot be read: Permission denied",
            "which environments lie in it is not known",
        ),
    )


# --------------------------------------------------------------------------------------------------------------------
# Real ones


@pytest.mark.parametrize(
    ("prefix", "records", "subdir", "python", "history"),
    [
        (
            "linux-base-py312",
            76,
            "linux-64",
            "3.12.7",
            {
                "anaconda-anon-usage": "anaconda-anon-usage",
                "conda": "conda==24.9.2",
                "conda-content-trust": "conda-content-trust",
                "conda-libmamba-solver": "conda-libmamba-solver",
                "menuinst": "menuinst",
                "pip": "pip",
                "python": "python=3.12",
                "setuptools": "setuptools",
                "wheel": "wheel",
            },
        ),
        ("linux-base-py312/envs/env-py310", 22, "linux-64", "3.10.15", {"python": "python=3.10"}),
        ("linux-base-py39", 38, "linux-64", "3.9.5", {"conda": "conda", "python": "python=3.9"}),
        ("linux-base-py39/envs/py37", 20, "linux-64", "3.7.11", {"python": "python=3.7"}),
        (
            "win-base-py310",
            44,
            "win-64",
            "3.10.11",
            {
                "conda": "conda",
                "conda-content-trust": "conda-content-trust",
                "console_shortcut_miniconda": "console_shortcut_miniconda",
                "menuinst": "menuinst",
                "pip": "pip",
                "powershell_shortcut_miniconda": "powershell_shortcut_miniconda",
                "python": "python=3.10",
                "setuptools": "setuptools",
                "wheel": "wheel",
            },
        ),
        ("win-py38-pip74", 28, "win-64", "3.8.20", {"numpy": "numpy", "pandas": "pandas", "python": "python=3.8"}),
        (
            "win-torch1131",
            53,
            "win-64",
            "3.7.1",
            # pytorch was asked for too, but its record is missing in this prefix
            {"cudatoolkit": "cudatoolkit=10.1", "cudnn": "cudnn", "python": "python=3.7", "torchvision": "torchvision"},
        ),
        (
            "linux-torch251-cu121",
            509,
            "linux-64",
            "3.10.16",
            {
                **{
                    name: name
                    for name in [
                        "fasteners",
                        "jupyterlab",
                        "matplotlib",
                        "numpy",
                        "pip",
                        "plotly_express",
                        "python-kaleido",
                        "pyyaml",
                        "randomname",
                        "ray-all",
                        "scikit-learn",
                        "setuptools",
                        "snakeviz",
                        "streamlit",
                        "wandb",
                        "pytorch",
                        "torchaudio",
                        "torchvision",
                    ]
                },
                "python": "python=3.10",
                "pytorch-cuda": "pytorch-cuda=12.1",
            },
        ),
    ],
)
def test_the_real_installations(real_data, prefix, records, subdir, python, history):
    found = load_environment("x", str(real_data / "installations" / prefix))
    assert found.problems == ()
    assert len(found.records) == records
    assert (found.subdir, found.python) == (subdir, python)
    assert dict(found.history.specs) == history
    assert not {record.channel for record in found.records} - {
        "https://repo.anaconda.com/pkgs/main",
        "https://conda.anaconda.org/conda-forge",
        "https://conda.anaconda.org/nvidia",
        "https://conda.anaconda.org/pytorch",
    }
    assert all(record.fn and record.url.endswith(record.fn) for record in found.records)


def test_an_environment_made_from_a_file_of_exact_specs(real_data):
    found = load_environment("x", str(real_data / "installations" / "linux-base-py312" / "envs" / "env-py39"))
    assert len(found.records) == 29
    specs = dict(found.history.specs)
    assert specs["blas"] == "blas 1.0 mkl"
    assert {record.name for record in found.records} - set(specs) == {"numpy", "tzdata"}


def test_the_files_of_a_real_record(real_data):
    prefix = str(real_data / "installations" / "win-torch1131")
    six = load_environment("x", prefix).record("six")
    assert six is not None
    files = record_files(prefix, six)
    # Its own list says Lib/site-packages, its paths_data site-packages.
    assert files.known
    assert "Lib/site-packages/six.py" in files.paths
    assert not any(path.startswith("site-packages/") for path in files.paths)


def test_records_completed_by_hand_have_no_known_files(real_data):
    prefix = str(real_data / "installations" / "linux-torch251-cu121")
    found = load_environment("x", prefix)
    unknown = [record.name for record in found.records if not record_files(prefix, record).known]
    assert unknown == [
        "cupy-core",
        "mathjax",
        "pandas",
        "plotly",
        "pytorch",
        "qt6-main",
        "ray-core",
        "statsmodels",
        "sympy",
    ]


def test_the_real_cut_records(real_data, tmp_path):
    bad = real_data / "bad"
    good = real_data / "installations" / "linux-base-py312" / "envs" / "env-py310" / "conda-meta"
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    for path in [*bad.glob("*.json"), *good.glob("*.json")]:
        shutil.copyfile(path, meta / path.name)
    found = load(tmp_path)
    assert len(found.records) == 22
    assert found.problems == tuple(
        LoadProblem(
            str(meta / f"{stem}.json"),
            "it is cut short: its JSON ends in the middle",
            f"the package {stem} is left out",
        )
        for stem in ("pandas-2.2.3-py310h5eaa309_1", "pytorch-2.5.1-py3.10_cuda12.1_cudnn9.1.0_0")
    )


def test_five_hundred_records_are_loaded_in_well_under_a_second(real_data):
    prefix = str(real_data / "installations" / "linux-torch251-cu121")
    load_environment("x", prefix)  # what is imported late
    times = []
    for _ in range(3):
        start = time.process_time()  # of this process alone, whatever else the machine does
        load_environment("x", prefix)
        times.append(time.process_time() - start)
    assert min(times) < 0.8
