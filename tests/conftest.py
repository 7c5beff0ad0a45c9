"""The tests run against the installed package, whose cli and weights lie in other folders of a checkout."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading

import pytest

# A Python started by a test must not find the checkout's posetrack/, which lacks cli and weights, before the installed.
os.environ["PYTHONSAFEPATH"] = "1"


def pytest_configure() -> None:
    # A shell that starts the tests in the background has Ctrl-C ignored, which every child would inherit.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if importlib.util.find_spec("posetrack") is None or importlib.util.find_spec("posetrack.cli") is None:
        raise pytest.UsageError(
            'posetrack is not installed: run `pip install ".[test]"`, then `pytest` (not `python -m pytest`, which '
            "puts the checkout before the installed package)."
        )
