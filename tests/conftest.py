"""The tests run against whichever posetrack is found first: the installed one, or the checkout
(``python -m pytest``).
"""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from pathlib import Path

import pytest


def pytest_configure() -> None:
    # A shell that starts the tests in the background has Ctrl-C ignored, which every child would
    # inherit.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    found = importlib.util.find_spec("posetrack")
    if found is None or found.origin is None:
        raise pytest.UsageError(
            'posetrack is not found: run `pip install ".[test]"`, or `python -m pytest` here.'
        )
    # A Python started by a test must find the same posetrack, wherever it is started.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = str(Path(found.origin).parents[1])
