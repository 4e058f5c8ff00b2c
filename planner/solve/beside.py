"""One thread beside the one that reads and judges, in which an engine starts and solves.

An engine spends its time in another process or in native code, and a question has much to read that no engine waits for.
What is begun here is done in the order in which it was begun, so that an engine is never asked two things at once.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Result = TypeVar("_Result")


class Begin(Protocol):
    """Begins a piece of work; the function that comes back waits for it and returns its result, or raises its error."""

    def __call__(self, work: Callable[[], _Result], /) -> Callable[[], _Result]:
        """Begin it, after all that was begun before."""
        ...


@contextmanager
def beside() -> Iterator[Begin]:
    """A thread for the time of the context. Nobody waits for what is not asked for: it ends with the program."""
    waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
    threading.Thread(target=_work, args=(waiting,), daemon=True).start()

    def begin(work: Callable[[], _Result], /) -> Callable[[], _Result]:
        begun: Future[_Result] = Future()
        waiting.put((begun, work))
        return begun.result

    try:
        yield begin
    finally:
        waiting.put(None)


def _work(waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]) -> None:
    while (item := waiting.get()) is not None:
        begun, work = item
        try:
            begun.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is raised where the result is asked for
            begun.set_exception(error)
        del item, begun, work  # an engine goes when nobody else holds it
