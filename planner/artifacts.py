"""The texts of the files that a migration needs: the explicit lock, `environment.yml`, and the scripts it carries along.

The lock is what the steps use; `environment.yml` says the same to people, and to tools that solve anew. Credentials in
URLs are never written. Texts from records are not trusted: no name or URL can start a line of its own. The pip layer's
file is `planner.pip_layer`'s.
"""

from __future__ import annotations

import os
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from planner import credentials
from planner.carry import depends_names
from planner.errors import InputError
from planner.flavour import FRAMEWORKS, flavour
from planner.pip_layer import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.model.installed import PackageRecord
    from planner.model.plan import Plan

# The comment of environment.yml that names what had been asked for and has no place in the new environment.
LEFT_OUT = "Asked for, and not in the new environment: "
# And the one that names what pip's distributions require and would not have there.
UNMET = "Required by the pip layer, and not met in the new environment: "
# And the one that names what the file asks of pip and no step does.
BY_HAND = "Left to do by hand, with pip: "
# One such line for each version that goes back or is another major one.
OTHER_VERSION = "Another version in the new environment: "
# The lines that conda, mamba and micromamba read (CEP 23), with a scheme: a lock holds no relative paths.
_LOCK_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s#]*/[^\s/\\#]+(?:\.tar\.bz2|\.conda)")
_MD5, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of the files that a plan brings along
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+-]*")  # names, versions and builds as conda allows them


def explicit_lock(records: Iterable[PackageRecord], subdir: str, *, sha256: bool) -> str:
    """The explicit lock of `records`: one URL with its hash a line, what is depended on first.

    conda reads sha256 sums from 24.9 on and fails on them before, so `sha256` says which sum to write; a record that
    lacks that sum gets none. A record without a usable URL is named in a comment.
    """
    out = [
        "# An explicit lock: made for one platform, installed without solving.",
        f"# platform: {one_line(subdir)}",
        "@EXPLICIT",
    ]
    for record in in_dependency_order(records):
        url = lock_url(record)
        if url is None:
            out.append(f"# MISSING: no URL is known for {one_line(record.label)}")
            continue
        if sha256 and record.sha256 and _SHA256.fullmatch(record.sha256):
            url += f"#sha256:{record.sha256}"
        elif record.md5 and _MD5.fullmatch(record.md5):
            url += f"#{record.md5}"
        out.append(url)
    return "\n".join(out) + "\n"


def lock_url(record: PackageRecord) -> str | None:
    """The URL of a record's package, without credentials; None where none is recorded that a lock could hold."""
    url = without_credentials(record.url).replace(" ", "%20")
    return url if _LOCK_URL.fullmatch(url) and url.isprintable() else None


def without_credentials(url: str) -> str:
    """A URL or channel without user, password and conda's `/t/TOKEN`; a folder's path holds none of these."""
    return url if url.startswith("file:") else credentials.without_credentials(url)


def in_dependency_order(records: Iterable[PackageRecord]) -> tuple[PackageRecord, ...]:
    """The records, each after what it depends on and otherwise by name; a cycle is cut at its first name."""
    by_name = {record.name: record for record in sorted(records, key=lambda record: record.name)}
    done: dict[str, PackageRecord] = {}
    entered: set[str] = set()
    for start in by_name:
        stack = [(start, False)]
        while stack:
            name, left = stack.pop()
            if left:
                done.setdefault(name, by_name[name])
            elif name not in entered:
                entered.add(name)
                stack.append((name, True))
                needs = {need for need in depends_names(by_name[name]) if need in by_name and need not in entered}
                # python asks for pip only to have it at hand, while pip cannot be linked without python.
                needs -= {"pip"} if name == "python" else set()
                stack += [(need, False) for need in sorted(needs, reverse=True)]
    return tuple(done.values())


def environment_yml(
    name: str,
    channels: Sequence[str],
    records: Iterable[PackageRecord],
    requested: Iterable[str],
    pip_lines: Sequence[str],
    notes: Sequence[str] = (),
) -> str:
    """`environment.yml`: the channels in order, the requested packages at their solved versions, and the pip layer.

    A framework's GPU build is named with its build, so that a solver cannot answer with a CPU build.
    `nodefaults` stands there unless `defaults` is among the channels, since old condas would add that by themselves.
    """
    import yaml

    solved = {record.name: record for record in records}
    dependencies: list[Any] = []
    unsafe: list[str] = []
    for package in sorted(set(requested) & set(solved)):
        record = solved[package]
        build = (record.build,) if package in FRAMEWORKS and flavour(record) == "gpu" else ()
        words = (package, record.version, *build)
        if all(_PLAIN.fullmatch(word) for word in words):
            dependencies.append("=".join(words))
        else:
            unsafe.append(f"left out, as it has no plain name and version: {' '.join(words)}")
    if pip_lines:
        dependencies.append({"pip": list(pip_lines)})
    listed = list(dict.fromkeys(without_credentials(channel) for channel in channels))
    if "defaults" not in listed:
        listed.append("nodefaults")
    document = {"name": name, "channels": listed, "dependencies": dependencies}
    comments = "".join(f"# {one_line(note)}\n" for note in (*notes, *unsafe))
    return comments + str(yaml.safe_dump(document, sort_keys=False, width=1000))


def write_all(plan: Plan, folder: str) -> tuple[str, ...]:
    """Write a plan's files into a folder, made where it is missing; their names. Raises `InputError`.

    Nothing that exists is overwritten. A plan is a file that anyone may have written: names that lead elsewhere are
    refused.
    """
    texts = plan.migration.artifacts if plan.migration else ()
    if not texts:
        raise InputError("this plan has no migration, so no files belong to it")
    for name, _ in texts:
        if not FILE_NAME.fullmatch(name):
            raise InputError(f"migration.artifacts: {name!r} is no plain file name")
    try:
        os.makedirs(folder, exist_ok=True)
        for name, text in texts:
            with open(os.path.join(folder, name), "x", encoding="utf-8", newline="") as stream:
                stream.write(text)
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None
    return tuple(name for name, _ in texts)


def script(name: str) -> str:
    """The text of a script that runs in the new environment: `probe.py` or `smoke.py` of `planner.verify`."""
    return files("planner.verify").joinpath(name).read_text(encoding="utf-8")
