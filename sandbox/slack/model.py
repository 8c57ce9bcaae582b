"""What a Slack workspace holds: people, channels, messages, views and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
ChannelKind = Literal["public", "private", "im", "mpim"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as it stood at one moment. An edit makes a new `Message` with the same `ts`."""

    ts: str
    channel: str
    user: str
    text: str = ""
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    metadata: Json | None = None
    files: tuple[Json, ...] = ()
    thread_ts: str | None = None
    edited_ts: str | None = None
    bot_id: str | None = None
    subtype: str | None = None
    username: str | None = None
    reactions: tuple[tuple[str, str], ...] = ()
    visible_to: str | None = None
    broadcast: bool = False

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return self.visible_to is not None

    @property
    def edited(self) -> bool:
        """Whether it was changed after it was posted."""
        return self.edited_ts is not None

    @property
    def plain(self) -> str:
        """Its readable text; ids stay ids (see `Workspace.render` for names)."""
        from sandbox.slack.render import render  # noqa: PLC0415 - render reads this module

        return render(self)


@dataclass(frozen=True, kw_only=True)
class View:
    """A modal or a home tab as it stood at one moment."""

    id: str
    user: str
    body: Json
    hash: str
    root_id: str
    previous_id: str | None = None

    @property
    def type(self) -> str:
        """`modal` or `home`."""
        return str(self.body["type"])

    @property
    def title(self) -> str:
        """The heading of a modal; empty for a home tab."""
        return str((self.body.get("title") or {}).get("text", ""))

    @property
    def blocks(self) -> Sequence[Json]:
        """Its blocks, with the ids that Slack gave them."""
        blocks: Sequence[Json] = self.body["blocks"]
        return blocks

    @property
    def callback_id(self) -> str:
        """The app's name for this kind of view."""
        return str(self.body.get("callback_id", ""))

    @property
    def private_metadata(self) -> str:
        """What the app keeps with the view."""
        return str(self.body.get("private_metadata", ""))

    @property
    def plain(self) -> str:
        """Its readable text; ids stay ids (see `Workspace.render` for names)."""
        from sandbox.slack.render import render  # noqa: PLC0415 - render reads this module

        return render(self)


@dataclass(kw_only=True)
class Channel:
    """A conversation and everything said in it."""

    id: str
    name: str
    kind: ChannelKind
    creator: str
    created: int
    members: list[str] = field(default_factory=list)
    archived: bool = False
    is_general: bool = False
    topic: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    purpose: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    ephemerals: dict[str, Message] = field(default_factory=dict)
    pins: dict[str, Json] = field(default_factory=dict)
    bookmarks: dict[str, Json] = field(default_factory=dict)
    canvas: str | None = None

    def to_api(self, *, viewer: str, members: bool = False) -> Json:
        """The `channel` object of conversations.info, as `viewer` sees it."""
        shown: Json = {
            "id": self.id,
            "created": self.created,
            "is_archived": self.archived,
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "is_group": self.kind in ("private", "mpim"),
            "is_channel": self.kind == "public",
            "is_private": self.kind != "public",
            "is_shared": False,
            "is_org_shared": False,
            "is_ext_shared": False,
            "is_member": viewer in self.members,
        }
        if members:
            shown["num_members"] = len(self.members)
        if self.kind == "im":
            return shown | {"user": next((m for m in self.members if m != viewer), viewer)}
        return shown | {
            "name": self.name,
            "name_normalized": self.name,
            "is_general": self.is_general,
            "creator": self.creator,
            "unlinked": 0,
            "topic": dict(self.topic),
            "purpose": dict(self.purpose),
            "previous_names": list(self.previous_names),
        }


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """An uploaded file, or a canvas (`mode` is `quip`)."""

    id: str
    name: str
    title: str
    content: bytes
    created: int
    alt_text: str | None = None
    snippet_type: str | None = None
    channels: tuple[str, ...] = ()
    mode: str = "hosted"


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One Web API call as it was received and answered.

    `answer` is None while the call is under way. `delivered` is False when a fault kept the
    answer from the caller although the effect happened.
    """

    method: str
    args: Mapping[str, Any]
    time: float
    answer: Json | None = None
    status: int = 0
    delivered: bool = True

    @property
    def ok(self) -> bool:
        """Whether Slack did what was asked."""
        return bool(self.answer and self.answer.get("ok"))

    @property
    def error(self) -> str | None:
        """Slack's error code, or None."""
        return self.answer.get("error") if self.answer else None
