"""Who may ask: this machine, with the token, from our own page.

A page of another site can send requests to 127.0.0.1, and by rebinding a name of its own to that
address it can read the answers. So the Host header must be ours, every request must have the token
(in the address once, in a cookie then), and what changes something must come from our own page.
"""

from __future__ import annotations

__all__ = ["Guard"]

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HOSTS = ("127.0.0.1", "localhost")


class Guard:
    """Lets requests with the ``token`` for this ``port`` through to ``app``, and no others."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._cookie = f"posetrack_{port}"  # cookies are shared by all ports of a host
        self._hosts = {f"{host}:{port}" for host in HOSTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on with the headers that shut other sites out."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self._entry(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return _no("This server answers on 127.0.0.1 only.", 421)
        if scope["method"] not in ("GET", "HEAD") and (
            headers.get("origin", "").removeprefix("http://") not in self._hosts
        ):
            return _no("Changes are taken from the review page only.", 403)
        if not self._is_ours(_of_cookie(headers, self._cookie)) and not self._is_ours(
            _of_query(scope)
        ):
            return _no("Open the address that posetrack review printed: it has a token.", 403)
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """With the token in the address: a cookie, and the address without it."""
        if scope["method"] != "GET" or scope["path"] != "/" or not _of_query(scope):
            return None
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
        return answer

    def _is_ours(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())


def _no(sentence: str, status: int) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)


def _of_query(scope: Scope) -> str:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("token", [""])[0]


def _of_cookie(headers: Headers, name: str) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookie[name].value if name in cookie else ""
