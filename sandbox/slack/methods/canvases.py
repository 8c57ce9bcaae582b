"""canvases.*: documents beside the conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json, StoredFile

MARKDOWN_BYTES = 1024 * 1024
TITLE = 255
PLACED = frozenset({"insert_after", "insert_before", "insert_at_start", "insert_at_end", "replace"})
NEEDS_SECTION = frozenset({"insert_after", "insert_before", "delete"})


def _markdown(document: Any, *, refusal: str) -> bytes:
    if document is None:
        return b""
    if (
        not isinstance(document, dict)
        or document.get("type") != "markdown"
        or not isinstance(document.get("markdown"), str)
    ):
        raise SlackRefusal("invalid_arguments", "[ERROR] invalid document_content")
    content: bytes = document["markdown"].encode()
    if len(content) > MARKDOWN_BYTES:
        raise SlackRefusal(refusal, detail="The markdown is larger than 1 MiB.")
    return content


def _new(call: Call, channels: tuple[str, ...]) -> StoredFile:
    document = call.args.structure("document_content")
    title = call.args.text("title")
    if len(title) > TITLE:
        raise SlackRefusal("invalid_arguments", f"[ERROR] title is longer than {TITLE}")
    canvas = StoredFile(
        id=call.world.new_id("F"),
        name=title or "Untitled",
        title=title,
        content=_markdown(document, refusal="canvas_creation_failed"),
        created=call.world.now(),
        channels=channels,
        mode="quip",
    )
    call.world.files[canvas.id] = canvas
    call.world.changes.fire()
    return canvas


async def create(call: Call) -> Json:
    """canvases.create"""
    if "channel_id" not in call.args and call.world.policies.free_plan:
        raise SlackRefusal("free_teams_cannot_create_non_tabbed_canvases")
    channels = (call.joined_channel("channel_id").id,) if "channel_id" in call.args else ()
    return {"ok": True, "canvas_id": _new(call, channels).id}


async def create_for_channel(call: Call) -> Json:
    """conversations.canvases.create: one a channel."""
    channel = call.joined_channel("channel_id")
    if channel.canvas is not None:
        raise SlackRefusal("channel_canvas_already_exists")
    canvas = _new(call, (channel.id,))
    channel.canvas = canvas.id
    return {"ok": True, "canvas_id": canvas.id}


async def edit(call: Call) -> Json:
    """canvases.edit: one change a call."""
    canvas = call.world.files.get(call.args.text("canvas_id"))
    if canvas is None or canvas.mode != "quip":
        raise SlackRefusal("canvas_not_found")
    changes = call.args.structure("changes")
    if not isinstance(changes, list) or len(changes) != 1 or not isinstance(changes[0], dict):
        raise SlackRefusal("invalid_arguments", "[ERROR] exactly one change is allowed")
    call.world.files[canvas.id] = _changed(canvas, changes[0])
    call.world.changes.fire()
    return {"ok": True}


def _changed(canvas: StoredFile, change: Json) -> StoredFile:
    operation = change.get("operation")
    if operation in NEEDS_SECTION and not change.get("section_id"):
        raise SlackRefusal("canvas_editing_failed", detail="section_id is required")
    if operation == "rename":
        title = _markdown(change.get("title_content"), refusal="canvas_editing_failed").decode()
        return replace(canvas, title=title)
    if operation == "delete" or (operation in PLACED and change.get("section_id")):
        # Sections are not modelled: their ids come from canvases.sections.lookup only.
        raise SlackRefusal("canvas_editing_failed", detail="section not found")
    if operation not in PLACED:
        raise SlackRefusal("invalid_arguments", f"[ERROR] unknown operation: {operation}")
    text = _markdown(change.get("document_content"), refusal="canvas_editing_failed")
    content = {
        "replace": text,
        "insert_at_start": text + b"\n" + canvas.content,
        "insert_at_end": canvas.content + b"\n" + text,
    }[str(operation)]
    if len(content) > MARKDOWN_BYTES:
        raise SlackRefusal("canvas_editing_failed", detail="The canvas is larger than 1 MiB.")
    return replace(canvas, content=content)
