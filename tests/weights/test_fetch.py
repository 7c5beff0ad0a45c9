"""Downloads: resumed, verified, from mirrors, offline; against a small server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from posetrack.errors import OutputError, UsageError, WeightsError
from posetrack.weights import fetch, hashes, manifest, path_of

BODY = bytes(range(256)) * 4000  # about 1 MB
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Paths say how the server behaves: /whole, /ranges, /breaks (each answer stops half-way),
    /wrong, /missing, /endless (64 MiB, unannounced).
    """

    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        kind, asked = self.path.split("/")[1], self.headers.get("Range")
        self.seen.append((kind, asked))
        if kind == "missing":
            self.send_error(404)
            return
        body = BODY[::-1] if kind == "wrong" else BODY
        start = (
            int(re.match(r"bytes=(\d+)-", asked)[1])
            if asked and kind in ("ranges", "breaks")
            else 0
        )
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if kind != "endless":  # says how long it is
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if kind == "endless":
            with suppress(OSError):
                for _ in range(64):
                    self.wfile.write(bytes(1 << 20))
            return
        end = (
            start + (len(body) - start) // 2
            if kind == "breaks" and start < len(body) // 2
            else len(body)
        )
        with suppress(OSError):  # whoever asked may have seen enough
            self.wfile.write(body[start:end])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("POSETRACK_OFFLINE", "POSETRACK_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    Handler.seen.clear()


def offer(
    monkeypatch: pytest.MonkeyPatch, *urls: str, sha256: str = SHA[:8], **more: object
) -> manifest.Entry:
    """Put one checkpoint named "toy" into the manifest."""
    entry = manifest.Entry("toy", "pose", "toy.pth", urls=urls, sha256=sha256, **more)
    table = {"toy": entry}
    monkeypatch.setattr(manifest, "entries", lambda: table)
    monkeypatch.setattr(fetch, "entries", lambda: table)
    return entry


def leftovers() -> list[str]:
    folder = manifest.download_folder()
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_download_is_verified_and_its_hash_recorded(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, f"{server}/whole/toy.pth")
    steps: list[tuple[int, int | None]] = []
    path = path_of("toy", progress=lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == BODY
    assert steps[-1] == (len(BODY), len(BODY))
    assert leftovers() == ["hashes.json", "toy.pth"]
    assert json.loads((path.parent / "hashes.json").read_text())["toy.pth"]["sha256"] == SHA
    path_of("toy")
    assert len(Handler.seen) == 1  # the second time it is in the cache


def test_a_download_is_taken_up_where_it_stopped(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = offer(monkeypatch, f"{server}/ranges/toy.pth")
    entry.path.parent.mkdir(parents=True)
    entry.path.with_name("toy.pth.part").write_bytes(BODY[:300_000])
    assert path_of("toy").read_bytes() == BODY
    assert Handler.seen == [("ranges", "bytes=300000-")]


def test_a_broken_connection_is_resumed(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{server}/breaks/toy.pth")
    assert path_of("toy").read_bytes() == BODY
    assert [asked for _, asked in Handler.seen] == [None, f"bytes={len(BODY) // 2}-"]


def test_a_server_without_ranges_starts_over(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = offer(monkeypatch, f"{server}/whole/toy.pth")
    entry.path.parent.mkdir(parents=True)
    entry.path.with_name("toy.pth.part").write_bytes(b"x" * 1000)
    assert path_of("toy").read_bytes() == BODY


def test_a_wrong_beginning_is_thrown_away(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = offer(monkeypatch, f"{server}/ranges/toy.pth")
    entry.path.parent.mkdir(parents=True)
    part = entry.path.with_name("toy.pth.part")
    part.write_bytes(b"x" * 1000)
    assert path_of("toy").read_bytes() == BODY
    assert [asked for _, asked in Handler.seen] == ["bytes=1000-", None]
    entry.path.unlink()
    part.write_bytes(BODY + b"more than all")  # the server answers 416
    assert path_of("toy").read_bytes() == BODY


def test_a_complete_part_needs_no_second_download(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = offer(monkeypatch, f"{server}/ranges/toy.pth")
    entry.path.parent.mkdir(parents=True)
    entry.path.with_name("toy.pth.part").write_bytes(BODY)
    assert path_of("toy").read_bytes() == BODY


@pytest.mark.parametrize("kind", ["whole", "endless"])
def test_a_download_never_grows_beyond_the_manifest(
    server: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Neither where the server says how much comes, nor where it does not."""
    monkeypatch.setattr(sys.modules[__name__], "BODY", bytes(8 << 20))
    offer(monkeypatch, f"{server}/{kind}/toy.pth", size_mb=1.0)
    steps: list[int] = []
    with pytest.raises(WeightsError, match="larger than the file that is wanted"):
        path_of("toy", progress=lambda done, total: steps.append(done))
    assert max(steps, default=0) <= 5 << 20
    assert leftovers() == []


def test_two_downloads_of_one_file_are_one(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{server}/whole/toy.pth")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: path_of("toy", progress=lambda *_: None), range(4)))
    assert {path.read_bytes() for path in found} == {BODY}
    assert len(Handler.seen) == 1
    assert leftovers() == ["hashes.json", "toy.pth"]


def test_a_corrupt_download_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{server}/wrong/toy.pth")
    with pytest.raises(WeightsError, match=f"corrupt, its SHA-256 is .* instead of {SHA[:8]}"):
        path_of("toy")
    assert leftovers() == []


def test_mirrors_are_tried_in_turn(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(
        monkeypatch,
        f"{server}/missing/toy.pth",
        f"{server}/wrong/toy.pth",
        f"{server}/whole/toy.pth",
    )
    assert path_of("toy").read_bytes() == BODY
    assert [kind for kind, _ in Handler.seen] == ["missing", "wrong", "whole"]


def test_a_mirror_of_ones_own(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = offer(monkeypatch, f"{server}/missing/toy.pth")
    monkeypatch.setenv("POSETRACK_MIRROR", f"{server}/whole/")
    assert path_of("toy").read_bytes() == BODY
    entry.path.unlink()
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "toy.pth").write_bytes(BODY)
    monkeypatch.setenv("POSETRACK_MIRROR", (tmp_path / "share").as_uri())
    assert path_of("toy").read_bytes() == BODY


@pytest.mark.parametrize("way", ["option", "environment", "nobody answers", "404"])
def test_without_a_network_the_message_says_all(
    way: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = {"nobody answers": "http://127.0.0.1:9/toy.pth", "404": f"{server}/missing/toy.pth"}.get(
        way, f"{server}/whole/t"
    )
    entry = offer(monkeypatch, url)
    if way == "environment":
        monkeypatch.setenv("POSETRACK_OFFLINE", "1")
    with pytest.raises(WeightsError) as info:
        path_of("toy", offline=way == "option")
    text = str(info.value)
    assert url in text
    assert str(entry.path) in text
    assert SHA[:8] in text
    assert "\n" not in text
    assert [kind for kind, _ in Handler.seen] == (["missing"] if way == "404" else [])


def test_a_file_put_there_by_hand_is_used_and_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = offer(monkeypatch, sha256="", by_hand=True)
    with pytest.raises(WeightsError, match="by hand"):
        path_of("toy")
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(BODY)
    assert path_of("toy", offline=True) == entry.path
    entry.path.write_bytes(BODY[::-1])
    os.utime(entry.path, ns=(1, 1))
    with pytest.raises(WeightsError, match="not the file it should be"):
        path_of("toy")


def test_a_file_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = offer(monkeypatch)
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(BODY)
    path_of("toy")
    monkeypatch.setattr(hashes, "sha256_of", lambda _: pytest.fail("read again"))
    path_of("toy")


def test_a_full_disk_is_one_sentence(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{server}/whole/toy.pth")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match="No space left on device"):
        path_of("toy")


def test_a_cache_that_cannot_be_made(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, f"{server}/whole/toy.pth")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="Cannot write"):
        path_of("toy")


def test_an_unknown_name_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch)
    with pytest.raises(UsageError, match="toy"):
        path_of("toi")
