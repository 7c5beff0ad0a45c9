"""Libraries that report home when they are imported are kept from it."""

from __future__ import annotations

__all__ = ["no_calls_home"]

import os
import sys

# what switches the reports of libraries off that are or may be imported (their own documentation)
SWITCHES = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "offline",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def no_calls_home() -> None:
    """To be called before OpenVINO, ptlflow and others are imported: nothing is looked up in the
    network, no identification of the user is written.

    OpenVINO imports ``openvino_telemetry`` where it is there, and does without where it is not.
    Nothing happens to a process that imported it itself; values that are set stay.
    """
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
