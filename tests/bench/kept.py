"""What was measured, kept as JSON beside the page: parts are measured on different days, and each says when and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.bench.measure import Measured  # noqa: TC001 -- the decoder looks the type up

if TYPE_CHECKING:
    from pathlib import Path

NAME = "performance.json"


class Setting(msgspec.Struct, frozen=True):
    """When, where and on what a part was measured; `mamba` and `conda` are the peers' versions, None where not at hand."""

    date: str
    machine: str
    records: int
    environments: int
    runs: int
    mamba: str | None = None
    conda: str | None = None


class Part(msgspec.Struct, frozen=True):
    """The rows of one part."""

    setting: Setting
    rows: tuple[Measured, ...]


class Compared(msgspec.Struct, frozen=True):
    """One environment asked in several ways: whether all answers are one, and the seconds of each way's solve."""

    environment: str
    engine: str
    equal: bool
    seconds: dict[str, float]


class Equality(msgspec.Struct, frozen=True):
    """The answers that were compared."""

    setting: Setting
    compared: tuple[Compared, ...]


class Results(msgspec.Struct):
    """Everything on the page but for what people write."""

    parts: dict[str, Part] = {}
    equality: Equality | None = None


def read(folder: Path) -> Results:
    """What is kept in a folder; nothing where there is no file."""
    path = folder / NAME
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


def write(folder: Path, results: Results) -> None:
    """Keep it, in a form that can be read and compared line by line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
