"""What a Slack workspace holds: people, channels, messages, views and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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


# Messages and views as readable text for a terminal.
#
# Links and mentions are written out, and everything that would notify people is marked, so that
# an
# injected control sequence cannot hide.

PING = "🔔"
CONTROL = re.compile(r"<([^<>\n]+)>")
Names = Mapping[str, str]


def render(shown: Message | View, *, names: Names | None = None) -> str:
    """Readable text. `names` maps ids of users, channels and groups to what people call them."""
    known = names or {}
    if isinstance(shown, View):
        lines = [f"┌ {shown.title} ┐"] if shown.title else []
        lines += _blocks(shown.blocks, known)
        buttons = [(shown.body.get(n) or {}).get("text") for n in ("close", "submit")]
        lines += [" ".join(f"[{text}]" for text in buttons if text)]
        return "\n".join(line for line in lines if line)
    lines = list(_blocks(shown.blocks, known)) or [mrkdwn(shown.text, known)]
    for attachment in shown.attachments:
        lines += _blocks(attachment.get("blocks") or [], known)
        lines += [mrkdwn(str(attachment.get("text") or attachment.get("fallback") or ""), known)]
    lines += [f"📎 {file['title']} ({file['size']} bytes)" for file in shown.files]
    return "\n".join(line for line in lines if line)


def mrkdwn(text: str, names: Names) -> str:
    """Slack's markup with mentions, links and escapes written out."""
    written = CONTROL.sub(lambda match: _control(match[1], names), text)
    return written.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _control(inner: str, names: Names) -> str:
    target, _, label = inner.partition("|")
    kind, rest = target[:1], target[1:]
    if kind == "@":
        return f"@{names.get(rest, label or rest)}"
    if kind == "#":
        return f"#{names.get(rest, label or rest)}"
    if kind == "!":
        return _special(rest, label, names)
    return f"{label} ({target})" if label and label != target else target


def _special(rest: str, label: str, names: Names) -> str:
    name, _, argument = rest.partition("^")
    if name in ("channel", "here", "everyone"):
        return f"{PING}@{name}"
    if name == "subteam":
        return f"{PING}@{names.get(argument, label.removeprefix('@') or argument)}"
    return label or rest


def _text(held: Any, names: Names) -> str:
    if not isinstance(held, dict):
        return ""
    text = str(held.get("text", ""))
    return mrkdwn(text, names) if held.get("type") == "mrkdwn" else text


def _blocks(blocks: Any, names: Names) -> Iterator[str]:
    for block in blocks:
        writer = WRITERS.get(block["type"])
        yield from writer(block, names) if writer else [f"[{block['type']}]"]


def _section(block: Json, names: Names) -> Iterator[str]:
    accessory = _element(block["accessory"], names) if "accessory" in block else ""
    if text := _text(block.get("text"), names):
        yield f"{text}  {accessory}".rstrip()
        accessory = ""
    fields = [_text(field, names).replace("\n", " ") for field in block.get("fields", [])]
    yield from (" │ ".join(fields[i : i + 2]) for i in range(0, len(fields), 2))
    yield accessory


def _input(block: Json, names: Names) -> Iterator[str]:
    optional = " (optional)" if block.get("optional") else ""
    yield f"{_text(block['label'], names)}{optional}: {_element(block['element'], names)}"
    if hint := _text(block.get("hint"), names):
        yield f"   {hint}"


def _element(element: Json, names: Names) -> str:
    kind = element["type"]
    if kind == "image":
        return f"(image: {element['alt_text']})"
    if kind in ("mrkdwn", "plain_text"):
        return _text(element, names)
    if kind in ("button", "workflow_button", "icon_button"):
        marks = {"primary": "✓ ", "danger": "! "}
        return f"[{marks.get(element.get('style', ''), '')}{_text(element['text'], names)}]"
    if kind in ("radio_buttons", "checkboxes", "overflow"):
        labels = [_text(option["text"], names) for option in element["options"]]
        return " ".join(f"{'☐' if kind == 'checkboxes' else '○'} {label}" for label in labels)
    held = element.get("initial_value") or element.get("initial_date") or ""
    if option := element.get("initial_option"):
        held = _text(option["text"], names)
    return (
        f"[{held or _text(element.get('placeholder'), names) or '…'}▾]"
        if kind.endswith(("select", "picker"))
        else f"[{held or _text(element.get('placeholder'), names) or '      '}]"
    )


def _elements(block: Json, names: Names) -> Iterator[str]:
    separator = " · " if block["type"] == "context" else " "
    yield separator.join(_element(element, names) for element in block["elements"])


def _rich_text(block: Json, names: Names) -> Iterator[str]:
    for part in block["elements"]:
        if part["type"] == "rich_text_list":
            for number, item in enumerate(part["elements"], start=1):
                mark = f"{number}." if part["style"] == "ordered" else "•"
                yield f"{'  ' * part.get('indent', 0)}{mark} {_run(item['elements'], names)}"
        else:
            yield _run(part["elements"], names)


def _run(elements: Any, names: Names) -> str:
    return "".join(_inline(element, names) for element in elements)


def _inline(element: Json, names: Names) -> str:
    match element["type"]:
        case "text":
            return str(element["text"])
        case "link":
            return _control(f"{element['url']}|{element.get('text', '')}", names)
        case "user":
            return f"@{names.get(element['user_id'], element['user_id'])}"
        case "channel":
            return f"#{names.get(element['channel_id'], element['channel_id'])}"
        case "usergroup":
            return f"{PING}@{names.get(element['usergroup_id'], element['usergroup_id'])}"
        case "broadcast":
            return f"{PING}@{element['range']}"
        case "emoji":
            return f":{element['name']}:"
        case _:
            return str(element.get("fallback") or element.get("value") or "")


def _table(block: Json, names: Names) -> Iterator[str]:
    for row in block["rows"]:
        yield " │ ".join(_cell(cell, names) for cell in row)


def _cell(cell: Json, names: Names) -> str:
    if cell["type"] == "rich_text":
        return " ".join(_rich_text(cell, names))
    return str(cell.get("text", cell.get("value", "")))


WRITERS: Mapping[str, Callable[[Json, Names], Iterator[str]]] = {
    "section": _section,
    "header": lambda block, names: iter([f"═ {_text(block['text'], names)} ═"]),
    "divider": lambda _block, _names: iter(["─" * 32]),
    "context": _elements,
    "actions": _elements,
    "context_actions": _elements,
    "input": _input,
    "image": lambda block, _names: iter([f"(image: {block['alt_text']})"]),
    "rich_text": _rich_text,
    "markdown": lambda block, _names: iter([str(block["text"])]),
    "table": _table,
    "video": lambda block, names: iter([f"(video: {_text(block['title'], names)})"]),
}
