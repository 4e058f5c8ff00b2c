"""Channels: what their names mean, and repodata from folders, from a server on loopback, and from caches.

The server is a real one and py-rattler really fetches from it.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from planner import repodata_fetch
from planner.channel_names import resolve
from planner.channels import canonical_channel, open_channels, records_of
from planner.config import Config
from planner.credentials import masked
from planner.errors import ChannelError, InputError
from planner.model.solve import Repodata

REAL = os.environ.get("PLANNER_REAL_DATA")


def record(name, version="1.0", subdir="linux-64", **more):
    fn = f"{name}-{version}-0.conda"
    return fn, {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": subdir,
        "md5": hashlib.md5(fn.encode(), usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(fn.encode()).hexdigest(),
        "size": 10,
        **more,
    }


def repodata(*records, subdir="linux-64", **info):
    return json.dumps(
        {
            "info": {"subdir": subdir, **info},
            "packages": {},
            "packages.conda": dict(records),
            "removed": [],
            "repodata_version": 1,
        }
    ).encode()


LINUX = repodata(record("alpha"), record("alpha", "2.0"), record("beta"))
NOARCH = repodata(record("gamma", subdir="noarch", noarch="python"), subdir="noarch")


def sha(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def folder_channel(folder, **files):
    """A channel folder; a keyword like `linux_64` is the content of that subdir's repodata.json."""
    for subdir, content in files.items():
        place = folder / subdir.replace("_", "-")
        place.mkdir(parents=True)
        (place / "repodata.json").write_bytes(content)
    return folder


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(Path(folder).rglob("*"))
    }


# --------------------------------------------------------------------------------------------------------------------
# Names

CORP = Config(
    channel_alias="https://user:pass@conda.corp.example/t/tok-123/api",
    custom_channels=(("pkgs/pro", "https://repo.anaconda.com"), ("team", "http://other.example:8080/x")),
    custom_multichannels=(("both", ("team", "https://h.example/second")),),
)


@pytest.mark.parametrize(
    ("text", "config", "urls"),
    [
        ("conda-forge", None, ["https://conda.anaconda.org/conda-forge"]),
        ("conda-forge/linux-64", None, ["https://conda.anaconda.org/conda-forge"]),
        ("conda-forge/label/dev", None, ["https://conda.anaconda.org/conda-forge/label/dev"]),
        ("defaults", None, ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]),
        ("pkgs/main", None, ["https://repo.anaconda.com/pkgs/main"]),
        ("pkgs/main/noarch", None, ["https://repo.anaconda.com/pkgs/main"]),
        ("pkgs/msys2", None, ["https://repo.anaconda.com/pkgs/msys2"]),
        ("https://Host.Example/some/channel/linux-aarch64/", None, ["https://host.example/some/channel"]),
        ("https://u:p@ss@host.example:8443/t/tk-1/channel", None, ["https://host.example:8443/channel"]),
        ("http://[::1]:8080/c", None, ["http://[::1]:8080/c"]),
        ("file:///srv/channel/noarch", None, ["file:///srv/channel"]),
        ("/srv/my channel/", None, ["file:///srv/my%20channel"]),
        ("anything", CORP, ["https://conda.corp.example/api/anything"]),
        ("team", CORP, ["http://other.example:8080/x/team"]),
        ("team/label/x", CORP, ["http://other.example:8080/x/team/label/x"]),
        ("both", CORP, ["https://conda.corp.example/api/team", "https://h.example/second"]),
    ],
)
def test_what_a_channel_means(text, config, urls):
    assert canonical_channel(text, config) == tuple(urls)


def test_relative_paths_and_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "some" / "channel").mkdir(parents=True)
    (tmp_path / "conda-forge").mkdir()
    expected = ((tmp_path / "some" / "channel").as_uri(),)
    assert canonical_channel("./some/channel") == expected
    assert canonical_channel("~/some/channel") == expected
    assert canonical_channel("some/channel") == expected
    # A plain name is a name, whatever lies in the current folder.
    assert canonical_channel("conda-forge") == ("https://conda.anaconda.org/conda-forge",)


def test_defaults_on_windows_have_msys2():
    assert [place.own.rpartition("/")[2] for place in resolve("defaults", Config(), "win-64")] == ["main", "r", "msys2"]
    own = Config(default_channels=("https://mirror.example/main",))
    assert [place.own for place in resolve("defaults", own, "win-64")] == ["https://mirror.example/main"]


def test_credentials_are_for_fetching_only():
    (place,) = resolve("anything", CORP)
    assert place.source == "https://user:pass@conda.corp.example/t/tok-123/api/anything"
    assert masked(f"see {place.source} and https://x?key=1.") == (
        "see https://***@conda.corp.example/t/***/api/anything and https://x?***"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a channel is named by an empty text"),
        ("two words", "'two words' is no channel: it is neither a name, nor a URL, nor a folder"),
        ("conda-forge::numpy", "'conda-forge::numpy' is no channel"),
        ("https://u:secret@h.example:port/c", "'https://***@h.example:port/c' is no URL of a channel"),
        ("https://h.example/c?token=secret", "'https://h.example/c?***' is no URL of a channel"),
        ("https:///c", "'https:///c' is no URL of a channel"),
        ("local", "the channel 'local' is not known here"),
    ],
)
def test_texts_that_are_no_channel(text, message):
    with pytest.raises(ChannelError) as caught:
        canonical_channel(text)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


def test_an_alias_that_is_no_url():
    with pytest.raises(ChannelError, match=r"channel_alias 'h\.example' is no URL"):
        canonical_channel("conda-forge", Config(channel_alias="h.example"))


# --------------------------------------------------------------------------------------------------------------------
# Folders


def test_a_folder_with_both_subdirs(tmp_path):
    folder = folder_channel(tmp_path / "channel", linux_64=LINUX, noarch=NOARCH)
    found = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    assert found == (
        Repodata(folder.as_uri(), "linux-64", str(folder / "linux-64" / "repodata.json"), sha(LINUX), 0),
        Repodata(folder.as_uri(), "noarch", str(folder / "noarch" / "repodata.json"), sha(NOARCH), 0),
    )


def test_order_and_rank_follow_the_channels(tmp_path):
    one = folder_channel(tmp_path / "one", noarch=NOARCH)
    two = folder_channel(tmp_path / "two", linux_64=LINUX)
    said = []
    found = open_channels(
        [str(two), str(one), f"{one}/linux-64"], "linux-64", cache_dir=str(tmp_path / "cache"), on_progress=said.append
    )
    assert [(item.channel, item.subdir, item.rank) for item in found] == [
        (two.as_uri(), "linux-64", 0),
        (one.as_uri(), "noarch", 1),
    ]
    assert said == [f"the channel {two} has nothing for noarch", f"the channel {one} has nothing for linux-64"]


def test_noarch_alone_is_read_once(tmp_path):
    folder = folder_channel(tmp_path / "channel", noarch=NOARCH)
    assert [item.subdir for item in open_channels([str(folder)], "noarch", cache_dir=str(tmp_path))] == ["noarch"]


def test_mirrors_keep_the_channels_own_url(tmp_path):
    first = folder_channel(tmp_path / "first", linux_64=LINUX)
    second = folder_channel(tmp_path / "second", noarch=NOARCH)
    other = folder_channel(tmp_path / "other", linux_64=LINUX)
    said = []
    found = open_channels(
        ["conda-forge", "defaults"],
        "linux-64",
        mirrors=[
            ("https://conda.anaconda.org/conda-forge/", str(first)),
            ("conda-forge", str(second)),
            ("defaults", str(other)),
            ("bioconda", str(other)),
        ],
        cache_dir=str(tmp_path / "cache"),
        on_progress=said.append,
    )
    assert [(item.channel, item.subdir, Path(item.path).parent.parent.name, item.rank) for item in found] == [
        ("https://conda.anaconda.org/conda-forge", "linux-64", "first", 0),
        ("https://conda.anaconda.org/conda-forge", "noarch", "second", 1),
        ("https://repo.anaconda.com/pkgs/main", "linux-64", "other", 2),
    ]
    assert said[0] == (
        "the mirror of https://conda.anaconda.org/bioconda is not used: that channel is not among the channels"
    )
    (alpha, _) = records_of(found[0], ["alpha"])
    assert alpha.channel == "https://conda.anaconda.org/conda-forge"
    assert alpha.url == "https://conda.anaconda.org/conda-forge/linux-64/alpha-1.0-0.conda"


def test_packed_and_current_repodata_stand_in(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    folder = tmp_path / "channel"
    (folder / "linux-64").mkdir(parents=True)
    (folder / "noarch").mkdir()
    (folder / "linux-64" / "repodata.json.zst").write_bytes(zstandard.compress(LINUX))
    (folder / "noarch" / "current_repodata.json").write_bytes(NOARCH)
    before, said = snapshot(folder), []
    found = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"), on_progress=said.append)
    assert [(item.subdir, item.digest) for item in found] == [("linux-64", sha(LINUX)), ("noarch", sha(NOARCH))]
    assert Path(found[0].path).is_relative_to(tmp_path / "cache")
    assert "current_repodata.json, which has the newest versions only" in said[0]
    assert snapshot(folder) == before
    (folder / "linux-64" / "repodata.json.zst").write_bytes(zstandard.compress(LINUX)[:-9])
    with pytest.raises(ChannelError, match=r"repodata\.json\.zst cannot be unpacked, it is cut short or not zstd"):
        open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))


def test_a_folder_that_is_no_channel(tmp_path):
    cache_dir = str(tmp_path / "cache")
    gone = tmp_path / "gone"
    with pytest.raises(ChannelError) as caught:
        open_channels([str(gone)], "linux-64", cache_dir=cache_dir)
    assert str(caught.value) == f"the channel {gone} cannot be read: there is no such folder"
    file = folder_channel(tmp_path / "channel", win_64=LINUX) / "win-64" / "repodata.json"
    with pytest.raises(ChannelError, match="cannot be read: it is not a folder"):
        open_channels([str(file)], "linux-64", cache_dir=cache_dir)
    with pytest.raises(ChannelError) as caught:
        open_channels([f"file://{tmp_path}/channel"], "linux-64", cache_dir=cache_dir)
    assert str(caught.value) == (
        f"the channel {tmp_path / 'channel'} cannot be read: there is neither linux-64/repodata.json "
        "nor noarch/repodata.json; it has packages for win-64"
    )
    with pytest.raises(ChannelError, match=r"pkgs/main \(mirrored at .*gone\) cannot be read: there is no such folder"):
        open_channels(["pkgs/main"], "linux-64", mirrors=[("pkgs/main", str(gone))], cache_dir=cache_dir)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (LINUX[:78], "is cut short: it ends at byte 78 in the middle of a string"),
        (
            json.dumps(json.loads(LINUX), indent=1).encode()[:200],
            "is cut short: it ends at byte 200 in the middle of an object",
        ),
        (LINUX[:-2], "where a value should begin"),
        (b"<!DOCTYPE html><html></html>", "is not repodata: expected value at line 1 column 1"),
        (b'{"packages": [1]}', "is not repodata: invalid type: sequence, expected a map at line 1 column 13"),
        (b"[]", "is not repodata: "),
        (LINUX + b"}", "is not repodata: trailing characters"),
    ],
)
def test_a_cut_or_foreign_file_is_named(tmp_path, content, what):
    folder = folder_channel(tmp_path / "channel", linux_64=content, noarch=NOARCH)
    before = snapshot(tmp_path)
    with pytest.raises(ChannelError) as caught:
        open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    assert str(caught.value).startswith(
        f"the repodata of the channel {folder} cannot be read: {folder / 'linux-64' / 'repodata.json'} "
    )
    assert what in str(caught.value)
    assert caught.value.exit_code == 2
    assert snapshot(tmp_path) == before


def test_little_is_legal(tmp_path):
    folder = folder_channel(tmp_path / "channel", linux_64=b"{}", noarch=b"")
    found = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    assert [item.subdir for item in found] == ["linux-64"]
    assert records_of(found[0], ["alpha"]) == ()


def test_what_old_conda_wrote_into_its_copies_is_passed_over(tmp_path):
    content = json.dumps({"_url": "https://x", "_etag": "W/1", "_mod": "", "_cache_control": "", **json.loads(LINUX)})
    folder = folder_channel(tmp_path / "channel", linux_64=content.encode())
    (found,) = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    assert [item.label for item in records_of(found, ["alpha"])] == ["alpha 1.0 0", "alpha 2.0 0"]


def test_folders_are_only_read(tmp_path):
    """In a process of its own, with a home and caches of its own: nothing is written, and nothing is printed."""
    folder_channel(tmp_path / "channel", linux_64=LINUX, noarch=NOARCH)
    before = snapshot(tmp_path)
    code = (
        "from planner.channels import open_channels, records_of\n"
        f"found = open_channels([{str(tmp_path / 'channel')!r}], 'linux-64', cache_dir={str(tmp_path / 'cache')!r})\n"
        "assert len(records_of(found[0], ['alpha'])) == 2\n"
    )
    places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "RATTLER_CACHE_DIR")
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tmp_path,
        env={**os.environ, **dict.fromkeys(places, str(tmp_path)), "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert snapshot(tmp_path) == before


# --------------------------------------------------------------------------------------------------------------------
# Records


def test_records(tmp_path):
    content = repodata(
        record(
            "tool",
            "1.2",
            depends=["python >=3.10"],
            constrains=["other <2"],
            track_features="feat",
            timestamp=1700000000000,
            license="MIT",
            python_site_packages_path="lib/python3.13t/site-packages",
        ),
        record("tool", "1.1", noarch="generic"),
    )
    folder = folder_channel(tmp_path / "channel", linux_64=content)
    (found,) = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    old, new = records_of(found, ["nothing", "tool", "not a name!", "tool"])
    assert (old.version, old.noarch, new.version, new.noarch) == ("1.1", "generic", "1.2", None)
    assert (new.name, new.build, new.build_number, new.subdir) == ("tool", "0", 0, "linux-64")
    assert new.channel == folder.as_uri()
    assert new.url == f"{folder.as_uri()}/linux-64/tool-1.2-0.conda"
    assert new.fn == "tool-1.2-0.conda"
    assert new.depends == ("python >=3.10",)
    assert new.constrains == ("other <2",)
    assert new.track_features == ("feat",)
    assert new.timestamp == 1700000000000
    assert (new.size, new.license) == (10, "MIT")
    assert new.sha256 == hashlib.sha256(b"tool-1.2-0.conda").hexdigest()
    assert new.python_site_packages_path == "lib/python3.13t/site-packages"


def test_packages_may_lie_elsewhere(tmp_path):
    content = repodata(record("alpha"), base_url="https://files.example/here/")
    folder = folder_channel(tmp_path / "channel", linux_64=content)
    (found,) = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    (alpha,) = records_of(found, ["alpha"])
    assert (alpha.url, alpha.channel) == ("https://files.example/here/alpha-1.0-0.conda", folder.as_uri())


def test_a_record_that_cannot_be_read(tmp_path):
    content = repodata(("alpha-1.0-0.conda", {"name": "alpha", "build": "0", "build_number": 0}))
    folder = folder_channel(tmp_path / "channel", linux_64=content)
    (found,) = open_channels([str(folder)], "linux-64", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ChannelError, match=r"linux-64/repodata\.json: a record of alpha cannot be read: missing field"):
        records_of(found, ["alpha"])


# --------------------------------------------------------------------------------------------------------------------
# A server


class Server:
    """An HTTP server on loopback: `answers` maps a path to a body, or to (status, headers, body)."""

    def __init__(self):
        self.answers, self.asked = {}, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.asked.append((self.command, self.path, self.headers.get("Authorization")))
                answer = server.answers.get(self.path, (404, {}, b"no such file"))
                status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
                if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                    status, body = 304, b""
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 -- the name that http.server looks for

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.netloc = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def got(self, *, path):
        return [command for command, asked, _ in self.asked if asked == path]

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """`open_channels` for linux-64 into one cache folder, without retries."""
    monkeypatch.setattr(repodata_fetch, "_RETRIES", 0)

    def call(*channels, **options):
        return open_channels(channels, "linux-64", cache_dir=str(tmp_path / "cache"), **options)

    return call


def test_fetched_packed_or_plain(server, fetch, tmp_path):
    zstandard = pytest.importorskip("zstandard")
    server.answers = {
        "/c/linux-64/repodata.json.zst": zstandard.compress(LINUX),
        "/c/linux-64/repodata.json": b"must not be read",
        "/c/noarch/repodata.json": NOARCH,
    }
    said = []
    found = fetch(f"{server.url}/c/", on_progress=said.append)
    assert [(item.channel, item.subdir, item.digest, item.rank) for item in found] == [
        (f"{server.url}/c", "linux-64", sha(LINUX), 0),
        (f"{server.url}/c", "noarch", sha(NOARCH), 0),
    ]
    assert all(Path(item.path).is_relative_to(tmp_path / "cache") for item in found)
    assert said == [f"fetching {server.url}/c/linux-64", f"fetching {server.url}/c/noarch"]
    assert [item.url for item in records_of(found[0], ["beta"])] == [f"{server.url}/c/linux-64/beta-1.0-0.conda"]


def test_a_subdir_may_be_missing(server, fetch):
    server.answers = {"/n/noarch/repodata.json": NOARCH, "/l/linux-64/repodata.json": LINUX}
    said = []
    found = fetch(f"{server.url}/l", f"{server.url}/n", on_progress=said.append)
    assert [(item.channel, item.subdir, item.rank) for item in found] == [
        (f"{server.url}/l", "linux-64", 0),
        (f"{server.url}/n", "noarch", 1),
    ]
    assert said[-2:] == [
        f"the channel {server.url}/l has nothing for noarch",
        f"the channel {server.url}/n has nothing for linux-64",
    ]
    # What the server said is remembered: offline this is no gap in what is cached.
    assert fetch(f"{server.url}/l", f"{server.url}/n", offline=True) == found


def test_a_channel_that_is_not_there(server, fetch):
    with pytest.raises(ChannelError) as caught:
        fetch(f"{server.url}/none")
    assert str(caught.value) == (
        f"the channel {server.url}/none is not there: {server.url}/none has repodata neither for linux-64 "
        "nor for noarch (HTTP 404). Check its name, or --subdir"
    )
    with pytest.raises(ChannelError, match="there is no cached copy of"):
        fetch(f"{server.url}/none", offline=True)


def test_redirected(server, fetch):
    server.answers = {
        "/old/linux-64/repodata.json": (302, {"Location": "/new/linux-64/repodata.json"}, b""),
        "/new/linux-64/repodata.json": LINUX,
    }
    (found,) = fetch(f"{server.url}/old")
    assert (found.channel, found.digest) == (f"{server.url}/old", sha(LINUX))


def test_asked_again_and_not_sent_again(server, fetch):
    headers = {"ETag": '"one"', "Cache-Control": "no-cache"}
    server.answers = {"/c/linux-64/repodata.json": (200, headers, LINUX)}
    first = fetch(f"{server.url}/c")
    assert fetch(f"{server.url}/c") == first
    newer = repodata(record("alpha", "3.0"))
    server.answers = {"/c/linux-64/repodata.json": (200, {**headers, "ETag": '"two"'}, newer)}
    (found,) = fetch(f"{server.url}/c")
    assert found.digest == sha(newer)
    assert [item.version for item in records_of(found, ["alpha"])] == ["3.0"]
    assert server.got(path="/c/linux-64/repodata.json") == ["GET"] * 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}, b"boom"), "HTTP status server error (500 Internal Server Error)"),
        ((403, {}, b"no"), "HTTP status client error (403 Forbidden)"),
        ((200, {}, LINUX[:150]), "it did not arrive whole, or is no repodata: EOF while parsing a string"),
        ((200, {}, b"<html>log in first</html>"), "it did not arrive whole, or is no repodata: expected value"),
    ],
)
def test_what_a_server_may_do_wrong(server, fetch, tmp_path, answer, reason):
    server.answers = {"/c/linux-64/repodata.json": LINUX, "/c/noarch/repodata.json": NOARCH}
    good = fetch(f"{server.url}/c")
    server.answers["/c/linux-64/repodata.json"] = answer
    with pytest.raises(ChannelError) as caught:
        fetch(f"{server.url}/c")
    message = str(caught.value)
    assert message.startswith(
        f"the repodata of the channel {server.url}/c for linux-64 could not be fetched from {server.url}/c: {reason}"
    )
    assert f"(--offline), or read the channel from elsewhere (--mirror {server.url}/c=FOLDER_OR_URL)" in message
    # What came earlier is still there and whole, and nothing of the failed attempt is trusted.
    assert fetch(f"{server.url}/c", offline=True) == good
    assert not [path for path in (tmp_path / "cache").rglob("*.json") if b"log in" in path.read_bytes()]


def test_nothing_of_a_failed_first_attempt_is_trusted(server, fetch, tmp_path):
    server.answers = {"/c/linux-64/repodata.json": LINUX[:150], "/c/noarch/repodata.json": NOARCH}
    with pytest.raises(ChannelError, match="did not arrive whole"):
        fetch(f"{server.url}/c")
    with pytest.raises(ChannelError, match=r"no cached copy of .*/linux-64/repodata.json \(looked in "):
        fetch(f"{server.url}/c", offline=True)
    kept = [path.read_bytes() for path in (tmp_path / "cache").rglob("repodata.json")]
    assert kept == [NOARCH]


def test_a_packed_file_that_is_cut(server, fetch):
    zstandard = pytest.importorskip("zstandard")
    server.answers = {
        "/c/linux-64/repodata.json.zst": zstandard.compress(LINUX)[:-20],
        "/c/noarch/repodata.json": NOARCH,
    }
    with pytest.raises(ChannelError, match=r"for linux-64 could not be fetched .*: zstd stream did not finish\. Try"):
        fetch(f"{server.url}/c")


def test_an_empty_answer_is_legal(server, fetch):
    server.answers = {"/c/linux-64/repodata.json": LINUX, "/c/noarch/repodata.json": b""}
    found = fetch(f"{server.url}/c")
    assert [item.subdir for item in found] == ["linux-64"]
    assert fetch(f"{server.url}/c", offline=True) == found


def test_connection_refused(fetch, server):
    server.close()
    with pytest.raises(ChannelError, match=r"could not be fetched from http://127[^ ]*/c: Connection refused"):
        fetch(f"{server.url}/c")


def test_a_cache_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=f"the cache folder {tmp_path}/file cannot be written to: Not a directory"):
        open_channels([f"{server.url}/c"], "linux-64", cache_dir=str(tmp_path / "file"))


@pytest.mark.parametrize("path", ["/t/tk-SECRET/c", "/c"])
def test_credentials_reach_the_server_and_nobody_else(server, fetch, tmp_path, path):
    url = f"http://user:SECRET@{server.netloc}{path}"
    server.answers = {f"{path}/linux-64/repodata.json": LINUX}
    said = []
    (found,) = fetch(url, on_progress=said.append)
    assert ("GET", f"{path}/linux-64/repodata.json", "Basic dXNlcjpTRUNSRVQ=") in server.asked
    assert found.channel == f"{server.url}/c"
    assert fetch(url, offline=True, on_progress=said.append) == (found,)
    server.answers[f"{path}/linux-64/repodata.json"] = (500, {}, b"")
    with pytest.raises(ChannelError) as failed:
        fetch(url)
    server.answers.clear()
    with pytest.raises(ChannelError) as missing:
        fetch(url)
    with pytest.raises(ChannelError) as offline:
        fetch(f"{url}-other", offline=True)
    for text in [*said, *(repr(error.value) for error in (failed, missing, offline)), repr(found)]:
        assert "SECRET" not in text
    for file in (tmp_path / "cache").rglob("*"):
        assert "SECRET" not in file.name
        assert file.is_dir() or b"SECRET" not in file.read_bytes()


# --------------------------------------------------------------------------------------------------------------------
# Offline

FORGE = "https://conda.anaconda.org/conda-forge"


def conda_cache(pkgs_dir, url, content, name="repodata.json"):
    """A copy as conda keeps it: named by the first eight hex digits of the MD5 of the URL with a slash behind it."""
    text = f"{url}/" + ("" if name == "repodata.json" else name)
    stem = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]
    (pkgs_dir / "cache").mkdir(parents=True, exist_ok=True)
    path = pkgs_dir / "cache" / f"{stem}.json"
    path.write_bytes(content)
    return str(path)


def test_the_known_name_of_a_copy_of_condas(tmp_path):
    # 497deca9 and 09cdf8bf are what conda and micromamba call conda-forge's copies everywhere.
    assert Path(conda_cache(tmp_path, f"{FORGE}/linux-64", b"")).name == "497deca9.json"
    assert Path(conda_cache(tmp_path, f"{FORGE}/noarch", b"")).name == "09cdf8bf.json"


def test_condas_copies_are_read_where_they_lie(tmp_path):
    linux = conda_cache(tmp_path / "pkgs", f"{FORGE}/linux-64", LINUX)
    noarch = conda_cache(tmp_path / "more", f"{FORGE}/noarch", NOARCH)
    config = Config(pkgs_dirs=(str(tmp_path / "pkgs"), str(tmp_path / "more")), offline=True)
    before = snapshot(tmp_path)
    found = open_channels(["conda-forge"], "linux-64", cache_dir=str(tmp_path / "cache"), config=config)
    assert found == (
        Repodata(FORGE, "linux-64", linux, sha(LINUX), 0),
        Repodata(FORGE, "noarch", noarch, sha(NOARCH), 0),
    )
    assert snapshot(tmp_path) == before


def test_whole_copies_before_current_ones_and_good_before_cut_ones(tmp_path):
    pkgs, more = tmp_path / "pkgs", tmp_path / "more"
    current = conda_cache(pkgs, f"{FORGE}/linux-64", LINUX, "current_repodata.json")
    conda_cache(pkgs, f"{FORGE}/noarch", NOARCH[:50])
    config = Config(pkgs_dirs=(str(pkgs), str(more)))

    def paths():
        found = open_channels(
            ["conda-forge"], "linux-64", offline=True, cache_dir=str(tmp_path / "cache"), config=config
        )
        return [item.path for item in found]

    with pytest.raises(ChannelError, match="is cut short: it ends at byte 50"):
        paths()
    noarch = conda_cache(more, f"{FORGE}/noarch", NOARCH)
    assert paths() == [current, noarch]
    whole = conda_cache(more, f"{FORGE}/linux-64", LINUX)
    assert paths() == [whole, noarch]


@pytest.mark.parametrize("state", ["info", "state"])
def test_copies_under_another_name_are_found_by_their_state(tmp_path, state):
    cache = tmp_path / "pkgs" / "cache"
    cache.mkdir(parents=True)
    for stem, subdir, content in (("aaaaaaaa", "linux-64", LINUX), ("bbbbbbbb", "noarch", NOARCH)):
        (cache / f"{stem}.json").write_bytes(content)
        (cache / f"{stem}.{state}.json").write_text(json.dumps({"url": f"{FORGE}/{subdir}/repodata.json.zst"}))
    (cache / f"cccccccc.{state}.json").write_text("{not json")
    config = Config(pkgs_dirs=(str(tmp_path / "pkgs"),))
    found = open_channels(["conda-forge"], "linux-64", offline=True, cache_dir=str(tmp_path / "cache"), config=config)
    assert [(item.subdir, Path(item.path).name) for item in found] == [
        ("linux-64", "aaaaaaaa.json"),
        ("noarch", "bbbbbbbb.json"),
    ]


def test_nothing_cached_says_where_it_looked(tmp_path):
    conda_cache(tmp_path / "pkgs", f"{FORGE}/linux-64", LINUX)
    config = Config(pkgs_dirs=(str(tmp_path / "pkgs"),))
    before = snapshot(tmp_path)
    with pytest.raises(ChannelError) as caught:
        open_channels(["conda-forge"], "linux-64", offline=True, cache_dir=str(tmp_path / "cache"), config=config)
    assert str(caught.value) == (
        f"there is no cached copy of {FORGE}/noarch/repodata.json (looked in {tmp_path / 'pkgs' / 'cache'}, "
        f"{tmp_path / 'cache'}). Run once without --offline, or name a folder that has it: --mirror {FORGE}=FOLDER"
    )
    assert snapshot(tmp_path) == before


# --------------------------------------------------------------------------------------------------------------------
# Real channels


@pytest.mark.skipif(not REAL, reason="PLANNER_REAL_DATA is not set")
@pytest.mark.parametrize(
    ("name", "subdir", "package", "builds"),
    [
        ("main-2021-11", "linux-64", "conda", 4),
        ("main-2023-06", "win-64", "conda", 24),
        ("pytorch-2023-10", "linux-64", "pytorch", 276),
    ],
)
def test_real_channels_open(tmp_path, name, subdir, package, builds):
    found = open_channels([f"{REAL}/channels/{name}"], subdir, offline=True, cache_dir=str(tmp_path / "cache"))
    assert [item.subdir for item in found] == [subdir, "noarch"]
    assert len(records_of(found[0], [package])) == builds
    assert not (tmp_path / "cache").exists()
