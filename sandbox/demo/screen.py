"""The terminal: what each person sees, as it happens."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.slack.model import Message, View
from sandbox.slack.people.workspace import Workspace


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

    def message(self, where: str, message: Message, *, verb: str = "") -> None:
        """A message in a channel."""
        body = self._workspace.render(message)
        title = f"{where}{f' · {verb}' if verb else ''}"
        self._panel(body, title, "yellow" if message.ephemeral else "blue")

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
                body = self._workspace.render(message)
                known = self._shown.get(message.ts)
                if known == body or not body.strip():
                    continue
                self._shown[message.ts] = body
                self.message(f"#{channel.name}", message, verb="updated" if known else "")

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
