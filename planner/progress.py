"""What is going on, for a person who waits: one live line on a terminal, or a line for each stage.

Everything goes to the stream that is passed in, stderr in practice: the report alone belongs to stdout. The core calls
a plain function with a text and knows nothing of this.
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from planner.render.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind: TypeAlias = Literal["none", "live", "lines"]

_TICK = 0.5  # seconds between two looks at the clock
_PATIENCE = 2  # seconds after which a stage is worth its time
_ERASE = "\r\x1b[K"


def kind(stream: TextIO, *, quiet: bool, verbose: bool) -> Kind:
    """What to show: nothing when quiet or where no person looks, lines when verbose, else one line that is rewritten."""
    if quiet:
        return "none"
    if verbose:
        return "lines"
    return "live" if stream.isatty() else "none"


@contextmanager
def progress(stream: TextIO, how: Kind) -> Iterator[Callable[[str], None]]:
    """A function that tells of a stage; what it has drawn is gone at the end, lines stay."""
    if how == "none":
        yield lambda _text: None
    elif how == "lines":
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
    over = threading.Event()
    lock = threading.Lock()
    stage = ("", 0.0)

    def draw() -> None:
        text, began = stage
        seconds = int(time.monotonic() - began)
        if text:
            width = shutil.get_terminal_size().columns - 1
            waited = f" ({seconds} s)" if seconds >= _PATIENCE else ""
            stream.write(f"{_ERASE}{visible(text)[: max(width - len(waited), 0)]}{waited}")
            stream.flush()

    def show(text: str) -> None:
        nonlocal stage
        with lock:
            if text != stage[0]:
                stage = (text, time.monotonic())
            draw()

    def tick() -> None:
        while not over.wait(_TICK):
            with lock:
                draw()

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield show
    finally:
        over.set()
        ticking.join()
        stream.write(_ERASE)
        stream.flush()
