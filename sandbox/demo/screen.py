"""The terminal: what each person sees, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import re

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.demo.outside import Readers
from sandbox.slack.base.model import Channel, Message, View
from sandbox.slack.people.workspace import Workspace

HOUSEKEEPING = {"channel_join", "channel_topic", "pinned_item", "bot_add"}
"""Slack's own lines about who came and what was pinned."""
BURST = 0.4
"""Seconds: a burst of updates is one picture for a reader."""
OUTSIDE = 0.5
"""Seconds between two looks at what is not in Slack."""
_MARKED = re.compile(r"\*(?P<bold>[^*\n]+)\*|`(?P<code>[^`\n]+)`")


class Screen:
    """Prints panels; follows channels and shows every message once, and cards when they change."""

    def __init__(self, workspace: Workspace, readers: Readers) -> None:
        self._workspace = workspace
        self._readers = readers
        self._console = Console(width=min(Console().width, 110), highlight=False)
        self._shown: dict[str, str] = {}
        self._headlines: set[str] = set()

    def scene(self, text: str) -> None:
        """What happens next in the story."""
        self._console.print()
        self._console.print(Text(f"▶ {text}", style="bold cyan"))

    def say(self, text: str, *, style: str = "") -> None:
        """A line of the narrator."""
        self._console.print(Text(text, style=style))

    def modal(self, who: str, view: View | None) -> None:
        """What a person has in front of them."""
        if view is not None:
            self._panel(self._workspace.render(view), f"{who} sees a form", "magenta")

    def ephemeral(self, who: str, message: Message) -> None:
        """A message that only one person sees."""
        self._panel(self._workspace.render(message), f"only {who} sees", "yellow")

    def table(self, title: str, rows: list[tuple[str, str]]) -> None:
        """Figures at the end."""
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        table.add_column(style="dim")
        table.add_column(style="bold")
        for name, value in rows:
            table.add_row(name, value)
        self._console.print()
        self._console.print(table)

    async def follow(self, *names: str) -> None:
        """Show what is new in the incident's channel, in these, and outside; until cancelled."""
        while True:
            self.show_news(*names)
            before = self._state(names)
            with contextlib.suppress(TimeoutError):
                await self._workspace.wait_for(
                    lambda before=before: self._state(names) != before,  # type: ignore[misc]
                    timeout=OUTSIDE,
                )
            await asyncio.sleep(BURST)

    def show_news(self, *names: str) -> None:
        """Everything that has not been on the screen yet."""
        own = [c for c in self._workspace.channels if c.name.startswith("inc-")]
        others = [c for c in self._workspace.channels if c.name in names]
        for channel in own:
            self._show_channel(channel)
        for channel in others:
            self._show_echo(channel)
        for read in self._readers.news():
            self._panel(read.text, read.where, "green")

    def _show_channel(self, channel: Channel) -> None:
        for message in self._messages(channel):
            body = self._workspace.render(message)
            known = self._shown.get(message.ts)
            if known != body:
                self._shown[message.ts] = body
                self._headlines.add(_headline(body))
                self._show(f"#{channel.name}", body, known)

    def _show_echo(self, channel: Channel) -> None:
        """Stakeholders read nearly what the team reads: its headline is enough."""
        for message in self._messages(channel):
            if message.ts in self._shown:
                continue
            body = self._workspace.render(message)
            self._shown[message.ts] = body
            if _headline(body) in self._headlines:
                self.say(f"  #{channel.name} reads it too: {_headline(body)}", style="blue")
            else:
                self._panel(body, f"#{channel.name}", "blue")

    def _messages(self, channel: Channel) -> list[Message]:
        return [m for m in channel.messages.values() if m.subtype not in HOUSEKEEPING]

    def _show(self, where: str, body: str, known: str | None) -> None:
        """A new message whole; of an updated card its headline and the lines that changed."""
        if known is None:
            self._panel(body, where, "blue")
            return
        headline, *lines = body.splitlines()
        before = set(known.splitlines())
        changed = [line for line in lines if line not in before]
        if changed or headline not in before:
            self._panel("\n".join([headline, *changed]), f"{where} · card updated", "bright_black")

    def _state(self, names: tuple[str, ...]) -> int:
        return hash(
            tuple(
                (message.ts, message.edited_ts)
                for channel in self._workspace.channels
                if channel.name in names or channel.name.startswith("inc-")
                for message in channel.messages.values()
            )
        )

    def _panel(self, body: str, title: str, colour: str) -> None:
        panel = Panel(
            _styled(body), title=Text(title), title_align="left", border_style=colour, expand=True
        )
        self._console.print(panel)


def _headline(body: str) -> str:
    return body.splitlines()[0].strip("═ *")


def _styled(body: str) -> Text:
    """Slack's bold and code as a terminal shows them; everything else as it stands."""
    text, end = Text(), 0
    for found in _MARKED.finditer(body):
        text.append(body[end : found.start()])
        bold = found["bold"]
        text.append(bold or found["code"], style="bold" if bold else "cyan")
        end = found.end()
    return text.append(body[end:])
