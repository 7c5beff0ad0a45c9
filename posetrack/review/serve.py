"""Serving a review on this machine, and finding the tracks of a clip."""

from __future__ import annotations

__all__ = ["ReviewOptions", "review", "tracks_beside"]

import logging
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from posetrack.editing.log import default_log_path
from posetrack.errors import InputError, UsageError
from posetrack.formats.folder import track_file
from posetrack.recording.identity import source_identity
from posetrack.video.open import open_source

HOST = "127.0.0.1"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """``tracks``: None for those beside the video; ``edits``: the log, None for the one beside the
    tracks; ``port``: 0 for a free one; ``browser``: open the page.
    """

    tracks: Path | None = None
    edits: Path | None = None
    port: int = 0
    browser: bool = True


def review(video: str | Path, options: ReviewOptions, *, say: Say, started: Say) -> None:
    """Serve the review of a clip until it is interrupted.

    ``started`` gets the address of the page, once; ``say`` a warning. Raises InputError,
    FormatError, UsageError (also where Starlette and uvicorn are not installed).
    """
    try:
        import uvicorn

        from posetrack.review.app import Review, review_app
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError(
            "posetrack review needs Starlette and uvicorn: pip install 'posetrack[review]'"
        ) from error
    from posetrack.review.session import Session

    tracks = track_file(options.tracks) if options.tracks else tracks_beside(Path(video))
    session = Session(tracks, options.edits or default_log_path(tracks))
    _warn_of_others(session.sequence.meta.get("source"), video, say)
    shown = Review(session, video)
    listener = _listen(options.port)
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(32)
    address = f"http://{HOST}:{port}/?token={token}"
    server = uvicorn.Server(
        uvicorn.Config(
            review_app(shown, token, port),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    # requests that the end cuts short are no news
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    shown.looks.start()
    try:
        started(address)
        if options.browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # the way to end a review
            server.run(sockets=[listener])
    finally:
        listener.close()
        shown.close()


def tracks_beside(video: Path) -> Path:
    """The tracks of a video that ``track`` left beside it. Raises InputError."""
    names = [f"{video.stem}.tracked.jsonl", f"{video.stem}.jsonl"]
    if video.is_dir():
        names = [f"{video.name}.tracked.jsonl", f"{video.name}.jsonl"]
    found = [video.parent / name for name in names if (video.parent / name).is_file()]
    if not video.exists():
        raise InputError(f"There is no file or folder {video}; check the path.")
    if not found:
        raise InputError(
            f"There are no tracks beside {video}: make them with posetrack track {video}, or give "
            f"their file."
        )
    return found[0]


def _listen(port: int) -> socket.socket:
    """A socket on loopback. Raises UsageError where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((HOST, port))
        listener.listen()  # a browser that is faster than the server waits
    except OSError as error:
        listener.close()
        raise UsageError(f"Port {port} cannot be used: {error.strerror}.") from error
    return listener


def _warn_of_others(recorded: object, video: str | Path, say: Say) -> None:
    """Say so where the tracks were made of another video."""
    if recorded is None:
        return
    with open_source(video) as source:
        if source_identity(source) != recorded:
            say(f"the tracks were made of another video than {video}; look whether they fit.")
