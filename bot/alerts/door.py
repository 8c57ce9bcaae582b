"""The door for incoming alerts: who may come in, and how much they may carry."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.core.errors import RefusedError, RollbackBotError
from bot.core.values import Facts

log = structlog.get_logger()

MOST_BYTES = 1024 * 1024
"""About a thousand alerts; ``max_alerts`` of the sender keeps it smaller."""
BODY_SECONDS = 5.0
"""A sender that has not said everything by then is sent away: it holds a connection."""
ANSWER_SECONDS = 8.0
"""After this the sender is asked to come again; it does so by itself."""


@dataclass(frozen=True, kw_only=True)
class AlertsDoor:
    """Where alerts are taken in, and what a sender must show."""

    token: str
    receive: Callable[[str, bytes], Awaitable[Facts]]
    """Takes in the body of the source of this name. Raises RefusedError for one that is wrong,
    other errors to come again."""


def alerts_handler(
    door: AlertsDoor | None, source: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of a source's path; without a door it answers that there is none."""

    async def handle(request: web.Request) -> web.Response:
        if door is None or not door.token:
            return _problem(404, "Alerts are switched off: ROLLBACK_ALERTS_TOKEN is not set.")
        if not _is_known(request, door.token):
            answer = _problem(401, "The token is missing or wrong.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="rollback-bot"'
            return answer
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _problem(408, f"The body did not come within {BODY_SECONDS:g} seconds.")
        if body is None:
            return _problem(413, f"The body has more than {MOST_BYTES} bytes: set max_alerts.")
        return await _receive(door, source, body)

    return handle


def _is_known(request: web.Request, token: str) -> bool:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    # Compared in constant time: how long it takes must not tell how much was right. A header may
    # hold bytes that are no text.
    same = hmac.compare_digest(shown.strip().encode(errors="surrogateescape"), token.encode())
    return same and scheme.lower() == "bearer"


async def _body(request: web.Request) -> bytes | None:
    """The body, or None when it is too big; no more than the limit is ever held."""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    body = bytearray()
    async for chunk in request.content.iter_chunked(65536):
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


async def _receive(door: AlertsDoor, source: str, body: bytes) -> web.Response:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return web.json_response(await door.receive(source, body))
    except RefusedError as error:
        return _problem(400, str(error))
    except TimeoutError:
        log.warning("alerts were not taken in", error="it took too long")
    except RollbackBotError as error:
        log.warning("alerts were not taken in", error=str(error))
    except Exception:
        log.exception("alerts were not taken in unexpectedly")
    # Alertmanager sends again after every answer of 500 and above.
    return _problem(503, "Nothing was taken in just now; send it again.")


def _problem(status: int, what: str) -> web.Response:
    return web.json_response({"status": "error", "error": what}, status=status)
