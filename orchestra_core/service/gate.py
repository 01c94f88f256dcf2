"""What every request must be before anything looks at it: who may ask, for which host, and how much.

Plain ASGI, around the whole application. There is no CORS: another origin's page gets nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestra_core.service.problems import problem
from orchestra_core.service.reading import check_json

MAX_BODY = 1_048_576
BODY_SECONDS = 10.0
"""A body that is not whole by then is given up."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/healthz"})
"""Answered without a token."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PLAIN = "Send it without a Content-Encoding."
_HEADERS = (
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Refused(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", **headers: str) -> None:
        super().__init__(message)
        self.answer = problem(status, code, message, hint, headers=headers)


class Gate:
    """Host, token, origin, content type and body of every request; safe headers on every answer."""

    def __init__(
        self, app: ASGIApp, *, hosts: Callable[[], Collection[str]], token: str | None
    ) -> None:
        """`hosts` is asked at each request: the port may be known only once the server listens."""
        self.app = app
        self.hosts = hosts
        self.token = None if token is None else _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on with its body read and checked."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sending = _with_headers(send)
        try:
            self._check_head(scope)
            receiving = receive
            if scope["method"] not in SAFE_METHODS:
                receiving = _replay(await _read_body(scope, receive), receive)
        except Refused as refused:
            await refused.answer(scope, receive, sending)
            return
        await self.app(scope, receiving, sending)

    def _check_head(self, scope: Scope) -> None:
        if scope.get("state", {}).get("crowded"):
            told = "there are more connections than this service takes"
            hint = "Ask again in a few seconds."
            raise Refused(503, "crowded", told, hint, **{"Retry-After": "5", "Connection": "close"})
        headers = Headers(scope=scope)
        given = headers.getlist("host")
        if len(given) != 1 or given[0].lower() not in self.hosts():
            hint = "Use the address that the service printed, or list more with --allow-host."
            raise Refused(400, "host", "this service is not asked under that host name", hint)
        if self.token is not None and scope["path"] not in OPEN_PATHS:
            self._check_token(headers)
        _check_site(headers, safe=scope["method"] in SAFE_METHODS)
        if scope["method"] not in SAFE_METHODS:
            _check_origin(headers, given[0])
            _check_content_type(headers)

    def _check_token(self, headers: Headers) -> None:
        given = headers.getlist("authorization")
        # Digests of one length: the comparison tells nothing of the token, not even its length.
        offered = _digest(_offered(given[0]) if len(given) == 1 else "")
        if self.token is None or not hmac.compare_digest(offered, self.token):
            hint = "Send 'Authorization: Bearer TOKEN'; in a browser, the token is the password."
            challenge = {"WWW-Authenticate": 'Basic realm="orchestra", charset="UTF-8"'}
            raise Refused(401, "token", "a token is needed", hint, **challenge)


def _check_site(headers: Headers, *, safe: bool) -> None:
    """What a browser says of who asks: another site's page may link here, and nothing else."""
    if headers.get("sec-fetch-site", "none") in {"same-origin", "none"}:
        return
    is_link = (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    if not (safe and is_link):
        raise _foreign()


def _check_origin(headers: Headers, host: str) -> None:
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise _foreign()


def _foreign() -> Refused:
    told = "a page of another origin may not do that"
    return Refused(403, "origin", told, "Ask from the service's own page, or from a program.")


def _check_content_type(headers: Headers) -> None:
    given = headers.getlist("content-type")
    essence, _, parameters = given[0].lower().partition(";") if len(given) == 1 else ("", "", "")
    charset = parameters.replace(" ", "").replace('"', "")
    if essence.strip() != "application/json" or charset not in {"", "charset=utf-8"}:
        hint = "Send 'Content-Type: application/json'."
        raise Refused(415, "content_type", "the body must be application/json in UTF-8", hint)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "content_encoding", "a compressed body is not read", _PLAIN)


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 12 or int(declared) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "disconnected", "the client went away", "Send it again.")
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise _too_large()
                if not message.get("more_body", False):
                    if told := check_json(bytes(body)):
                        raise Refused(400, "json", told, "Send one JSON object, such as {}.")
                    return bytes(body)
    told = f"the body was not whole after {BODY_SECONDS:g} s"
    # Not closed at once, here and below: who still sends would lose the answer with the connection.
    raise Refused(408, "slow", told, "Send it faster, or less.")


def _too_large() -> Refused:
    hint = "Send less, or put the experiment into the service's file."
    return Refused(413, "too_large", "the body is larger than 1 MiB", hint)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one message, then whatever the server has to say."""
    told = False

    async def receiving() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": with_safe_headers(message.get("headers", ()))}
        await send(message)

    return sending


def with_safe_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with those that every answer has."""
    given = list(headers)
    known = {name.lower() for name, _ in given}
    return given + [pair for pair in _HEADERS if pair[0] not in known]


def _offered(authorization: str) -> str:
    """The token of `Bearer TOKEN`, or the password of `Basic …`; empty for anything else."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
