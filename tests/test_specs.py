"""Specs in the spellings that conda accepts: what each means, and that every engine is told just that."""

import pytest
import rattler
from hypothesis import given
from hypothesis import strategies as st

from planner import specs, versions
from planner.errors import BadSpec
from planner.model.installed import PackageRecord
from planner.spec_merge import merged

# What conda 26.7 makes of each spelling, in our form.
MEANINGS = [
    ("numpy", "numpy"),
    ("numpy=1.7", "numpy=1.7"),
    ("numpy 1.7*", "numpy 1.7.*"),
    ("numpy=1.7*", "numpy 1.7.*"),
    ("numpy 1.7.*", "numpy 1.7.*"),
    ("numpy[version='1.7*']", "numpy 1.7.*"),
    ("numpy[version=1.7.*]", "numpy 1.7.*"),
    ("numpy[version='=1.7']", "numpy 1.7.*"),
    ("numpy==1.7", "numpy==1.7"),
    ("numpy[version='1.7']", "numpy 1.7"),
    ("numpy[version=1.7]", "numpy 1.7"),
    ("numpy[version='1.7|1.8']", "numpy 1.7|1.8"),
    ('numpy[version="1.7,1.8"]', "numpy 1.7,1.8"),
    ("numpy[version=<2]", "numpy <2"),
    ("conda[version='>4']", "conda >4"),
    ("numpy>=1.7", "numpy>=1.7"),
    ("numpy = 1.7", "numpy 1.7.*"),
    ("numpy=1.7=py3*_2", "numpy 1.7 py3*_2"),
    ("numpy=1.7.*=py3*_2", "numpy 1.7.* py3*_2"),
    ("numpy[version=1.10 build=py38_0]", "numpy 1.10 py38_0"),
    ("numpy!=1.10=py38_0", "numpy !=1.10 py38_0"),
    ("numpy >1.7,!=1.10 py38_0", "numpy >1.7,!=1.10 py38_0"),
    ("numpy=1.10.*,!=1.10.2", "numpy=1.10.*,!=1.10.2"),
    ("numpy >1.8,<2|==1.7,!=1.9,~=1.7.1 py34_0", "numpy >1.8,<2|==1.7,!=1.9,~=1.7.1 py34_0"),
    ("numpy ~=1.10.1 py38_0", "numpy ~=1.10.1 py38_0"),
    ("numpy >= 1.0 , < 2.0 py34_0", "numpy >=1.0,<2.0 py34_0"),
    ("numpy >=1.0,<2.0 =py34_0", "numpy >=1.0,<2.0 py34_0"),
    ("openssl>=1.1.1_,!=1.1.1c", "openssl>=1.1.1_,!=1.1.1c"),
    ("openssl=1.1.1_", "openssl=1.1.1_"),
    ("a * =0", "a * 0"),
    ("a=*=0", "a * 0"),
    ("a=1.2=*_0", "a 1.2 *_0"),
    ("python=3.6.0=0", "python 3.6.0 0"),
    ("a 1!2.0 0", "a 1!2.0 0"),
    ("a >1.2.*", "a >1.2"),
    ("a >=1.2*,<2.*", "a >=1.2,<2"),
    ("a !=1.2*", "a !=1.2.*"),
    ("a[build='^py3[0-9]*$']", None),
    ("a 1.0 ^py.*$", 'a 1.0[build="^py.*$"]'),
    ("a[build_number='>=7']", 'a[build_number=">=7"]'),
    ("a[md5=253b922ecdb5a30884875948b8904983]", 'a[md5="253b922ecdb5a30884875948b8904983"]'),
    ("FOO-Bar >=1.0", "foo-bar >=1.0"),
    ("foo # comment", "foo"),
    ("foo >=1.0 if __unix", "foo >=1.0"),
    ("numpy=", "numpy"),
    ("numpy[version=*]", "numpy"),
    ("tensorflow[name=pytorch]", "tensorflow"),
    ("foo[build=3](target=blarg,optional)", "foo * 3"),
    ("numpy (>=1,<2)|>3", "numpy (>=1,<2)|>3"),
    ("conda-forge::foo>=1.0", "conda-forge::foo >=1.0"),
    ("conda-forge/linux-32::foo>=1.0", "conda-forge/linux-32::foo >=1.0"),
    ("*/linux-32::foo", 'foo[subdir="linux-32"]'),
    ('*/win-32::numpy[subdir="osx-64"]', 'numpy[subdir="osx-64"]'),
    ("numpy[channel=conda-forge,subdir=noarch]", "conda-forge/noarch::numpy"),
    ("defaults::numpy=1.8=py27_0 [channel='anaconda',version=\">=1.8,<2|1.9\", build='3']", "anaconda::numpy >=1.8,<2|1.9 3"),
    ("https://repo.anaconda.com/pkgs/free/win-32::numpy", "https://repo.anaconda.com/pkgs/free/win-32::numpy"),
    ("a[channel=https://h.example/c/osx-64, subdir=linux-64]", "https://h.example/c/linux-64::a"),
    ("a[fn=a-1.0-py_0.tar.bz2]", "a 1.0 py_0"),
    ("a[url=https://h.example/c/linux-64/a-1-0.conda]", "https://h.example/c/linux-64::a 1 0"),
    (
        "https://h.example/c/linux-64/x264-1%21164.3095-h166bdaf_2.tar.bz2",
        "https://h.example/c/linux-64::x264 1!164.3095 h166bdaf_2",
    ),
    (
        "canary/linux-64::conda==4.3.21.post699+1dab973=py36h4a561cd_0",
        "canary/linux-64::conda 4.3.21.post699+1dab973 py36h4a561cd_0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "meant"), [case for case in MEANINGS if case[1]])
def test_each_spelling_is_read_as_conda_reads_it(typed, meant):
    assert specs.understood(typed) == meant
    assert specs.understood(meant) == meant
    assert versions.check_spec(typed) == meant
    rattler.MatchSpec(meant)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a-1.0-h1_0.conda", "a 1.0 h1_0"),
        ("a-1.0-h1_0.tar.bz2", "a 1.0 h1_0"),
        ("a if b", "a"),
    ],
)
def test_what_looks_like_a_plain_spec_and_is_none_is_taken_apart(typed, meant):
    found = specs.parse(versions.check_spec(typed))
    assert (found.name, found.version or "", found.build or "") == (*meant.split(" "), "", "")[:3]


@given(st.from_regex(specs._PLAIN, fullmatch=True))
def test_a_spec_that_is_plain_has_parts(text):
    try:
        versions.check_spec(text)
    except BadSpec:
        return
    assert versions.spec_name(text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pytorch=2.1=*cuda*", "pytorch 2.1.* *cuda*"),
        ("pytorch==2.1=*cuda*", "pytorch 2.1 *cuda*"),
        ("pytorch 2.1 *cuda*", "pytorch 2.1 *cuda*"),
        ("pytorch=2.1", "pytorch=2.1"),
    ],
)
def test_mamba_takes_one_equals_sign_for_any_version_below_it_even_beside_a_build(typed, meant):
    assert versions.check_spec(typed, "mamba") == meant


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "empty"),
        ("# only a comment", "empty"),
        ("!xyz 1.3", "names no package"),
        ("=1.2", "names no package"),
        ("numpy==", "after the relation comes a version"),
        ("numpy<=", "after the relation comes a version"),
        ("a=1.2=", "after the relation comes a version"),
        ("numpy@1.26", "write numpy=1.26"),
        ("'package'", "no name of a package"),
        ("pkg..name", "no name of a package"),
        ("pkg--name", "no name of a package"),
        (".pkg", "no name of a package"),
        ("-pkg", "no name of a package"),
        ("mkl@", "feature"),
        ("*[track_features=mkl]", "no single package"),
        ("numpy*", "no single package"),
        ("a 1.0 2 3", "put a comma between versions"),
        ("a 1.2,", "no version"),
        ("a ()", "no version"),
        ("a >>1", "no version"),
        ("a 1.*.2", "a star inside a version"),
        ("a *.7.*,>=1", "a star inside a version"),
        ("a ^1\\.2$", "a pattern"),
        ("a_b 1:2", "no version"),
        ("blas [optional", "bracket is not closed"),
        ("blas [test=]", "not key=value"),
        ('blas[invalid="1"]', "'invalid' is no key"),
        ("a[build=1][version=2]", "more than one pair of brackets"),
        ("https://h.example/c/linux-64/a.conda", "NAME-VERSION-BUILD"),
        ("a.conda", "NAME-VERSION-BUILD"),
        ("a.tar.bz2", "NAME-VERSION-BUILD"),
    ],
)
def test_what_cannot_be_asked_says_why(typed, words):
    with pytest.raises(BadSpec, match="cannot be read") as caught:
        versions.check_spec(typed)
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ("numpy 1.7*", True),
        ("numpy 1.7", False),
        ("numpy >=1.5,<2", True),
        ("numpy >1.5,<2,!=1.7.1", False),
        ("numpy >1.8,<2|==1.7", False),
        ("numpy >1.8,<2|>=1.7.1", True),
        ("numpy ==1.7.1.0", True),
        ("numpy 1.6*|1.7*", True),
        ("numpy 1.6.2|1.7.0", False),
        ("numpy >1.7.*", True),
        ("numpy >1.7.1.*", False),
        ("numpy 1.7.1 py26_0", False),
        ("numpy * =py27_0", True),
        ("numpy[build='^py2.*$']", True),
        ("numpy[build_number='<1']", True),
        ("numpy[build_number='>=1']", False),
        ("numpy[fn=numpy-1.7.1-py27_0.conda]", True),
        ("numpy[md5=11111111111111111111111111111111]", False),
        ("elsewhere/win-64::numpy", True),
        ("numpy 1.*.1", None),
        ("python", False),
    ],
)
def test_whether_a_record_fits(spec, fits):
    record = PackageRecord("numpy", "1.7.1", "py27_0", md5="2" * 32)
    assert versions.matches(spec, record) is fits


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        ("https://h.example/c/linux-64/a-1-0.conda", True),
        ("./a-1-0.tar.bz2#d41d8cd98f00b204e9800998ecf8427e", True),
        ("C:\\down\\a-1-0.conda", True),
        ("a-1-0.conda", False),
        ("a[url=https://h.example/c/linux-64/a-1-0.conda]", False),
    ],
)
def test_a_package_file_is_told_from_a_spec(text, is_file):
    assert specs.is_package_file(text) is is_file


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["numpy", "scipy"], ["numpy", "scipy"]),
        (["numpy", "scipy", "numpy>=1.5"], ["numpy >=1.5", "scipy"]),
        (["exact", "exact 1.2.3 1", "exact >1.0,<2"], ["exact 1.2.3,>1.0,<2 1"]),
        (["a 1|2", "a >=1"], ["a (1|2),>=1"]),
        (["a=*=np17*", "a=*=*np17*"], ["a * np17*"]),
        (["a=*=np17*", "a=*=*py27*"], ["a[build='^(?=np17.*$)(?:.*py27.*)$']"]),
        (["a=*=np17*", "a=*=np17py27*"], ["a * np17py27*"]),
        (["a=*=np17*", "a=*=np17py27_0"], ["a * np17py27_0"]),
        (["chan::a", "a[subdir=noarch]"], ["chan/noarch::a"]),
        ([f"a[md5={'a' * 32}]", "a[license=MIT]"], [f'a[license="MIT",md5="{"a" * 32}"]']),
    ],
)
def test_specs_of_one_name_are_one_spec(typed, meant):
    assert [specs.parse(text) for text in merged(typed)] == [specs.parse(text) for text in meant]
    for text in merged(typed):
        rattler.MatchSpec(text)


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        ("a=*=np17*", "a=*=np16*", "the build 'np17*'"),
        ("a 1.2 1", "a 1.2 2", "the build '1'"),
        ("chan::a", "other::a", "the channel 'chan'"),
        ("chan/linux-64::a", "chan/noarch::a", "the subdir 'linux-64'"),
        ("a[md5=aa]", "a[md5=bb]", "the md5 'aa'"),
    ],
)
def test_specs_of_one_name_that_exclude_each_other_are_refused(one, two, words):
    with pytest.raises(BadSpec) as caught:
        merged([one, two])
    assert words in caught.value.reason


def test_logins_and_tokens_in_a_spec_are_never_seen():
    assert (
        specs.understood("https://me:secret@h.example/t/token/c/linux-64::a 1.*")
        == "https://h.example/c/linux-64::a 1.*"
    )
    assert "secret" not in str(BadSpec("https://me:secret@h.example/c::a==", "no"))


_WORD = st.text("abz019_.", min_size=1, max_size=6)
_VERSION = st.tuples(st.sampled_from(["", "=", "==", ">=", "<", "!=", "~="]), _WORD, st.sampled_from(["", "*", ".*"]))


@given(
    st.tuples(
        st.sampled_from(["", "chan::", "chan/linux-64::", "https://h.example/c::"]),
        st.sampled_from(["numpy", "R-base", "_lib", "__glibc"]),
        st.sampled_from([" ", "", " ="]),
        st.lists(_VERSION.map("".join), max_size=3).map(",".join),
        st.sampled_from(["", " py3*", "=0", " =h1_0"]),
        st.sampled_from(["", "[build_number=3]", "[subdir='noarch', md5=aa]"]),
    ).map("".join)
)
def test_reading_twice_is_reading_once(text):
    try:
        once = specs.understood(text)
    except BadSpec:
        return
    assert specs.understood(once) == once
    assert specs.parse(once) == specs.parse(text)
