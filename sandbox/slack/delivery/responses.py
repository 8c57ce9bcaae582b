"""What an app says back to one person: in an acknowledgement or through a response URL."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json, Message
from sandbox.slack.base.tickets import ResponseTarget
from sandbox.slack.base.world import World
from sandbox.slack.methods.chat import (
    TEXT_CUT,
    UNKNOWN_CONTENT,
    checked_attachments,
    checked_blocks,
)

FIELD_NAMES = """
text blocks attachments response_type replace_original delete_original thread_ts mrkdwn metadata
unfurl_links unfurl_media as_user username icon_emoji icon_url link_names parse
"""
KNOWN = frozenset(FIELD_NAMES.split())


def said(world: World, body: Json) -> Json:
    """The content of a reply, refused where Slack refuses."""
    unknown = sorted(set(body) - KNOWN)
    if unknown:
        raise SlackRefusal("invalid_arguments", *(f"[ERROR] unknown: {name}" for name in unknown))
    blocks = checked_blocks(world, body.get("blocks"))
    attachments = checked_attachments(body.get("attachments"))
    text = str(body.get("text") or "")[:TEXT_CUT]
    if not (text.strip() or blocks or attachments):
        raise SlackRefusal("no_text")
    return {"text": text or UNKNOWN_CONTENT, "blocks": blocks, "attachments": attachments}


def reply(world: World, body: Json, *, user: str, channel: str) -> Message:
    """Say it in the channel: to this person only, unless `response_type` is in_channel."""
    content = said(world, body)
    thread = {"thread_ts": body["thread_ts"]} if body.get("thread_ts") else {}
    author = {"user": world.app.bot_user_id, "bot_id": world.app.bot_id}
    place = world.channels[channel]
    if body.get("response_type") == "in_channel":
        return world.add_message(place, **author, **content, **thread)
    return world.add_ephemeral(place, visible_to=user, **author, **content, **thread)


class ResponseUrlServer:
    """Answers /response/…"""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: web.Request) -> web.Response:
        """One use of a response URL."""
        try:
            body: Any = await request.json()
        except ValueError:
            return _refused("invalid_payload", 400)
        if not isinstance(body, dict):
            return _refused("invalid_payload", 400)
        try:
            target = self._world.response_urls.use(request.match_info["key"])
        except SlackRefusal as refusal:
            self._world.note("response_url", refusal)
            return _refused(refusal.code, 404)
        try:
            self._apply(target, body)
        except SlackRefusal as refusal:
            self._world.note("response_url", refusal)
            return web.json_response(refusal.to_api(), status=400)
        return web.Response(text="ok")

    def _apply(self, target: ResponseTarget, body: Json) -> None:
        original = self._original(target)
        if body.get("delete_original") and original is not None:
            self._world.remove_message(original)
        elif body.get("replace_original") and original is not None:
            stamp = self._world.next_ts()
            self._world.replace_message(original, edited_ts=stamp, **said(self._world, body))
        else:
            reply(self._world, body, user=target.user, channel=target.channel)

    def _original(self, target: ResponseTarget) -> Message | None:
        if target.message_ts is None:
            return None
        channel = self._world.channels[target.channel]
        shelves = channel.messages | channel.ephemerals
        return shelves.get(target.message_ts)


def _refused(code: str, status: int) -> web.Response:
    return web.json_response({"ok": False, "error": code}, status=status)
