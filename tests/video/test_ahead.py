"""Jobs behind: in order, bounded, errors raised once."""

from __future__ import annotations

import threading

import pytest

from posetrack.video.ahead import Behind


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
