"""Who asks, and whether they may: the one place that every request of the console passes.

* Reading needs a token as soon as the owner has given one to anybody, and always when the console listens beyond this
  machine. Before that, somebody on the machine may look.
* Commanding (any method but GET and HEAD, signing out apart) always needs an operator, whatever the route says; :func:`needs`
  asks for more. So a route that forgets to ask is closed, not open.
* A browser's session travels in a cookie that scripts cannot read and other sites cannot send. A command that comes
  with it must also carry the form token of that session and come from our own pages.
* A program sends ``Authorization: Bearer TOKEN`` and needs neither.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.access.roles import Asker, Role
from controller.access.tokens import form_token, same
from controller.web.gate import Gate

COOKIE = "mdc_session"
FORM_FIELD = "csrf"
FORM_HEADER = "x-csrf-token"
OPEN = frozenset({"/healthz", "/readyz", "/login", "/enter"})
"""Answered to anybody."""
OPEN_FOLDER = "/static/"
SAFE_METHODS = frozenset({"GET", "HEAD"})
MOST_BODY = 1 << 20
"""Bytes that a command may have."""

BEARER = {"www-authenticate": "Bearer"}
NOBODY = Asker(name="", role=Role.VIEWER, signed_in=False)
"""Somebody unknown, at an address that answers to anybody."""

Refuse = Callable[[Request, Exception], Awaitable[Response]]
View = Callable[[Request], Response]


def asker(request: Request) -> Asker:
    """Return who asks; every view may rely on it."""
    found = request.scope["asker"]
    assert isinstance(found, Asker)
    return found


def csrf(request: Request) -> str:
    """Return the form token that a page's forms must send back; empty for somebody who is not signed in."""
    secret = request.cookies.get(COOKIE, "")
    return form_token(secret) if secret and asker(request).signed_in else ""


def form(request: Request) -> FormData:
    """Return what a form sent; only in a view of a command."""
    found = request.scope["form"]
    assert isinstance(found, FormData)
    return found


def body(request: Request) -> bytes:
    """Return what a command sent; only in a view of a command."""
    found = request.scope["body"]
    assert isinstance(found, bytes)
    return found


def needs(role: Role) -> Callable[[View], View]:
    """Return a decorator for views that only ``role``, or one that may more, may call."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: Request) -> Response:
            if not asker(request).role.covers(role):
                detail = f"this needs the role {role.value}; you are {asker(request).role.value}"
                request.scope["gate"].refused(asker(request), _action(request), detail)
                raise HTTPException(403, detail)
            return view(request)

        return guarded

    return guard


class AccessControl:
    """Middleware: finds out who asks, refuses what they may not, and hands the form on."""

    def __init__(self, app: ASGIApp, *, gate: Gate, refuse: Refuse) -> None:
        self._app, self._gate, self._refuse = app, gate, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        scope["asker"], scope["gate"] = NOBODY, self._gate
        try:
            scope["asker"] = await self._who(request)
            if request.method not in SAFE_METHODS:
                receive = await self._command(request)
        except HTTPException as error:
            await (await self._refusal(request, error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _who(self, request: Request) -> Asker:
        """Return who asks; raises 401 for nobody."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind:
            found = await run_in_threadpool(self._gate.bearer, token.strip()) if kind.lower() == "bearer" else None
            if found is None:
                raise HTTPException(401, "the token does not hold", headers=BEARER)
            return found
        secret = request.cookies.get(COOKIE, "")
        found = await run_in_threadpool(self._gate.session, secret) if secret else None
        if found is None:
            found = await run_in_threadpool(self._gate.stranger)
        if found is None:
            if not _open(request.url.path):
                raise HTTPException(401, "sign in first", headers=BEARER)
            return NOBODY
        return found

    async def _command(self, request: Request) -> Receive:
        """Return a receiver of the body again, after a command has been found to be allowed."""
        who = asker(request)
        entering = request.url.path == "/login"
        if not _from_here(request):
            raise HTTPException(403, "this came from another site's page")
        leaving = request.url.path == "/logout"
        if not entering and not (who.signed_in and (leaving or who.role.covers(Role.OPERATOR))):
            if not who.signed_in:
                raise HTTPException(401, "sign in first", headers=BEARER)
            raise HTTPException(403, f"this needs the role operator; you are {who.role.value}")
        came = await _body(request)
        sent = await _form(request, came)
        request.scope["form"], request.scope["body"] = sent, came
        if not entering and "authorization" not in request.headers:
            given = request.headers.get(FORM_HEADER) or str(sent.get(FORM_FIELD, ""))
            if not same(given, form_token(request.cookies.get(COOKIE, ""))):
                raise HTTPException(403, "the form is not of this session; load the page again")
        return _again(came)

    async def _refusal(self, request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if request.method not in SAFE_METHODS:
            await run_in_threadpool(self._gate.refused, asker(request), _action(request), error.detail)
        page = not path.startswith(("/v1/", "/fragments/", "/metrics"))
        if error.status_code == 401 and page and request.method in SAFE_METHODS:
            return RedirectResponse(f"/login?next={quote(path)}", status_code=303)
        return await self._refuse(request, error)


def _action(request: Request) -> str:
    return f"{request.method} {request.url.path}"


def _open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_FOLDER)


def _from_here(request: Request) -> bool:
    """Return whether a browser says that a command comes from our own pages; programs say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


async def _body(request: Request) -> bytes:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MOST_BODY:
            raise HTTPException(413, f"at most {MOST_BODY} bytes")
    return bytes(parts)


async def _form(request: Request, came: bytes) -> FormData:
    """Return the form in what came; empty for what is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return FormData()
    return await Request(request.scope, _again(came)).form(max_files=4, max_fields=200)


def _again(came: bytes) -> Receive:
    """Return a receiver that gives a body that has been read already."""
    waiting: list[Message] = [{"type": "http.request", "body": came, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive
