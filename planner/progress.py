"""What is going on, for a person who waits: one live line on a terminal, or a line for each stage.

Everything goes to the stream that is passed in, stderr in practice: the report alone belongs to stdout. The core calls
a plain function with a text and knows nothing of this.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from planner.render.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Task

Kind: TypeAlias = Literal["none", "live", "lines"]

_A_SECOND = 8  # times that the line is drawn anew
_BESIDE = 12  # columns of what stands around a stage: "| " and " (1234 s)"
_PATIENCE = 2  # seconds after which a stage is worth its time


def kind(stream: TextIO, *, quiet: bool, verbose: bool) -> Kind:
    """What to show: nothing when quiet or where no person looks, lines when verbose, else one line that is rewritten."""
    if quiet:
        return "none"
    if verbose:
        return "lines"
    return "live" if stream.isatty() else "none"


@contextmanager
def progress(stream: TextIO, how: Kind) -> Iterator[Callable[[str], None]]:
    """A function that tells of a stage, from any thread; what it has drawn is gone at the end, lines stay."""
    if how == "none":
        yield lambda _text: None
        return
    # An engine's thread tells of stages, too: one is drawn before the next is told.
    lock = threading.Lock()
    with _shown(stream, how) as show:

        def tell(text: str) -> None:
            with lock:
                show(text)

        yield tell


@contextmanager
def _shown(stream: TextIO, how: Kind) -> Iterator[Callable[[str], None]]:
    if how == "lines":
        began = time.monotonic()
        last = ""

        def tell(text: str) -> None:
            nonlocal last
            if text != last:  # a search asks the engine many times, and is one stage
                _line(stream, began, text)
            last = text

        yield tell
        _line(stream, began, "done")
    else:
        with _live(stream) as show:
            yield show


def _line(stream: TextIO, began: float, text: str) -> None:
    stream.write(f"planner: {time.monotonic() - began:6.1f} s  {visible(text)}\n")
    stream.flush()


@contextmanager
def _live(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """One line that is rewritten; a stage that takes long counts its seconds, so that nobody takes it for hung."""
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn
    from rich.text import Text

    class Waited(ProgressColumn):
        """The seconds of a stage, once they are worth it."""

        def render(self, task: Task) -> Text:
            seconds = int(task.elapsed or 0)
            return Text(f"({seconds} s)" if seconds >= _PATIENCE else "")

    columns = (SpinnerColumn("line", style=""), TextColumn("{task.description}", markup=False), Waited())
    console = Console(file=stream, highlight=False, emoji=False)
    if console.is_dumb_terminal:
        yield lambda _text: None
        return
    with Progress(*columns, console=console, transient=True, refresh_per_second=_A_SECOND) as shown:
        task, last = shown.add_task("", total=None, visible=False), ""

        def show(text: str) -> None:
            nonlocal last
            if text != last:
                shown.reset(task, description=visible(text)[: max(console.width - _BESIDE, 0)], visible=True)
            last = text

        yield show
