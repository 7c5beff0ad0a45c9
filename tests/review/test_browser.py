"""The page in a real browser, served by the command: what it shows is what the tracks say, and what
is mended there is mended.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faulty_clip import FRAMES, SIZE_WH, write_clip

from posetrack.cli import main
from posetrack.editing.log import read_log
from posetrack.formats import native
from posetrack.structures import FrameLabels
from posetrack.video.open import open_source

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module", name="drawn")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(name="folder")
def _folder(drawn: Path, tmp_path: Path) -> Path:
    for file in drawn.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # as root Chromium has no sandbox; only this page is opened
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def _served(folder: Path, video: str = "clip.mp4") -> Iterator[str]:
    """The command runs; its address."""
    command = [sys.executable, "-m", "posetrack", "review", video, "clip.jsonl"]
    with subprocess.Popen(
        [*command, "--no-browser"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = server.stdout.readline().strip()
        assert address, server.stderr.read()
        try:
            yield address
        finally:
            server.send_signal(signal.SIGTERM)
            said = server.stderr.read()
    assert (server.returncode, said.count("\n")) == (0, 1), said


class Page:
    """The page, with its clicks counted; whatever it complains about fails the test."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.clicks, self.faults = page, 0, list[str]()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda m: m.type == "error" and self.faults.append(m.text))
        page.on("request", self._look_at)
        self.home = address.split("?")[0]
        page.goto(address)
        self.at(0)

    def _look_at(self, request: Any) -> None:
        if not request.url.startswith((self.home, "blob:")):
            self.faults.append(f"asks for {request.url}")

    def at(self, frame: int) -> None:
        """Wait until a frame is shown, picture and poses."""
        self.page.wait_for_selector(f'#picture[data-frame="{frame}"]')

    def version(self, version: int) -> None:
        """Wait until the poses of a version are shown."""
        self.page.wait_for_selector(f'#picture[data-version="{version}"]')

    def go(self, frame: int) -> None:
        """By the number of the frame."""
        self.page.fill("#frame", str(frame))
        self.page.press("#frame", "Enter")
        self.at(frame)

    def click(self, selector: str, **more: Any) -> None:
        """A click that counts."""
        self.clicks += 1
        self.page.click(selector, **more)

    def key(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def overlay(self) -> dict[int, np.ndarray]:
        """Where the joints are drawn on the canvas, by person: (K, 2)."""
        people = self.page.evaluate(
            "overlay.people.map(p => [p.id, p.joints.map(j => j.map(v => isNaN(v) ? null : v))])"
        )
        return {i: np.array(joints, np.float64) for i, joints in people}

    def transform(self) -> tuple[float, np.ndarray]:
        """Pixels of the screen a pixel of the video, and where the video begins: it is as large as
        fits, in the middle.
        """
        box = self.page.locator("#picture").bounding_box()
        scale = min(box["width"] / SIZE_WH[0], box["height"] / SIZE_WH[1])
        size = np.array([box["width"], box["height"]])
        return scale, (size - scale * np.array(SIZE_WH)) / 2

    def on_screen(self, xy: np.ndarray) -> np.ndarray:
        scale, start = self.transform()
        return start + (np.asarray(xy) + 0.5) * scale

    def point(self, xy: np.ndarray) -> tuple[float, float]:
        """A place of the video in the window."""
        box = self.page.locator("#picture").bounding_box()
        x, y = self.on_screen(xy)
        return box["x"] + x, box["y"] + y


@pytest.fixture(name="opened")
def _opened(folder: Path, browser: Any) -> Iterator[Page]:
    with _served(folder) as address:
        context = browser.new_context(viewport=WIDE)
        page = Page(context.new_page(), address)
        yield page
        context.close()
        assert page.faults == []


def _frames(path: Path) -> list[FrameLabels]:
    return list(native.read(path)[0].frames)


def _poses(labels: FrameLabels) -> dict[int, np.ndarray]:
    xy = labels.tracks.poses.xy.astype(np.float64)
    return dict(zip(labels.tracks.id.tolist(), xy, strict=True))


def _command(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in args])
    out = capsys.readouterr()
    assert not end.value.code, out.err
    return out.out


# --- what is shown
# --------------------------------------------------------------------------------------------------


def test_the_overlay_lies_where_the_tracks_say(opened: Page, folder: Path) -> None:
    frames = _frames(folder / "clip.jsonl")
    for n in (0, 33, 32, FRAMES - 1):
        opened.go(n)
        shown, expected = opened.overlay(), _poses(frames[n])
        assert shown.keys() == expected.keys()
        for identity, xy in expected.items():
            np.testing.assert_allclose(shown[identity], opened.on_screen(xy), atol=0.05)
    for _ in range(2):
        opened.key("ArrowLeft")
    opened.at(FRAMES - 3)
    opened.key("Home")
    opened.at(0)
    assert _ruler_is_as_wide_as_lanes(opened)


def test_the_picture_is_that_of_the_frame(opened: Page, folder: Path) -> None:
    """Without an overlay, what is on the screen is nearer to the frame than to its neighbours."""
    for name in ("limbs", "joints", "ids"):
        opened.page.click(f"#show-{name}")
    with open_source(folder / "clip.mp4") as source:
        images = [frame.image for frame in source]
    for n in (17, 40, 39):
        opened.go(n)
        shot = opened.page.locator("#picture").screenshot()
        image = cv2.imdecode(np.frombuffer(io.BytesIO(shot).read(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        scale, (left, top) = opened.transform()
        high, wide = round(scale * SIZE_WH[1]), round(scale * SIZE_WH[0])
        part = image[round(top) : round(top) + high, round(left) : round(left) + wide, ::-1]
        small = cv2.resize(part, SIZE_WH, interpolation=cv2.INTER_AREA).astype(float)
        errors = {k: np.abs(small - images[k]).mean() for k in range(n - 2, n + 3)}
        assert min(errors, key=lambda k: errors[k]) == n, errors


def test_zoom_keeps_what_is_below_the_pointer(opened: Page, folder: Path) -> None:
    opened.go(10)
    nose = _poses(_frames(folder / "clip.jsonl")[10])[1][0]
    x, y = opened.point(nose)
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -300)
    shown = opened.overlay()[1]
    # the wheel's place is told in whole pixels
    np.testing.assert_allclose(shown[0], opened.on_screen(nose), atol=1.5)
    span = np.nanmax(shown[:, 1]) - np.nanmin(shown[:, 1])
    opened.key("0")
    whole = opened.overlay()[1]
    assert span > 1.5 * (np.nanmax(whole[:, 1]) - np.nanmin(whole[:, 1]))


def test_playing_goes_to_the_end_frame_by_frame(opened: Page) -> None:
    opened.page.evaluate(
        "window.seen = []; new MutationObserver(() => seen.push(+picture.dataset.frame))"
        ".observe(picture, {attributeFilter: ['data-frame']})"
    )
    opened.page.select_option("#speed", "0.5")
    opened.go(FRAMES - 20)
    opened.page.click("#fit")
    opened.key("Space")
    opened.at(FRAMES - 1)
    seen = opened.page.evaluate("[...new Set(seen)]")
    assert seen == sorted(seen)
    assert seen[-1] == FRAMES - 1
    opened.page.wait_for_selector('#play[aria-label="Play"]')


def test_a_folder_of_large_pictures_is_sharp_when_zoomed(folder: Path, browser: Any) -> None:
    """For playing they are made smaller; who zooms sees them as they are."""
    (folder / "large").mkdir()
    size = (1600, 900)
    for n in range(3):
        cv2.imwrite(str(folder / "large" / f"{n}.jpg"), np.full((*size[::-1], 3), 80 * n, np.uint8))
    sequence = native.read(folder / "clip.jsonl")[0]
    frames = tuple(_frames(folder / "clip.jsonl")[:3])
    native.write(folder / "clip.jsonl", replace(sequence, frames=frames, size_wh=size))
    with _served(folder, "large") as address:
        context = browser.new_context(viewport=WIDE)
        opened = Page(context.new_page(), address)
        opened.go(1)
        opened.page.wait_for_selector('#picture[data-pixels="1280x720"]')
        opened.key("+")
        opened.page.wait_for_selector('#picture[data-pixels="1600x900"]')
        context.close()
        assert opened.faults == []


# --- mending
# --------------------------------------------------------------------------------------------------


def test_three_faults_in_under_twenty_clicks(
    opened: Page, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The showcase: look, mend, apply, score."""
    truth, tracks = folder / "truth.jsonl", folder / "clip.jsonl"
    before = json.loads(_command(capsys, "eval", "mot", truth, tracks, "--json"))
    assert before["total"]["IDF1"] < 65
    # who begins inside the picture was somebody else before
    for identity in (7, 8):
        opened.click(f".moment:has-text('{identity} ')")
        opened.click("#do-merge")
        opened.page.wait_for_selector(
            f"#edits li:has-text('merge'):nth-child({identity - 6})", state="attached"
        )
    # and two leave with each other's identity
    opened.clicks += 1
    opened.page.select_option("#kind", "switch")
    assert opened.page.locator(".moment").count() == 1
    opened.click("#next")
    opened.at(30)
    opened.click("#do-swap")
    opened.version(3)
    opened.click("#apply")
    opened.page.wait_for_selector("#says:has-text('clip.mended.jsonl is written')")
    assert opened.clicks < 20
    out = folder / "by_hand.jsonl"
    _command(capsys, "edit", "apply", tracks, folder / "clip.edits.jsonl", "-o", out)
    assert _frames_equal(out, folder / "clip.mended.jsonl")
    boxes = json.loads(_command(capsys, "eval", "mot", truth, out, "--json"))["total"]
    assert (boxes["IDF1"], boxes["MOTA"], boxes["IDs"]) == (100.0, 100.0, 0)
    poses = json.loads(_command(capsys, "eval", "posetrack", truth, out, "--json"))["total"]
    assert set(poses["identities"]["idf1"]) == set(poses["MOT"]["mota"]) == {100.0}


def _frames_equal(one: Path, other: Path) -> bool:
    return all(
        np.array_equal(a.tracks.id, b.tracks.id)
        for a, b in zip(_frames(one), _frames(other), strict=True)
    )


def test_what_is_pressed_is_clicked_though_its_list_changes(opened: Page) -> None:
    """Moments come in while somebody clicks on one; the click counts."""
    box = opened.page.locator(".moment").first.bounding_box()
    opened.page.mouse.move(box["x"] + 20, box["y"] + 10)
    opened.page.mouse.down()
    opened.page.evaluate("kind.value = 'crossing'; kind.onchange()")
    opened.page.wait_for_timeout(50)
    assert opened.page.locator(".moment:has-text('change places')").count() == 1
    opened.page.mouse.up()
    opened.at(30)
    opened.page.wait_for_selector("#do-swap")
    # and the list that waited is shown
    opened.page.wait_for_selector(".moment:has-text('change places')", state="detached")
    assert opened.page.locator(".moment").count() > 1


def test_a_button_beside_a_name_that_is_written(opened: Page, folder: Path) -> None:
    """The field is left by the press; the panel is built anew only after the click."""
    opened.page.click(".lane:has-text('Person 1') .who")
    opened.page.fill("#called", "Ada")
    opened.page.click("#do-flip")
    opened.page.wait_for_selector("#edits li:nth-child(2)", state="attached")
    names = [entry["op"] for entry in map(json.loads, _log_lines(folder))]
    assert names == ["name", "flip"]


def _log_lines(folder: Path) -> list[str]:
    return (folder / "clip.edits.jsonl").read_text().splitlines()[1:]


def test_swap_undo_redo_and_loading_again(opened: Page, folder: Path) -> None:
    tracks = (folder / "clip.jsonl").read_bytes()
    plain = _poses(_frames(folder / "clip.jsonl")[12])
    opened.go(12)
    opened.page.click(".lane:has-text('Person 1') .who")
    opened.page.click(".lane:has-text('Person 3') .who", modifiers=["Shift"])
    opened.key("s")
    opened.version(1)
    swapped = opened.overlay()
    np.testing.assert_allclose(swapped[1], opened.on_screen(plain[3]), atol=0.05)
    np.testing.assert_allclose(swapped[3], opened.on_screen(plain[1]), atol=0.05)
    opened.key("Control+z")
    opened.version(2)
    np.testing.assert_allclose(opened.overlay()[1], opened.on_screen(plain[1]), atol=0.05)
    opened.key("Control+Shift+Z")
    opened.version(3)
    opened.page.reload()
    opened.at(12)
    np.testing.assert_allclose(opened.overlay()[3], opened.on_screen(plain[1]), atol=0.05)
    assert opened.page.locator("#undo").is_enabled()
    opened.key("u")
    opened.version(4)
    np.testing.assert_allclose(opened.overlay()[1], opened.on_screen(plain[1]), atol=0.05)
    assert read_log(folder / "clip.edits.jsonl")[1].done == ()
    assert (folder / "clip.jsonl").read_bytes() == tracks


def test_a_joint_is_dragged(opened: Page, folder: Path) -> None:
    opened.go(12)
    knee = native.read(folder / "clip.jsonl")[0].skeleton.joints.index("right_knee")
    xy = _poses(_frames(folder / "clip.jsonl")[12])[1]
    opened.page.mouse.click(*opened.point(np.nanmean(xy, axis=0)))
    opened.page.wait_for_selector("#called")
    goal = xy[knee] + [14, -9]
    opened.page.mouse.move(*opened.point(xy[knee]))
    opened.page.mouse.down()
    opened.page.mouse.move(*opened.point(xy[knee] + [5, 0]))
    opened.page.mouse.move(*opened.point(goal))
    opened.page.mouse.up()
    opened.version(1)
    np.testing.assert_allclose(opened.overlay()[1][knee], opened.on_screen(goal), atol=0.6)
    opened.key("Alt+ArrowRight")
    opened.version(2)
    np.testing.assert_allclose(
        opened.overlay()[1][knee], opened.on_screen(goal + np.array([1, 0])), atol=0.6
    )
    opened.key("h")
    opened.version(3)
    assert np.isnan(opened.overlay()[1][knee]).all()
    opened.page.click("#place")
    opened.page.mouse.click(*opened.point(goal))
    opened.version(4)
    np.testing.assert_allclose(opened.overlay()[1][knee], opened.on_screen(goal), atol=0.6)
    done = read_log(folder / "clip.edits.jsonl")[1].done
    assert [(e.people(), getattr(e, "frame", None)) for e in done] == [((1,), 12)] * 4


def test_everything_by_keys(opened: Page, folder: Path) -> None:
    """Choose, name, mark a range, exchange sides, delete, split, find a moment right."""
    page = opened.page
    page.locator("#picture").focus()
    opened.key("ArrowDown")
    page.wait_for_selector("#called")
    opened.key("e")
    page.keyboard.type("Ada")
    opened.key("Enter")
    page.wait_for_selector(".lane:has-text('Ada')")
    for keys in ("ArrowRight", "ArrowRight", "[", "Shift+ArrowRight", "]", "f"):
        opened.key(keys)
    opened.version(2)
    opened.key("x")
    opened.version(3)
    opened.key("Delete")
    opened.version(4)
    page.wait_for_selector('#moments[data-version="4"][data-looking="false"]')
    opened.key("n")
    page.wait_for_selector("#moments .now")
    opened.key("a")
    opened.version(5)
    page.wait_for_selector("#moments .accepted")
    opened.key("?")
    assert page.locator("#keys").is_visible()
    opened.key("Escape")
    page.wait_for_selector("#keys", state="hidden")
    first = native.read(folder / "clip.jsonl")[0]
    identity = min(next(iter(first.frames)).tracks.id.tolist())
    lines = [json.loads(line) for line in (folder / "clip.edits.jsonl").read_text().splitlines()]
    name, flip, split, delete, accept = ({**line, "at": ""} for line in lines[1:])
    assert name == {"op": "name", "id": identity, "name": "Ada", "at": ""}
    assert flip == {"op": "flip", "id": identity, "start": 2, "end": 12, "at": ""}
    assert split == {"op": "split", "id": identity, "start": 12, "new": 9, "at": ""}
    assert delete == {"op": "delete", "id": 9, "start": 2, "end": 12, "at": ""}
    assert accept["op"] == "accept"


def _ruler_is_as_wide_as_lanes(opened: Page) -> bool:
    """So that a place on it is the same time on all of them."""
    ruler = opened.page.locator("#ruler").bounding_box()
    lane = opened.page.locator(".lane canvas").first.bounding_box()
    return bool(ruler["x"] == lane["x"] and ruler["width"] == lane["width"])


def test_a_telephone(folder: Path, browser: Any) -> None:
    """Nothing is wider than the window, and every control has a name."""
    with _served(folder) as address:
        context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True)
        opened = Page(context.new_page(), address)
        opened.page.click("#next")
        opened.page.wait_for_selector("#called")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert _ruler_is_as_wide_as_lanes(opened)
        nameless = opened.page.evaluate(
            "[...document.querySelectorAll('button, input, select')].filter(e => !(e.textContent."
            "trim() || e.ariaLabel || e.labels?.length || e.title)).map(e => e.outerHTML)"
        )
        assert nameless == []
        opened.page.select_option("#with", index=1)
        opened.page.wait_for_selector("#do-swap")
        context.close()
        assert opened.faults == []


def test_when_the_server_has_ended(folder: Path, browser: Any) -> None:
    """The page says so; what was done is there when it runs again."""
    context = browser.new_context(viewport=WIDE)
    with _served(folder) as address:
        opened = Page(context.new_page(), address)
        opened.page.click(".lane:has-text('Person 1') .who")
        opened.key("Delete")
        opened.version(1)
    opened.key("u")
    opened.page.wait_for_selector("#says:has-text('every edit is saved')")
    with _served(folder) as address:
        again = Page(context.new_page(), address)
        assert (
            again.page.locator("#undo").get_attribute("title") == "Undo: delete 1 from frame 0 on"
        )
        assert again.faults == []
    context.close()
