"""Batches side by side: order, errors, the number of threads, and the same bits as one after the
other.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from posetrack.inference.batches import BatchThreads
from posetrack.nets import build
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, InputSpec


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def on_another_thread() -> int:
    """How many threads torch would use on a new one."""
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    return found[0]


@pytest.mark.usefixtures("two_threads")
def test_results_come_in_order_from_threads_that_compute_alone() -> None:
    threads = BatchThreads()
    seen: set[str] = set()
    elsewhere = on_another_thread()

    def job(part: int) -> tuple[int, int]:
        seen.add(threading.current_thread().name)
        return part, torch.get_num_threads()

    assert threads.map(job, list(range(20))) == [(i, 1) for i in range(20)]
    assert threading.current_thread().name not in seen
    assert torch.get_num_threads() == 2
    assert on_another_thread() == elsewhere  # threads of others are left as they were


@pytest.mark.usefixtures("two_threads")
def test_few_parts_run_where_they_are_asked_for() -> None:
    assert BatchThreads().map(lambda _: threading.current_thread(), [1]) == [
        threading.current_thread()
    ]


def test_few_parts_run_side_by_side_where_that_is_worth_it() -> None:
    both = threading.Barrier(2, timeout=10)  # passed only by two at once
    assert len(BatchThreads(lambda: 4).map(lambda _: both.wait(), [1, 2], few=True)) == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_comes_out() -> None:
    with pytest.raises(ZeroDivisionError):
        BatchThreads().map(lambda x: 1 / x, [1, 0, 2])


@pytest.mark.usefixtures("two_threads")
def test_poses_have_the_same_bits_as_on_one_thread_after_the_other() -> None:
    torch.manual_seed(0)
    net = build(
        "hrnet_w32", joints=15, width=8, modules=(1, 1, 1), blocks=1, stem=16, stem_blocks=1
    )
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    low = rng.uniform(0, 100, (21, 2))
    boxes = Boxes(np.concatenate([low, low + rng.uniform(20, 90, (21, 2))], axis=1), np.ones(21))
    together, alone = (
        PoseEstimator(net, InputSpec((96, 128)), POSETRACK_15, device="cpu") for _ in range(2)
    )
    alone.side_by_side = False
    a, b = together.estimate([image], [boxes])[0], alone.estimate([image], [boxes])[0]
    np.testing.assert_array_equal(a.xy, b.xy)
    np.testing.assert_array_equal(a.score, b.score)
