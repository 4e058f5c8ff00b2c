"""The thread in which an engine works while others read."""

import threading

import pytest

from planner.solve.beside import beside


def test_what_is_begun_is_done_in_order_while_others_go_on():
    told = []
    may_end = threading.Event()
    with beside() as begin:
        first = begin(lambda: (may_end.wait(10), told.append("first"))[0])
        second = begin(lambda: told.append("second") or len(told))
        told.append("meanwhile")
        may_end.set()
        assert (second(), first()) == (2 + 1, True)
    assert told == ["meanwhile", "first", "second"]


def test_an_error_is_raised_where_the_result_is_asked_for_and_the_next_goes_on():
    with beside() as begin:
        broken, sound = begin(lambda: {}["nothing"]), begin(lambda: 1)
        assert sound() == 1
        for _ in range(2):
            with pytest.raises(KeyError, match="nothing"):
                broken()


def test_the_thread_ends_with_the_context_and_lets_go_of_what_it_worked_on():
    before = set(threading.enumerate())  # of other tests; some of them may end meanwhile
    with beside() as begin:
        begin(lambda: 1)()
        (begun,) = set(threading.enumerate()) - before
    begun.join(10)
    assert not begun.is_alive()
