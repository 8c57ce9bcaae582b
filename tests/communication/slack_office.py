"""A Slack on loopback for the tests of the adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.client import make_client
from sandbox.slack.server import SlackServer

MANIFEST: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())


def without(*scopes: str) -> dict[str, Any]:
    """The app's manifest, less some scopes."""
    held = [s for s in MANIFEST["oauth_config"]["scopes"]["bot"] if s not in scopes]
    return {**MANIFEST, "oauth_config": {"scopes": {"bot": held}}}


def client_of(server: SlackServer) -> AsyncWebClient:
    """The client as the bot makes it."""
    return make_client(server.bot_token, server.url)
