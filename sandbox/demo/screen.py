"""The terminal: what each person sees, as it happens."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.slack.model import Message, View
from sandbox.slack.people.workspace import Workspace

HOUSEKEEPING = {"channel_join", "channel_topic", "pinned_item", "bot_add"}
"""Slack's own lines about who came and what was pinned."""


class Screen:
    """Prints panels; follows channels and shows every message once, and cards when they change."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._console = Console(width=min(Console().width, 110), highlight=False)
        self._shown: dict[str, str] = {}

    def scene(self, text: str) -> None:
        """What happens next in the story."""
        self._console.print()
        self._console.rule(Text(text, style="bold cyan"), align="left", style="cyan")

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
        """Show what is new in the incident's channel and in these, until cancelled."""
        while True:
            self._show_news(names)
            before = self._state(names)
            await self._workspace.wait_for(
                lambda before=before: self._state(names) != before,  # type: ignore[misc]
                timeout=3600,
            )
            # A burst of updates is one picture for a reader.
            await asyncio.sleep(0.4)

    def _show_news(self, names: tuple[str, ...]) -> None:
        for channel in self._workspace.channels:
            if channel.name not in names and not channel.name.startswith("inc-"):
                continue
            for message in list(channel.messages.values()):
                if message.subtype in HOUSEKEEPING:
                    continue
                body = self._workspace.render(message)
                known = self._shown.get(message.ts)
                if known != body:
                    self._shown[message.ts] = body
                    self._show(f"#{channel.name}", body, known)

    def _show(self, where: str, body: str, known: str | None) -> None:
        """A new message whole; of an updated card its headline and the lines that changed."""
        if known is None:
            self._panel(body, where, "blue")
            return
        headline, *lines = body.splitlines()
        before = set(known.splitlines())
        changed = [line for line in lines if line not in before]
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
            Text(body), title=Text(title), title_align="left", border_style=colour, expand=True
        )
        self._console.print(panel)
