"""Signing in and out: a page with one field, a link that works once, and the cookie that follows."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from controller.access.roles import Role
from controller.records.access import SESSION
from controller.web.access import COOKIE, asker, csrf, form
from controller.web.gate import Gate
from sites.record import Record


class Me(Record):
    """Who asks."""

    name: str
    role: Role
    signed_in: bool
    csrf: str
    """What commands of a browser's session carry in ``X-CSRF-Token``; empty for a program's token."""


WRONG = "This token does not hold: it is mistyped, used up, expired or revoked."

Render = Callable[[str, dict[str, object]], str]


class SignIn:
    """The views of the door."""

    def __init__(self, gate: Gate, render: Render) -> None:
        self._gate, self._render = gate, render

    def page(self, request: Request) -> Response:
        """Return the page that asks for a token."""
        return self._page(request.query_params.get("next", "/"), "")

    def enter(self, request: Request) -> Response:
        """Sign in with the form's token."""
        sent = form(request)
        where = str(sent.get("next", "/"))
        found = self._gate.sign_in(str(sent.get("token", "")).strip())
        return self._in(request, found[0], where) if found is not None else self._page(where, WRONG, status=401)

    def link(self, request: Request) -> Response:
        """Sign in with a one-time link; a look ahead (HEAD) does not use it up."""
        if request.method == "HEAD":
            return HTMLResponse("")
        found = self._gate.sign_in(request.query_params.get("key", ""))
        return self._in(request, found[0], "/") if found is not None else self._page("/", WRONG, status=401)

    def leave(self, request: Request) -> Response:
        """Sign out."""
        self._gate.sign_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def me(self, request: Request) -> Response:
        """Return who asks, and the form token that their commands must carry in ``X-CSRF-Token``."""
        who = asker(request)
        me = Me(name=who.name, role=who.role, signed_in=who.signed_in, csrf=csrf(request))
        return Response(me.model_dump_json(), media_type="application/json")

    def _page(self, where: str, words: str, *, status: int = 200) -> Response:
        page = self._render("login.html", {"next": local_path(where), "words": words})
        return HTMLResponse(page, status_code=status)

    def _in(self, request: Request, secret: str, where: str) -> Response:
        answer = RedirectResponse(local_path(where), status_code=303)
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=int(SESSION.total_seconds()),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer


def local_path(where: str) -> str:
    """Return a path of this console: whatever leads elsewhere leads to the desk."""
    inside = where.startswith("/") and not where.startswith("//") and "\\" not in where and where.isprintable()
    return where if inside else "/"
