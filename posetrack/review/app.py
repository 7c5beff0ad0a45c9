"""The application: what the page asks for, and nothing but this clip."""

from __future__ import annotations

__all__ = ["Review", "review_app"]

import json
import threading
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from posetrack.editing.replay import apply_log
from posetrack.errors import FormatError, InputError, OutputError, PosetrackError
from posetrack.formats import native
from posetrack.formats.folder import base_name
from posetrack.review.guard import Guard
from posetrack.review.looks import Looks, look_changes
from posetrack.review.packing import clip_facts, pack_poses, state_facts, times_of
from posetrack.review.people import lanes_of
from posetrack.review.pictures import Pictures
from posetrack.review.session import Session, State
from posetrack.review.suspicions import review_moments

STATIC = Path(__file__).parent / "static"
MAX_WINDOW = 1024  # frames of poses in one answer
MAX_BODY = 1 << 16  # bytes of a request; an edit has some hundred
T = TypeVar("T")
KEEP = "private, max-age=86400"  # for pictures: the same address has the same picture


class Review:
    """The clip that a server shows: ``session`` and the pictures of ``video``."""

    def __init__(self, session: Session, video: str | Path) -> None:
        """Open the video. Raises InputError."""
        self.session = session
        sequence, base = session.sequence, session.base
        self.fps = sequence.fps or 25.0

        def time_of(index: int) -> float:
            return float(self.times[min(index, self.count - 1)])

        self.pictures = Pictures(video, time_of, image_fps=sequence.fps)
        # opened again, so that cutting out people does not move the place of playing
        self.portraits = Pictures(video, time_of, image_fps=sequence.fps)
        self.count = max(self.pictures.frame_count or 0, int(base.frames[-1]) + 1)
        self.times = times_of(base, self.count, self.fps)
        self.size_wh = sequence.size_wh or self.pictures.size_wh
        self.looks = Looks(base, video, self.size_wh, self.fps, quiet_s=self.pictures.quiet_s)
        self._lanes = _Latest(lambda state: lanes_of(state.table, self.count))
        self._moments = _Latest(self._make_moments)
        self._first_moments = _Latest(self._make_moments)
        self._portrait = lru_cache(512)(self._make_portrait)

    def close(self) -> None:
        """Let go of the video."""
        self.looks.close()
        self.pictures.close()
        self.portraits.close()

    def facts(self) -> dict[str, Any]:
        """The JSON object of the clip."""
        return clip_facts(self.session, self.times, self.size_wh, self.fps)

    def state(self) -> dict[str, Any]:
        """The JSON object of the tracks as they are now."""
        state = self.session.state
        return state_facts(state, self._lanes(state), self.session.next_identity())

    def moments(self) -> dict[str, Any]:
        """The suspicious moments of the tracks as they are now; ``accepted``: somebody said so.
        ``looking``: those that colours tell are not among them yet.
        """
        state, looking = self.session.state, not self.looks.done
        found = (self._first_moments if looking else self._moments)(state)
        return {"version": state.version, "looking": looking, "moments": found}

    def portrait(self, identity: int) -> bytes:
        """A JPEG of a person. Raises InputError."""
        for lane in self._lanes(self.session.state):
            if lane.identity == identity:
                return self._portrait(lane.best, tuple(lane.box.tolist()))
        raise InputError(f"There is no person {identity}.")

    def apply(self) -> dict[str, Any]:
        """Write the mended tracks beside the tracks. Raises InputError, OutputError."""
        tracks, log = self.session.tracks, self.session.log_path
        output = tracks.with_name(f"{base_name(tracks)}.mended.jsonl")
        if not self.session.state.history.done:
            raise InputError("There are no edits yet; the tracks are as they were.")
        if output.exists() and "edits" not in native.read(output)[0].meta:
            raise OutputError(f"{output} exists and was not made by edits; move it away.")
        count, _ = apply_log(tracks, log, output, force=True)
        return {"file": output.name, "edits": count}

    def _make_moments(self, state: State) -> list[dict[str, Any]]:
        accepted = {(e.kind, e.frame, e.ids) for e in state.accepted}
        changes = look_changes(state.table, *self.looks.of(state.table))
        found = review_moments(state.table, self.size_wh, self.fps, changes)
        return [
            {
                "kind": m.kind,
                "frame": m.frame,
                "ids": m.ids,
                "text": m.text,
                "accepted": (m.kind, m.frame, m.ids) in accepted,
            }
            for m in found
        ]

    def _make_portrait(self, frame: int, box: tuple[float, ...]) -> bytes:
        scale = self.portraits.size_wh[0] / self.size_wh[0]
        return self.portraits.portrait(frame, np.array(box) * scale)


class _Latest(Generic[T]):
    """What is made of a state, remembered until the state is another."""

    def __init__(self, make: Callable[[State], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._known: tuple[State, T] | None = None

    def __call__(self, state: State) -> T:
        with self._lock:
            if self._known is None or self._known[0] is not state:
                self._known = state, self._make(state)
            return self._known[1]


# --- answers
# --------------------------------------------------------------------------------------------------


def review_app(review: Review, token: str, port: int) -> ASGIApp:
    """The application of one clip, guarded (``guard.py``)."""
    session = review.session

    def page(request: Request) -> Response:
        session.reload()
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-store"})

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC_NAMES:
            raise HTTPException(404)
        return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})

    def clip(request: Request) -> Response:
        return JSONResponse({**review.facts(), "state": review.state()})

    def state(request: Request) -> Response:
        return JSONResponse(review.state())

    def moments(request: Request) -> Response:
        return JSONResponse(review.moments())

    def poses(request: Request) -> Response:
        first, last = _number(request, "first"), _number(request, "last")
        if not first <= last < first + MAX_WINDOW:
            raise FormatError(f"Ask for 1 to {MAX_WINDOW} frames of poses at a time.")
        now = session.state
        content = pack_poses(now.table, first, last)
        return Response(
            content, media_type="application/octet-stream", headers={"X-Version": str(now.version)}
        )

    def frame(request: Request) -> Response:
        small = request.query_params.get("small") == "1"
        content = review.pictures.jpeg(request.path_params["index"], small=small)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": KEEP})

    def person(request: Request) -> Response:
        content = review.portrait(request.path_params["identity"])
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": KEEP})

    def change(how: Callable[[dict[str, Any]], object]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            data = await _body(request)
            await run_in_threadpool(how, data)
            return JSONResponse(await run_in_threadpool(review.state))

        return endpoint

    async def apply(request: Request) -> Response:
        await _body(request)
        return JSONResponse(await run_in_threadpool(review.apply))

    routes = [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/api/clip", clip),
        Route("/api/state", state),
        Route("/api/moments", moments),
        Route("/api/poses", poses),
        Route("/frame/{index:int}.jpg", frame),
        Route("/person/{identity:int}.jpg", person),
        Route(
            "/api/edit",
            change(lambda d: session.edit(d.get("edit"), _version(d))),
            methods=["POST"],
        ),
        Route("/api/undo", change(lambda d: session.undo(_version(d))), methods=["POST"]),
        Route("/api/redo", change(lambda d: session.redo(_version(d))), methods=["POST"]),
        Route("/api/apply", apply, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={PosetrackError: _sentence, HTTPException: _sentence, 500: _fault},
    )
    return Guard(app, token, port)


STATIC_NAMES = frozenset(path.name for path in STATIC.iterdir())


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isdecimal() or len(text) > 12:
        raise FormatError(f"{name} must be a whole number of at least 0, not {text!r}.")
    return int(text)


def _version(data: dict[str, Any]) -> int:
    version = data.get("version")
    if not isinstance(version, int):
        raise FormatError("version must be that of the state that the page shows.")
    return version


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises FormatError."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise FormatError("The request must be JSON.")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY:
            raise FormatError(f"The request is larger than {MAX_BODY >> 10} KiB.")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError("The request is not JSON.") from error
    if not isinstance(data, dict):
        raise FormatError("The request is no JSON object.")
    return data


def _sentence(request: Request, error: Exception) -> Response:
    """One sentence for what the asker did wrong."""
    if isinstance(error, HTTPException):
        known = {404: "There is nothing at this address.", 405: "This is not to be asked so."}
        return JSONResponse(
            {"error": known.get(error.status_code, error.detail)}, error.status_code
        )
    status = (
        409 if isinstance(error, OutputError) else 400 if isinstance(error, FormatError) else 404
    )
    return JSONResponse({"error": str(error)}, status)


def _fault(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "The server met a fault of its own; its window says more."}, 500)
