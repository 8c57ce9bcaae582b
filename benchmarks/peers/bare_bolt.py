"""A Bolt app that acknowledges a command and does nothing else; prints its URL and serves."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult


async def authorize(**_: Any) -> AuthorizeResult:
    """From memory, as the bot does it."""
    return AuthorizeResult(enterprise_id=None, team_id="T0", bot_id="B0", bot_user_id="U0")


async def serve() -> None:
    """Serve Bolt's own aiohttp application for ever."""
    app = AsyncApp(authorize=authorize, signing_secret=os.environ["SLACK_SIGNING_SECRET"])

    @app.command("/rollback")
    async def on_command(ack: AsyncAck) -> None:
        await ack()

    runner = web.AppRunner(app.web_app(path="/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
