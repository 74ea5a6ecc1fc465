"""Serve the page to this machine alone, and only to who knows the token."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from genmech_fem.explorer.page import Page

HOST = "127.0.0.1"
TOKEN = "token"  # noqa: S105 - the name of the parameter
REFUSED = "Refused: this page needs the address with the token that  genmech explore  has printed.\n"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def gate(token: str) -> Any:
    """Middleware that refuses requests, those for the websocket too, without the token.

    The address with the token gives a cookie, with which the page loads the rest. Names of other hosts are refused,
    so that no other site can be made to stand for this one, and so are requests that another page sends.
    """

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        port = _port(request)
        known, origin = {f"{HOST}:{port}", f"localhost:{port}"}, request.headers.get("Origin")
        if request.host not in known or (origin and origin.removeprefix("http://") not in known):
            return web.Response(status=403, text=REFUSED)
        cookie = f"genmech_explorer_{port}"
        if _same(request.query.get(TOKEN, ""), token):
            response: web.StreamResponse = web.HTTPSeeOther("/index.html")
            response.set_cookie(cookie, token, httponly=True, samesite="Strict")
        elif _same(request.cookies.get(cookie, ""), token):
            response = await handler(request)
        else:
            return web.Response(status=403, text=REFUSED)
        response.headers.update(_headers(port))
        return response

    return let_in


async def serve(page: Page, token: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve a page until this is cancelled.

    Args:
        page: The page.
        token: What a browser has to know.
        port: Where; 0 picks a free one.
        ready: Called with the address.

    Raises:
        OSError: The port is taken.
    """

    def bind(server: Any) -> None:
        server.config["host"] = HOST  # whatever the environment says
        server.app.middlewares.append(gate(token))

    page.server.controller.on_server_bind.add(bind)
    page.server.controller.on_server_ready.add(lambda **_: ready(f"http://{HOST}:{page.server.port}/?{TOKEN}={token}"))
    life = asyncio.create_task(page.live())
    try:
        await page.server.start(
            port=port,
            host=HOST,
            thread=True,
            open_browser=False,
            show_connection_info=False,
            backend="aiohttp",
            exec_mode="coroutine",
            timeout=0,
        )
    finally:
        life.cancel()


def _headers(port: int) -> dict[str, str]:
    """What the browser may do: trame compiles its templates, and talks to this server alone."""
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "connect-src": f"'self' ws://{HOST}:{port} ws://localhost:{port}",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _port(request: web.Request) -> int:
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return int(name[1]) if name else 0


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
