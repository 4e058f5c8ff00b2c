"""The bundled installation: real records laid out as files, so that the main job has something true to work on.

What lies in `fixtures/demo` are package records as their channels published them and the metadata of real wheels (its
README says where each comes from). They are written into a folder in the form conda leaves on a disk: the loader, the
solver and the rules then read them like any other installation, and know of no demo. No package's own files are here,
so nothing in this installation can be run.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HOST = "https://conda.anaconda.org"


class DemoInstallation(Struct, frozen=True):
    """Where the demo was laid out, and the question it is made for, in the terms of `planner what-if`.

    `mirrors` says where on this machine each channel is read from; the host is given, so that the answer is the same
    on every machine. `home` is an empty folder: whatever configuration the user has must not reach in.
    """

    root: str
    env: str
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    mirrors: tuple[tuple[str, str], ...]
    subdir: str
    cuda: str
    driver: str
    glibc: str
    home: str


def unpack(folder: str) -> DemoInstallation:
    """Write the bundled installation and its channels into `folder`, which must exist and should be empty.

    About 2 MB in 400 files, in a tenth of a second. Raises `OSError` when the folder cannot be written to.
    """
    top = Path(folder)
    description = msgspec.json.decode(_data("installation.json"))
    records = {_key(record): record for record in _lines("records.jsonl")}
    root = top / "miniforge3"
    for name, environment in description["environments"].items():
        prefix = root if name == "base" else root / "envs" / name
        _write_environment(prefix, environment, [records[key] for key in environment["installed"]])
        (prefix / "lib" / f"python{environment['python']}" / "site-packages").mkdir(parents=True)
    for dist in _lines("dists.jsonl"):
        name = dist["environment"]
        prefix = root if name == "base" else root / "envs" / name
        python = description["environments"][name]["python"]
        _write_texts(prefix / "lib" / f"python{python}" / "site-packages" / dist["dist_info"], dist["files"])
    _write_texts(root, {".condarc": description["condarc"]})
    mirrors = tuple((name, str(top / "channels" / name)) for name in description["channels"])
    for name, place in mirrors:
        _write_channel(Path(place), [record for record in records.values() if record["channel"] == name])
    home = top / "home"
    home.mkdir()
    return DemoInstallation(
        root=str(root),
        env="base",
        specs=("python=3.11",),
        channels=tuple(description["channels"]),
        mirrors=mirrors,
        home=str(home),
        **description["host"],
    )


def _data(name: str) -> str:
    """The text of one file of the demo: beside this module in a wheel, in `fixtures/` in a checkout."""
    packed = files("planner") / "demo_data" / name
    if packed.is_file():
        return packed.read_text(encoding="utf-8")
    return (Path(__file__).parents[1] / "fixtures" / "demo" / name).read_text(encoding="utf-8")


def _lines(name: str) -> Iterator[dict[str, Any]]:
    return (msgspec.json.decode(line) for line in _data(name).splitlines())


def _key(record: Mapping[str, Any]) -> str:
    return f"{record['channel']}/{record['subdir']}/{record['fn']}"


def _write_environment(prefix: Path, environment: Mapping[str, Any], records: list[dict[str, Any]]) -> None:
    documents = {
        f"{record['name']}-{record['version']}-{record['build']}.json": _conda_meta(record) for record in records
    }
    _write_texts(prefix / "conda-meta", {**documents, "history": _history(environment["history"], records)})


def _conda_meta(record: Mapping[str, Any]) -> str:
    """A record as conda-meta holds it, without the list of files, which nobody has here."""
    channel = f"{_HOST}/{record['channel']}"
    url = f"{channel}/{record['subdir']}/{record['fn']}"
    return _json({"constrains": [], **record, "channel": channel, "url": url, "files": []})


def _history(history: Mapping[str, Any], records: list[dict[str, Any]]) -> str:
    lines = [f"==> {history['date']} <==", f"# cmd: {history['cmd']}"]
    if "conda_version" in history:
        lines.append(f"# conda version: {history['conda_version']}")
    lines += [
        f"+{record['channel']}/{record['subdir']}::{record['name']}-{record['version']}-{record['build']}"
        for record in records
    ]
    return "\n".join([*lines, f"# update specs: {history['update_specs']!r}", ""])


def _write_channel(place: Path, records: list[dict[str, Any]]) -> None:
    for subdir in ("linux-64", "noarch"):
        repodata: dict[str, Any] = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}}
        for record in records:
            if record["subdir"] == subdir:
                table = "packages.conda" if record["fn"].endswith(".conda") else "packages"
                repodata[table][record["fn"]] = {
                    key: value for key, value in record.items() if key not in {"channel", "fn"}
                }
        _write_texts(place / subdir, {"repodata.json": _json(repodata)})


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _json(value: Mapping[str, Any]) -> str:
    """As conda writes it: sorted keys, two spaces."""
    encoded = msgspec.json.encode(value, order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
