"""Signed HTTP delivery to the app's request URL."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.base.model import Json
from sandbox.slack.delivery.dispatch import Ack, Payload

FORM = "application/x-www-form-urlencoded"


def sign(secret: str, *, timestamp: str, body: str) -> str:
    """The v0 signature of docs.slack.dev/authentication/verifying-requests-from-slack."""
    base = f"v0:{timestamp}:{body}".encode()
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class HttpDelivery:
    """Posts payloads and reads acknowledgements.

    Apps compare the timestamp with the real time, so it does not come from the virtual clock.
    """

    def __init__(
        self,
        *,
        url: str,
        secret: str,
        ack_timeout: Callable[[], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self._secret = secret
        self._ack_timeout = ack_timeout
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, payload: Payload, *, attempt: int = 0, reason: str | None = None) -> Ack:
        """Post once. The app has three seconds to answer 200."""
        body, content_type = encode(payload)
        headers = {"Content-Type": content_type, **self._signature(body)}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": str(reason)}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(self._ack_timeout()):
                async with self._session.post(self.url, data=body, headers=headers) as response:
                    wants_retry = response.headers.get("X-Slack-No-Retry") != "1"
                    ack = _acknowledgement(response.status, await response.text())
                    return replace(ack, wants_retry=wants_retry)
        except TimeoutError:
            return Ack(error="operation_timeout", reason="http_timeout")
        except aiohttp.ClientError:
            return Ack(error="dispatch_failed", reason="connection_failed")

    async def verify_url(self, challenge: str) -> bool:
        """Send url_verification; true when the app gives the challenge back."""
        body = {"type": "url_verification", "token": "", "challenge": challenge}
        ack = await self.send(Payload(kind="events_api", body=body))
        held = ack.body.get("challenge") if isinstance(ack.body, dict) else ack.body
        return ack.ok and held == challenge

    def _signature(self, body: str) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        return {
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(self._secret, timestamp=timestamp, body=body),
        }


def encode(payload: Payload) -> tuple[str, str]:
    """The request body and its content type: events are JSON, the rest are forms."""
    if payload.kind == "events_api":
        return json.dumps(payload.body), "application/json"
    if payload.kind == "interactive":
        return urlencode({"payload": json.dumps(payload.body)}), FORM
    return urlencode({k: _form_value(v) for k, v in payload.body.items()}), FORM


def _form_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _acknowledgement(status: int, text: str) -> Ack:
    body: Json | str = text
    if text.lstrip().startswith("{"):
        try:
            body = json.loads(text)
        except ValueError:
            body = text
    if status == 200:
        return Ack(status=status, body=body)
    return Ack(status=status, body=body, error="dispatch_failed", reason="http_error")
