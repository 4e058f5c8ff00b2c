"""What one migration has done so far, on disk before and after each step, so that being killed loses nothing.

One JSON object a line, each written with fsync. A line that was cut short by a kill never happened: it is dropped. The
journal lies in a folder of the user's own state, one for each new prefix, with the plan and the logs beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from planner.errors import InputError, MigrationStopped

Event: TypeAlias = Literal["start", "begin", "done", "failed", "undo"]
State: TypeAlias = Literal["to do", "begun", "failed", "done"]


class Journal:
    """The journal of the migration into one new prefix."""

    def __init__(self, state_dir: str, prefix: str) -> None:
        key = hashlib.sha256(os.path.realpath(prefix).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.state_dir = state_dir
        self.folder = os.path.join(state_dir, "apply", key)
        self.path = os.path.join(self.folder, "journal.jsonl")
        self.entries: list[dict[str, Any]] = self._read()

    @property
    def plan_digest(self) -> str | None:
        """The digest of the plan that is under way, None when none is."""
        return next((entry["plan"] for entry in self.entries if entry["event"] == "start"), None)

    @property
    def undoing(self) -> bool:
        """Whether taking back has begun."""
        return any(entry["event"] == "undo" for entry in self.entries)

    def state(self, step: str) -> State:
        """How far a step got."""
        states: dict[str, State] = {"begin": "begun", "failed": "failed", "done": "done"}
        return next((states[entry["event"]] for entry in reversed(self.entries) if entry.get("step") == step), "to do")

    def fact(self, step: str, key: str) -> Any:
        """The last value noted under `key` for a step, None without one."""
        return next(
            (entry[key] for entry in reversed(self.entries) if entry.get("step") == step and key in entry), None
        )

    def start(self, digest: str, files: dict[str, str]) -> None:
        """Make the folder with the files that the steps use, and open the journal for a plan, or go on with it."""
        try:
            if self.plan_digest is None:
                self._clear()
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            for name, text in files.items():
                with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
                    stream.write(text)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        if self.plan_digest is None:
            self._append({"event": "start", "plan": digest})
            _sync_folder(self.folder)
            _sync_folder(os.path.dirname(self.folder))

    def note(self, event: Event, step: str = "", **facts: Any) -> None:
        """Write down one event; on return it is on disk."""
        self._append({"event": event, "step": step, **facts})

    def discard(self) -> None:
        """Remove the folder, the journal itself last, and what held nothing else."""
        self._clear()
        for empty in (self.folder, os.path.dirname(self.folder)):  # a kill may have left the outer one alone
            with suppress(OSError):
                os.rmdir(empty)
        self.entries = []

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                path = os.path.join(self.folder, name)
                if path != self.path:
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
            os.unlink(self.path)

    def _read(self) -> list[dict[str, Any]]:
        try:
            with open(self.path, "rb") as stream:
                content = stream.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from None
        entries = []
        for line in content.split(b"\n")[:-1]:  # what follows the last line feed was cut short
            try:
                entry = json.loads(line)
            except ValueError:
                raise InputError(f"{self.path}: it is damaged; look at it, and remove its folder by hand") from None
            entries.append(entry)
        return entries

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, sort_keys=True).encode("ascii") + b"\n"
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                end = _whole_lines(descriptor)
                os.ftruncate(descriptor, end)
                os.lseek(descriptor, end, os.SEEK_SET)
                written = os.write(descriptor, line)
                if written != len(line):
                    os.ftruncate(descriptor, end)
                    raise OSError(28, "No space left on device")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self.entries.append(json.loads(line))


def _whole_lines(descriptor: int) -> int:
    """The length in bytes of what ends in a line feed."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = b""
    while len(content) < size:
        content += os.read(descriptor, size - len(content))
    return content.rfind(b"\n") + 1


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: str, error: OSError) -> MigrationStopped:
    return MigrationStopped(
        f"{path} cannot be written ({error.strerror or error}), and nothing is done that is not on record: "
        "make room or mend the permissions, then run the same command again"
    )
