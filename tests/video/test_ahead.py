"""Jobs behind: in order, bounded, errors raised once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from posetrack.video.ahead import Behind, map_ahead


def test_jobs_come_in_order() -> None:
    behind, done = Behind(depth=2), []
    for number in range(20):
        behind.do(done.append, number)
    behind.wait()
    assert done == list(range(20))
    behind.stop()


def test_no_more_wait_than_allowed() -> None:
    behind, gate, begun = Behind(depth=2), threading.Event(), []
    behind.do(gate.wait)
    behind.do(begun.append, 1)
    behind.do(begun.append, 2)  # two wait behind the one at work
    late = threading.Thread(target=behind.do, args=(begun.append, 3))
    late.start()
    late.join(0.05)
    assert late.is_alive()
    gate.set()
    late.join()
    behind.wait()
    assert begun == [1, 2, 3]
    behind.stop()


def test_an_error_is_raised_once_and_ends_what_waits() -> None:
    behind, gate, done = Behind(), threading.Event(), []

    def fail() -> None:
        gate.wait()
        raise OSError("disk full")

    behind.do(fail)
    behind.do(gate.wait)
    gate.set()
    with pytest.raises(OSError, match="disk full"):
        behind.wait()
    behind.wait()
    behind.do(done.append, 1)
    behind.wait()
    assert done == [1]
    behind.stop()


def test_jobs_ahead_come_in_order_though_the_first_ends_last() -> None:
    second = threading.Event()

    def job(number: int) -> int:
        if number == 0:
            assert second.wait(10)
        if number == 1:
            second.set()
        return number * number

    assert list(map_ahead(job, range(9), threads=2)) == [n * n for n in range(9)]


def test_jobs_ahead_are_bounded() -> None:
    begun, taken = [], []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    ahead = map_ahead(begun.append, items(), threads=2)
    next(ahead)
    ahead.close()
    assert len(taken) <= 1 + 2 + 2  # used, waiting in order, on their way there
    assert len(begun) <= len(taken)
    assert not [t for t in threading.enumerate() if t.name.startswith("look")]


def test_errors_of_jobs_and_items_come_in_their_place() -> None:
    def items() -> Iterator[int]:
        yield from (4, 2, 0)
        raise OSError("gone")

    ahead = map_ahead(lambda n: 8 / n, items(), threads=3)
    assert [next(ahead), next(ahead)] == [2.0, 4.0]
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    ahead = map_ahead(str, items(), threads=3)
    assert [next(ahead) for _ in range(3)] == ["4", "2", "0"]
    with pytest.raises(OSError, match="gone"):
        next(ahead)
