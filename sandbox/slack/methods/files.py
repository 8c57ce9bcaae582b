"""files.*: the three-step upload, and what becomes of it."""

from __future__ import annotations

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json, StoredFile
from sandbox.slack.base.world import file_object
from sandbox.slack.methods.chat import checked_blocks

ALT_TEXT = 1000
SNIPPET_BYTES = 1_000_000
FILE_BYTES = 1_000_000_000
SHARED_CHANNELS = 100
SNIPPET_NAMES = """
text markdown python javascript typescript go java kotlin ruby rust c cpp csharp shell
powershell sql json yaml xml html css diff dockerfile csv ini php perl lua scala swift
"""
SNIPPET_TYPES = frozenset(SNIPPET_NAMES.split())


async def get_upload_url(call: Call) -> Json:
    """files.getUploadURLExternal"""
    length = call.args.integer("length", 0)
    if length <= 0:
        raise SlackRefusal("missing_argument")
    if length > FILE_BYTES:
        raise SlackRefusal("file_upload_size_restricted")
    if len(call.args.text("alt_txt")) > ALT_TEXT:
        raise SlackRefusal("alt_txt_too_large")
    snippet = call.args.text("snippet_type")
    if snippet and snippet not in SNIPPET_TYPES:
        raise SlackRefusal("unknown_snippet_type")
    if snippet and length > SNIPPET_BYTES:
        raise SlackRefusal("snippet_too_large")
    file_id = call.world.new_id("F")
    token = f"{call.world.random.getrandbits(160):040x}"
    call.world.uploads[token] = {
        "file_id": file_id,
        "name": call.args.text("filename"),
        "length": length,
        "alt_text": call.args.text("alt_txt") or None,
        "snippet_type": snippet or None,
        "content": None,
    }
    url = f"{call.base_url}upload/v1/{token}"
    return {"ok": True, "upload_url": url, "file_id": file_id}


def _destinations(call: Call) -> list[Channel]:
    wanted = call.args.items("channels")
    if one := call.args.text("channel_id"):
        wanted.append(one)
    if len(wanted) > SHARED_CHANNELS:
        raise SlackRefusal("channels_limit_exceeded")
    channels = []
    for name in wanted:
        if name in call.world.users:
            channels.append(call.world.direct_channel(call.bot, name))
            continue
        channel = call.world.visible_channel(name, viewer=call.bot)
        if call.bot not in channel.members:
            raise SlackRefusal("not_in_channel")
        if channel.archived:
            raise SlackRefusal("posting_to_channel_denied")
        channels.append(channel)
    return channels


def _uploaded(call: Call, item: object) -> tuple[str, str | None]:
    """The upload's token and the wanted title of one entry of `files`."""
    if not isinstance(item, dict) or "id" not in item:
        raise SlackRefusal("invalid_arguments", "[ERROR] missing required field: id")
    for token, upload in call.world.uploads.items():
        if upload["file_id"] == item["id"] and upload["content"] is not None:
            return token, item.get("title")
    raise SlackRefusal("file_not_found")


async def complete_upload(call: Call) -> Json:
    """files.completeUploadExternal: `initial_comment` overrides `blocks`."""
    given = call.args.structure("files")
    if not isinstance(given, list) or not given:
        raise SlackRefusal("invalid_arguments", "[ERROR] must be an array [json-pointer:/files]")
    channels = _destinations(call)
    comment = call.args.text("initial_comment")
    blocks = (
        ()
        if comment
        else checked_blocks(call.world, call.args.structure("blocks", otherwise="invalid_blocks"))
    )
    found = [_uploaded(call, item) for item in given]
    stored = [_keep(call, token, title, channels) for token, title in found]
    shown = [file_object(call.world, one, base_url=call.base_url) for one in stored]
    thread = {"thread_ts": ts} if (ts := call.args.text("thread_ts")) else {}
    for channel in channels:
        call.world.add_message(
            channel,
            user=call.bot,
            bot_id=call.world.app.bot_id,
            text=comment,
            blocks=blocks,
            files=tuple(shown),
            **thread,
        )
    return {"ok": True, "files": shown}


def _keep(call: Call, token: str, title: str | None, channels: list[Channel]) -> StoredFile:
    upload = call.world.uploads.pop(token)
    stored = StoredFile(
        id=upload["file_id"],
        name=upload["name"],
        title=title or upload["name"],
        content=upload["content"],
        created=call.world.now(),
        alt_text=upload["alt_text"],
        snippet_type=upload["snippet_type"],
        channels=tuple(channel.id for channel in channels),
    )
    call.world.files[stored.id] = stored
    return stored


async def info(call: Call) -> Json:
    """files.info"""
    stored = call.world.files.get(call.args.text("file"))
    if stored is None:
        raise SlackRefusal("file_not_found")
    shown = file_object(call.world, stored, base_url=call.base_url)
    return {"ok": True, "file": shown, "comments": [], "response_metadata": {"next_cursor": ""}}
