"""``--show``: a window with the rendered frames. Nothing of a GUI is touched unless it is asked
for.
"""

from __future__ import annotations

__all__ = ["open_window"]

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.structures import Image

_QUIT_KEYS = {27, ord("q")}  # Esc


def open_window(title: str = "posetrack (q: stop)") -> Callable[[Image], bool]:
    """``show(picture)`` for ``PoseTracker.record``; False once the user pressed q or Esc. Raises
    UsageError.
    """
    import cv2

    from posetrack.errors import UsageError

    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise UsageError(
            "This OpenCV cannot open a window (no display, or opencv-python-headless is "
            "installed); leave out --show."
        ) from error

    def show(picture: Any) -> bool:
        cv2.imshow(title, picture[:, :, ::-1])
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS:
            with suppress(cv2.error):
                cv2.destroyWindow(title)
            return False
        return True

    return show
