"""The application: who is let in, and what it answers."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from posetrack.cli import main
from posetrack.editing.log import default_log_path
from posetrack.formats import native
from posetrack.review.app import STATIC, Review, review_app
from posetrack.review.packing import times_of
from posetrack.review.serve import ReviewOptions, review, tracks_beside
from posetrack.review.session import Session
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.track_table import table_of

TOKEN, PORT = "a-token", 8123
HOME = f"http://127.0.0.1:{PORT}"
FRAMES = 30


def _labels(index: int) -> FrameLabels:
    ids = [3, 7] if index < 20 else [3]
    n = len(ids)
    xy = np.full((n, 17, 2), index, np.float32)
    xy[:, 5] = np.nan
    boxes = Boxes([[5.0 * i, 5, 5.0 * i + 20, 50] for i in ids], [0.5] * n)
    return FrameLabels(
        index, index / 25, Tracks(ids, Poses(xy, np.full((n, 17), 0.9), boxes, COCO_17))
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    frames = tuple(_labels(i) for i in range(FRAMES))
    native.write(tmp_path / "clip.jsonl", Sequence("clip", (96, 64), 25.0, COCO_17, frames))
    (tmp_path / "clip").mkdir()
    for i in range(FRAMES):
        cv2.imwrite(str(tmp_path / "clip" / f"{i}.png"), np.full((64, 96, 3), 8 * i, np.uint8))
    return tmp_path


@pytest.fixture(name="app")
def _app(folder: Path) -> Iterator[ASGIApp]:
    shown = Review(Session(folder / "clip.jsonl", folder / "clip.edits.jsonl"), folder / "clip")
    yield review_app(shown, TOKEN, PORT)
    shown.close()


@pytest.fixture(name="client")
def _client(app: ASGIApp) -> TestClient:
    """A browser that came by the address with the token."""
    client = TestClient(app, base_url=HOME)
    client.headers["Origin"] = HOME
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def _post(client: TestClient, address: str, **data: object) -> dict[str, object]:
    answer = client.post(address, json=data)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def _refused(client: TestClient, status: int, *args: str, **more: object) -> str:
    """The sentence of a refusal."""
    answer = client.request(*args, **more)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    sentence = str(answer.json()["error"])
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# --- who is let in
# --------------------------------------------------------------------------------------------------

ADDRESSES = (
    "/",
    "/static/main.js",
    "/api/clip",
    "/api/state",
    "/api/moments",
    "/api/poses?first=0&last=5",
    "/frame/0.jpg",
    "/person/3.jpg",
    "/nothing",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_without_the_token(app: ASGIApp, address: str) -> None:
    client = TestClient(app, base_url=HOME)
    for cookie in ("", f"posetrack_{PORT}=wrong", f"posetrack_1={TOKEN}", "posetrack_8123", ";;="):
        headers = {"Cookie": cookie} if cookie else {}
        sentence = _refused(client, 403, "GET", address, headers=headers)
        assert sentence.startswith("Open the address")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1:80", "", "[::1]"])
def test_nothing_for_another_host(client: TestClient, address: str, host: str) -> None:
    """A name of somebody else that was bound to this address brings its own Host header."""
    sentence = _refused(client, 421, "GET", address, headers={"Host": host})
    assert "127.0.0.1 only" in sentence


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8123", ""])
def test_changes_come_from_our_page_only(client: TestClient, origin: str) -> None:
    for address in ("/api/edit", "/api/undo", "/api/redo", "/api/apply"):
        headers = {"Origin": origin}
        assert "review page only" in _refused(client, 403, "POST", address, headers=headers)


def test_the_token_leaves_the_address_at_once(app: ASGIApp) -> None:
    client = TestClient(app, base_url=HOME, follow_redirects=False)
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"posetrack_{PORT}={TOKEN}; HttpOnly;")
    assert "SameSite=strict" in cookie


def test_headers_shut_other_sites_out(client: TestClient) -> None:
    for address in ADDRESSES:
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "address",
    [
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/nothing.js",
        "/static/",
        "/clip.jsonl",
        "/frame/..%2f0.jpg",
        "/frame/-1.jpg",
    ],
)
def test_nothing_but_this_clip(client: TestClient, address: str) -> None:
    _refused(client, 404, "GET", address)


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for scheme in ("http:", "https:", "//cdn", "@import", "url(", "innerHTML", "eval("):
            assert scheme not in text, f"{path.name} has {scheme}"


# --- what it answers
# --------------------------------------------------------------------------------------------------


def test_the_clip_and_its_state(client: TestClient) -> None:
    clip = client.get("/api/clip").json()
    assert (clip["name"], clip["count"], clip["size_wh"]) == ("clip", FRAMES, [96, 64])
    assert clip["times"][:3] == [0, 0.04, 0.08]
    assert clip["joints"] == list(COCO_17.joints)
    people = {p["id"]: p for p in clip["state"]["people"]}
    assert people[3]["runs"] == [[0, 29]]
    assert people[7]["runs"] == [[0, 19]]
    assert clip["state"]["undo"] is None
    assert client.get("/api/state").json() == clip["state"]


def test_poses_of_a_window(client: TestClient) -> None:
    answer = client.get("/api/poses?first=18&last=21")
    content = answer.content
    n, k = struct.unpack_from("<2i", content)
    assert (n, k, answer.headers["x-version"]) == (6, 17, "0")
    assert struct.unpack_from("<6i", content, 8) == (18, 18, 19, 19, 20, 21)
    assert struct.unpack_from("<6d", content, 32) == (3, 7, 3, 7, 3, 3)
    values = np.frombuffer(content, "<f4", offset=32 + 48).reshape(n, 5 + 3 * k)
    assert values[1, :5].tolist() == [35, 5, 55, 50, 0.5]
    assert values[1, 5:8].tolist() == [18, 18, np.float32(0.9)]
    assert np.isnan(values[1, 5 + 15])
    odd = client.get("/api/poses?first=20&last=20").content
    assert len(odd) == 8 + 4 + 4 + 8 + 4 * (5 + 3 * k)
    assert len(client.get("/api/poses?first=500&last=510").content) == 8


def test_pictures(client: TestClient) -> None:
    for n in (4, 29, 0):
        answer = client.get(f"/frame/{n}.jpg?small=1")
        assert answer.headers["content-type"] == "image/jpeg"
        image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (64, 96, 3)
        assert abs(int(image[30, 40, 0]) - 8 * n) <= 2
    assert client.get("/person/7.jpg").headers["content-type"] == "image/jpeg"
    assert "no frame 30" in _refused(client, 404, "GET", "/frame/30.jpg")
    assert "no person 9" in _refused(client, 404, "GET", "/person/9.jpg")


def test_edits_undo_redo_apply(client: TestClient, folder: Path) -> None:
    swap = {"op": "swap", "a": 3, "b": 7, "start": 10}
    state = _post(client, "/api/edit", edit=swap, version=0)
    assert (state["version"], state["undo"]) == (1, "swap 3 and 7 from frame 10 on")
    log = (folder / "clip.edits.jsonl").read_text().splitlines()
    assert json.loads(log[1]) | {"at": ""} == {**swap, "at": ""}
    assert client.get("/api/poses?first=0&last=1").headers["x-version"] == "1"
    people = {p["id"]: p["runs"] for p in client.get("/api/state").json()["people"]}
    assert people == {3: [[0, 19]], 7: [[0, 29]]}
    assert _post(client, "/api/undo", version=1)["redo"] == "swap 3 and 7 from frame 10 on"
    assert "no edits yet" in _refused(client, 404, "POST", "/api/apply", json={})
    _post(client, "/api/redo", version=2)
    for _ in range(2):  # its own file it writes anew
        assert _post(client, "/api/apply") == {"file": "clip.mended.jsonl", "edits": 1}
    mended = native.read(folder / "clip.mended.jsonl")[0]
    assert [f.tracks.id.tolist() for f in mended.frames][9:11] == [[3, 7], [7, 3]]
    native.write(folder / "clip.mended.jsonl", native.read(folder / "clip.jsonl")[0])
    assert "not made by edits" in _refused(client, 409, "POST", "/api/apply", json={})


def test_moments_and_what_somebody_found_right(client: TestClient) -> None:
    found = client.get("/api/moments").json()
    assert found["version"] == 0
    one = next(m for m in found["moments"] if not m["accepted"])
    edit = {"op": "accept", **{k: one[k] for k in ("kind", "frame", "ids")}}
    _post(client, "/api/edit", edit=edit, version=0)
    again = client.get("/api/moments").json()["moments"]
    assert [m for m in again if m["accepted"]] == [{**one, "accepted": True}]


@pytest.mark.parametrize(
    ("status", "address", "body", "sentence"),
    [
        (400, "/api/edit", b"{", "is not JSON"),
        (400, "/api/edit", b"[" * 50_000, "is not JSON"),
        (400, "/api/edit", b"[]", "is no JSON object"),
        (400, "/api/edit", b'{"version": 0}', "is no edit"),
        (400, "/api/edit", b'{"edit": {"op": "delete", "id": 3}}', "version must be"),
        (400, "/api/edit", b'{"version": 0, "edit": {"op": "delete", "id": 9}}', "no person 9"),
        (409, "/api/edit", b'{"version": 5, "edit": {"op": "delete", "id": 3}}', "another window"),
        (404, "/api/undo", b'{"version": 0}', "nothing to undo"),
        (404, "/api/redo", b'{"version": 0}', "nothing to redo"),
        (400, "/api/undo", b" " * 70_000, "larger than 64 KiB"),
    ],
)
def test_bad_changes_get_one_sentence(
    client: TestClient, folder: Path, status: int, address: str, body: bytes, sentence: str
) -> None:
    headers = {"Content-Type": "application/json"}
    assert sentence in _refused(client, status, "POST", address, content=body, headers=headers)
    plain = {"Content-Type": "text/plain"}
    assert "must be JSON" in _refused(client, 400, "POST", address, content=body, headers=plain)
    assert not (folder / "clip.edits.jsonl").exists()


@pytest.mark.parametrize(
    "query",
    ["", "first=0", "first=a&last=2", "first=-1&last=2", "first=5&last=4", "first=0&last=1024"],
)
def test_bad_windows_get_one_sentence(client: TestClient, query: str) -> None:
    _refused(client, 400, "GET", f"/api/poses?{query}")


def test_methods(client: TestClient) -> None:
    _refused(client, 405, "GET", "/api/edit")
    _refused(client, 405, "POST", "/api/clip")


def test_times_of_frames_that_the_tracks_lack() -> None:
    frames = [_labels(i) for i in (10, 12, 14)]
    times = times_of(table_of(frames, COCO_17), 18, 25.0)
    np.testing.assert_allclose(times, np.arange(18) / 25, atol=1e-9)


def test_boxes_without_joints(folder: Path) -> None:
    """Of another tool, in a format without poses."""
    lines = [f"{n + 1},{i},{20 * i + n},10,20,40,0.9,-1,-1,-1" for n in range(30) for i in (1, 2)]
    (folder / "boxes.mot.txt").write_text("\n".join(lines) + "\n")
    log = default_log_path(folder / "boxes.mot.txt")
    shown = Review(Session(folder / "boxes.mot.txt", log), folder / "clip")
    client = TestClient(review_app(shown, TOKEN, PORT), base_url=HOME, headers={"Origin": HOME})
    client.get(f"/?token={TOKEN}")
    clip = client.get("/api/clip").json()
    assert (clip["joints"], clip["size_wh"]) == ([], [96, 64])
    content = client.get("/api/poses?first=0&last=0").content
    assert struct.unpack_from("<2i", content) == (2, 0)
    assert len(content) == 8 + 2 * (4 + 8 + 5 * 4)
    assert client.get("/api/moments").status_code == 200
    _post(client, "/api/edit", edit={"op": "swap", "a": 1, "b": 2, "start": 10}, version=0)
    assert log.name == "boxes.mot.txt.edits.jsonl"
    assert log.exists()
    shown.close()


# --- the command
# --------------------------------------------------------------------------------------------------


def _fails(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["review", *map(str, args), "--no-browser"])
    return int(end.value.code or 0), capsys.readouterr().err


def test_what_cannot_be_reviewed_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "There is no file" in _fails(capsys, folder / "gone.mp4")[1]
    (folder / "other.mp4").write_text("x")
    code, said = _fails(capsys, folder / "other.mp4")
    assert code == 1
    assert "make them with posetrack track" in said
    code, said = _fails(capsys, folder / "other.mp4", folder / "clip.jsonl")
    assert code == 1
    assert "is not a video" in said
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = _fails(capsys, folder / "clip", folder / "clip.jsonl", "--port", port)
    assert (code, said.count("\n")) == (2, 1)
    assert f"Port {port} cannot be used" in said


def test_tracks_lie_beside_the_video(folder: Path) -> None:
    assert tracks_beside(folder / "clip") == folder / "clip.jsonl"
    (folder / "clip.tracked.jsonl").write_bytes((folder / "clip.jsonl").read_bytes())
    assert tracks_beside(folder / "clip") == folder / "clip.tracked.jsonl"


def test_a_page_is_opened_on_loopback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    printed: list[str] = []
    bound: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(
        "uvicorn.Server.run", lambda _, sockets: bound.extend(s.getsockname()[0] for s in sockets)
    )
    review(folder / "clip", ReviewOptions(), say=print, started=printed.append)
    assert opened == printed
    assert printed[0].startswith("http://127.0.0.1:")
    assert len(printed[0].split("token=")[1]) >= 40
    assert bound == ["127.0.0.1"]
