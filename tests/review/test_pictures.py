"""Pictures by index: the very frames that the tracker saw, in any order, from any kind of file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import InputError
from posetrack.review.pictures import PORTRAIT_WH, PictureCache, Pictures
from posetrack.video.open import VideoWriter, open_source

COUNT, FPS, SIZE_WH = 120, 25.0, (96, 64)


def _numbered(index: int) -> np.ndarray:
    """A picture that says its own number: seven squares, black or white."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    for bit in range(7):
        image[20:40, 8 + 12 * bit : 18 + 12 * bit] = 235 if index >> bit & 1 else 20
    return image


def _number(image: np.ndarray) -> int:
    return sum(int(image[30, 13 + 12 * bit, 0] > 128) << bit for bit in range(7))


def _decoded(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("pictures")
    with VideoWriter(folder / "clip.mp4", SIZE_WH, FPS) as writer:
        for n in range(COUNT):
            writer.write(_numbered(n), n / FPS)
    avi = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE_WH)
    for n in range(COUNT):
        avi.write(_numbered(n))
    avi.release()
    (folder / "images").mkdir()
    for n in range(COUNT):
        cv2.imwrite(str(folder / "images" / f"{n}.png"), _numbered(n))
    return folder


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "images"])
@pytest.mark.parametrize("wrong", [0.0, 0.3, -0.3])
def test_any_frame_in_any_order(folder: Path, name: str, wrong: float) -> None:
    """Also where times are off: the decoder counts."""
    pictures = Pictures(folder / name, lambda n: max(0.0, n / FPS + wrong), image_fps=FPS)
    order = [0, 1, 2, 119, 118, 50, 49, 51, 100, 3, 60]
    assert [_number(_decoded(pictures.jpeg(n))) for n in order] == order
    assert pictures.size_wh == SIZE_WH
    pictures.close()


def test_a_frame_behind_the_end_is_one_sentence(folder: Path) -> None:
    pictures = Pictures(folder / "clip.mp4", lambda n: n / FPS)
    for _ in range(2):
        with pytest.raises(InputError, match="no frame 120; it ends before"):
            pictures.jpeg(COUNT)
    assert _number(_decoded(pictures.jpeg(COUNT - 1))) == COUNT - 1
    pictures.close()


def test_a_portrait_is_what_lies_in_the_box(folder: Path) -> None:
    pictures = Pictures(folder / "clip.mp4", lambda n: n / FPS)
    with open_source(folder / "clip.mp4") as source:
        image = next(f.image for f in source if f.index == 70)
    shot = _decoded(pictures.portrait(70, np.array([30.0, 15.0, 60.0, 45.0])))
    assert shot.shape == (PORTRAIT_WH[1], PORTRAIT_WH[0], 3)
    middle = shot[PORTRAIT_WH[1] // 2, PORTRAIT_WH[0] // 2].astype(int)
    np.testing.assert_allclose(middle[::-1], image[30, 45].astype(int), atol=12)
    pictures.close()


def test_the_cache_lets_the_oldest_go() -> None:
    cache = PictureCache(limit=30)
    for n in range(4):
        cache.put((n, False), b"x" * 10)
        cache.get((0, False))
    assert [cache.get((n, False)) is not None for n in range(4)] == [True, False, True, True]
    cache.put((0, False), b"y" * 30)
    assert cache.get((3, False)) is None
    assert cache.get((0, False)) == b"y" * 30
