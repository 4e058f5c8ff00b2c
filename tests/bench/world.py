"""What the benchmark is run on, made once and kept: a channel and an installation, each as large as asked for."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tests.bench.channel import Channel
from tests.bench.installation import install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DONE = "whole"


@dataclass(frozen=True)
class World:
    """A channel of about `records` records and an installation of `environments` environments out of it."""

    folder: Path
    records: int
    environments: int
    say: Callable[[str], None] = field(default=lambda _text: None, compare=False)
    packages: int = 330

    @cached_property
    def channel(self) -> Path:
        """The folder with `SUBDIR/repodata.json`."""
        folder = self.folder / f"channel-{self.records}"
        if not (folder / _DONE).exists():
            self.say(f"making a channel of {self.records} records")
            shutil.rmtree(folder, ignore_errors=True)
            self._generated.write(folder)
            (folder / _DONE).touch()
        return folder

    @cached_property
    def root(self) -> Path:
        """The root prefix, base in it and the other environments below `envs`."""
        folder = self.folder / f"installation-{self.records}-{self.environments}"
        if not (folder / _DONE).exists():
            channel = self.channel
            self.say(f"making an installation of {self.environments} environments")
            shutil.rmtree(folder, ignore_errors=True)
            install(self._generated, channel, folder, self.environments, packages=self.packages)
            (folder / _DONE).touch()
        return folder

    @property
    def work(self) -> Path:
        """A folder for what the programs leave: homes and caches."""
        return self.folder / f"work-{self.records}-{self.environments}"

    @cached_property
    def _generated(self) -> Channel:
        return Channel(self.records)
