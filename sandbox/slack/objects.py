"""The objects of Slack's answers and payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.accounts import User
from sandbox.slack.inputs import state_values
from sandbox.slack.model import Json, Message, StoredFile, View

if TYPE_CHECKING:
    from sandbox.slack.world import World


def message_object(world: World, message: Message, *, with_metadata: bool = False) -> Json:
    """A message as conversations.history and the payloads show it."""
    shown: Json = {"type": "message", "ts": message.ts, "user": message.user, "text": message.text}
    if message.subtype:
        shown["subtype"] = message.subtype
    if message.bot_id:
        shown |= {
            "bot_id": message.bot_id,
            "app_id": world.app.app_id,
            "team": world.team["id"],
            "bot_profile": {
                "id": message.bot_id,
                "app_id": world.app.app_id,
                "name": world.users[world.app.bot_user_id].name,
                "deleted": False,
                "team_id": world.team["id"],
            },
        }
    for name in ("blocks", "attachments", "files"):
        if items := getattr(message, name):
            shown[name] = list(items)
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if message.edited_ts:
        shown["edited"] = {"user": message.user, "ts": message.edited_ts}
    if message.reactions:
        shown["reactions"] = _reactions(message)
    if with_metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown | _thread_summary(world, message)


def _reactions(message: Message) -> list[Json]:
    names = dict.fromkeys(name for name, _user in message.reactions)
    by_name = {name: [user for n, user in message.reactions if n == name] for name in names}
    return [{"name": n, "users": users, "count": len(users)} for n, users in by_name.items()]


def _thread_summary(world: World, message: Message) -> Json:
    channel = world.channels[message.channel]
    replies = [m for m in channel.messages.values() if m.thread_ts == message.ts != m.ts]
    if not replies:
        return {}
    people = list(dict.fromkeys(m.user for m in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users": people,
        "reply_users_count": len(people),
        "latest_reply": replies[-1].ts,
    }


def view_object(world: World, view: View) -> Json:
    """A view as views.* and the payloads show it, with the state of its inputs."""
    empty: Json = {"private_metadata": "", "callback_id": "", "external_id": "", "title": None}
    body = empty | {"submit": None, "close": None} | view.body
    return body | {
        "id": view.id,
        "team_id": world.team["id"],
        "state": {"values": state_values(view.blocks, world.views.typed.get(view.id, {}))},
        "hash": view.hash,
        "clear_on_close": bool(view.body.get("clear_on_close", False)),
        "notify_on_close": bool(view.body.get("notify_on_close", False)),
        "submit_disabled": bool(view.body.get("submit_disabled", False)),
        "root_view_id": view.root_id,
        "previous_view_id": view.previous_id,
        "app_id": world.app.app_id,
        "app_installed_team_id": world.team["id"],
        "bot_id": world.app.bot_id,
    }


def user_reference(world: World, user: User) -> Json:
    """The `user` of an interaction payload."""
    return {
        "id": user.id,
        "username": user.name,
        "name": user.name,
        "team_id": world.team["id"],
    }


def file_object(world: World, stored: StoredFile, *, base_url: str) -> Json:
    """The `file` object; `url_private` needs the bot's token and files:read."""
    extension = stored.name.rsplit(".", 1)[-1].lower() if "." in stored.name else "text"
    shown: Json = {
        "id": stored.id,
        "created": stored.created,
        "timestamp": stored.created,
        "name": stored.name,
        "title": stored.title,
        "mimetype": "application/octet-stream",
        "filetype": stored.snippet_type or extension,
        "mode": "snippet" if stored.snippet_type else stored.mode,
        "user": world.app.bot_user_id,
        "user_team": world.team["id"],
        "size": len(stored.content),
        "is_public": bool(stored.channels),
        "channels": list(stored.channels),
        "url_private": f"{base_url}files-pri/{stored.id}/{stored.name}",
        "url_private_download": f"{base_url}files-pri/{stored.id}/download/{stored.name}",
        "permalink": f"https://{world.team['domain']}.slack.example/files/{stored.id}",
    }
    if stored.alt_text:
        shown["alt_txt"] = stored.alt_text
    return shown
