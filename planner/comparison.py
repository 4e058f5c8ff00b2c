"""Two states of an environment, or two environments, side by side: exactly what differs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.snapshot import DistState, FileState, RecordState, Snapshot

Part: TypeAlias = Literal["package", "distribution", "file", "setting"]


class Difference(Struct, frozen=True):
    """One thing that is not the same. What is not there is an empty text."""

    part: Part
    subject: str
    before: str
    after: str
    what: str


class Comparison(Struct, frozen=True):
    """All that differs, by part and subject; what could not be compared; and what was left out, with the reason.

    `deep` says that files were compared.
    """

    differences: tuple[Difference, ...]
    uncertain: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    deep: bool = False
    packages: int = 0
    distributions: int = 0
    files: int = 0

    @property
    def identical(self) -> bool:
        """Whether nothing differs, and nothing had to be left uncompared."""
        return not self.differences and not self.uncertain


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Compare two snapshots. Files are compared where both have them.

    Of two snapshots of different prefixes, a file that holds its own prefix is compared without it; what only tells
    where the environment lies (`conda-meta`) and what python makes of its sources (`__pycache__`) is left out.
    """
    same_place = before.prefix == after.prefix
    differences = [*_records(before, after), *_dists(before, after), *_settings(before, after, same_place=same_place)]
    uncertain = [
        f"{problem.path}: {problem.what}; {problem.consequence}"
        for problem in dict.fromkeys((*before.problems, *after.problems))
    ]
    left_out = []
    number = 0
    if before.files is not None and after.files is not None:
        old, new = _by_path(before.files, same_place=same_place), _by_path(after.files, same_place=same_place)
        number = len(old.keys() | new.keys())
        for path in sorted(old.keys() | new.keys()):
            told = _file(path, old.get(path), new.get(path), same_place=same_place)
            if isinstance(told, Difference):
                differences.append(told)
            elif told:
                uncertain.append(told)
        if not same_place:
            left_out.append("the files of conda-meta and __pycache__: the prefixes differ, and these files tell them")
    elif before.files is not None or after.files is not None:
        left_out.append("files: one of the two was not taken deep")
    return Comparison(
        differences=tuple(differences),
        uncertain=tuple(dict.fromkeys(uncertain)),
        left_out=tuple(left_out),
        deep=before.files is not None and after.files is not None,
        packages=len({item.name for item in (*before.records, *after.records)}),
        distributions=len({item.name for item in (*before.dists, *after.dists)}),
        files=number,
    )


def _records(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    old, new = ({record.name: record for record in side.records} for side in (before, after))
    for name in sorted(old.keys() | new.keys()):
        one, two = old.get(name), new.get(name)
        what = _changed_record(one, two)
        if what:
            yield Difference("package", name, _record_text(one), _record_text(two), what)


def _changed_record(one: RecordState | None, two: RecordState | None) -> str:
    if one is None or two is None:
        return "only in the second" if one is None else "only in the first"
    if one.version != two.version:
        return "another version"
    if (one.build, one.subdir) != (two.build, two.subdir):
        return "another build"
    if one.hash and two.hash and len(one.hash) == len(two.hash):
        return "the same name, another file" if one.hash != two.hash else ""
    return "another channel" if one.channel != two.channel else ""


def _record_text(record: RecordState | None) -> str:
    return "" if record is None else f"{record.version} {record.build} ({record.channel or 'channel not known'})"


def _dists(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    old, new = _dists_by_place(before), _dists_by_place(after)
    for key in sorted(old.keys() | new.keys()):
        one, two = old.get(key), new.get(key)
        if one == two:
            continue
        if one is None or two is None:
            what = "only in the second" if one is None else "only in the first"
        elif one.version != two.version:
            what = "another version"
        else:
            what = "installed in another way"
        yield Difference("distribution", key[0], _dist_text(one), _dist_text(two), what)


def _dists_by_place(snapshot: Snapshot) -> dict[tuple[str, str, int], DistState]:
    """By name and place; a second one of the same name in the same place (a removal that broke off) counts on its own."""
    found: dict[tuple[str, str, int], DistState] = {}
    for dist in snapshot.dists:
        number = (
            sum(key[:2] == (dist.name, dist.location) for key in found) if (dist.name, dist.location, 0) in found else 0
        )
        found[dist.name, dist.location, number] = dist
    return found


def _dist_text(dist: DistState | None) -> str:
    if dist is None:
        return ""
    by = f"conda's {dist.owner}" if dist.owner else f"by {dist.installer or 'an unknown installer'}"
    return f"{dist.version} in {dist.location}, {by}{f', from {dist.url}' if dist.url else ''}"


def _settings(before: Snapshot, after: Snapshot, *, same_place: bool) -> Iterator[Difference]:
    pairs: list[tuple[str, str, str]] = [
        ("pinned packages", "; ".join(before.pins), "; ".join(after.pins)),
        ("asked for", "; ".join(before.asked_for), "; ".join(after.asked_for)),
        ("frozen", *("yes" if side.frozen else "" for side in (before, after))),  # type: ignore[list-item]  # two texts
        ("platform", before.subdir, after.subdir),
    ]
    for subject, one, two in pairs:
        if one != two:
            yield Difference("setting", subject, one, two, "not the same")
    old, new = dict(before.variables), dict(after.variables)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            what = "only in the second" if name not in old else "only in the first"
            yield Difference(
                "setting", f"variable {name}", "set" if name in old else "", "set" if name in new else "", what
            )
        elif old[name] != new[name] and same_place:
            yield Difference("setting", f"variable {name}", "set", "set to another value", "another value")


def _by_path(files: tuple[FileState, ...], *, same_place: bool) -> Mapping[str, FileState]:
    if same_place:
        return {file.path: file for file in files}
    return {
        file.path: file
        for file in files
        if "__pycache__" not in file.path.split("/") and file.path.split("/", 1)[0] != "conda-meta"
    }


def _file(path: str, one: FileState | None, two: FileState | None, *, same_place: bool) -> Difference | str:
    """What differs of one path: a difference; a sentence where it could not be compared; nothing where it is the same."""
    if one is None or two is None:
        what = "only in the second" if one is None else "only in the first"
        return Difference("file", path, _file_text(one), _file_text(two), what)
    if one.kind != two.kind:
        return Difference("file", path, _file_text(one), _file_text(two), "another kind of file")
    if one.mode != two.mode:
        return Difference("file", path, _file_text(one), _file_text(two), "another mode")
    if one.kind == "link" and one.content != two.content:
        return Difference("file", path, _file_text(one), _file_text(two), "leads elsewhere")
    if not same_place and one.moved and two.moved:
        same = one.moved == two.moved
        return "" if same else Difference("file", path, _file_text(one), _file_text(two), "another content")
    if one.kind == "file" and one.size != two.size:
        return Difference("file", path, _file_text(one), _file_text(two), "another size")
    if one.kind == "file" and not (one.content and two.content):
        return f"{path}: its content could not be read"
    if one.content != two.content:
        return Difference("file", path, _file_text(one), _file_text(two), "another content")
    return ""


def _file_text(file: FileState | None) -> str:
    if file is None:
        return ""
    if file.kind == "link":
        return f"a link to {file.content}"
    if file.kind != "file":
        return f"a {file.kind if file.kind == 'folder' else 'special file'}, mode {file.mode:o}"
    return f"{file.size} bytes, mode {file.mode:o}, sha256 {file.content[:16] or 'not known'}"
