"""Whether the ten-minute updates keep pace with the number of incidents."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.companies import QUIET
from benchmarks.incidents import store_open
from benchmarks.model import Budget, CannotRunError, Samples, Unit
from sandbox.company import Company

MANY, FEW = 1000, 100
EVERY = timedelta(seconds=120)
"""Between two updates of an incident: time enough for the other bot's in between."""


class Updates:
    """From the moment at which all updates fall due until the last one is in Slack."""

    name = "updates"
    what = f"updates of {MANY:,} open incidents, all due at once: due to the last one in Slack"
    peer = f"the same with {FEW} open incidents"
    unit: Unit = "s"
    budget = Budget(limit=10.5, of="ratio")
    rounds = 3

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: a beat of the bot with few incidents, half a beat later one of the other."""
        ours, peer = [], []
        now = datetime.now(UTC)
        few = Newsroom(place / "few", FEW, opened_at=now)
        many = Newsroom(place / "many", MANY, opened_at=now + EVERY / 2)
        async with AsyncExitStack() as stack:
            for room in (few, many):
                await stack.enter_async_context(room.company)
                await room.open()
            for number in range(rounds + 1):
                little = await few.beat()
                much = await many.beat()
                if number:  # at the first beat every incident gets its card and its pin
                    peer.append(little)
                    ours.append(much)
        return Samples(ours=tuple(ours), peer=tuple(peer))


class Newsroom:
    """A company with so many open incidents, and its bot."""

    def __init__(self, folder: Path, count: int, *, opened_at: datetime) -> None:
        self._count = count
        self._opened_at = opened_at
        self._services = [f"service-{number:04d}" for number in range(count)]
        entry = {"rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "shop"}]}
        self.company = Company(
            folder=folder,
            pace=replace(QUIET, updates=EVERY.total_seconds()),
            catalog_changes={"services": dict.fromkeys(self._services, entry)},
        )
        self._seen = 0
        self._heard = 0

    async def open(self) -> None:
        """Give every incident its channel, write them all to the store, and start the bot."""
        # Slack's limit of a post a second and channel would be all that is measured.
        self.company.slack.enforce_rate_limits = False
        workspace = self.company.slack.workspace
        channels = [
            (name, workspace.add_channel(f"inc-{name}", members=["ana"], with_bot=True).id)
            for name in self._services
        ]
        await store_open(self.company.folder / "bot.sqlite3", channels, self._opened_at)
        await self.company.start_bot()

    async def beat(self) -> float:
        """Wait for the next updates; seconds from due until the last one was posted.

        Each goes to the incident's own channel and to the stakeholders'.
        """
        due = self._opened_at
        while due <= datetime.now(UTC):
            due += EVERY
        self._heard, self._seen = 0, len(self.company.slack.calls)
        patience = (due - datetime.now(UTC) + EVERY / 2).total_seconds()
        try:
            await self.company.slack.workspace.wait_for(self._all_heard, timeout=patience)
        except TimeoutError:
            raise CannotRunError(
                f"{self._heard} of {2 * self._count} posts within half of {EVERY}"
            ) from None
        return (datetime.now(UTC) - due).total_seconds()

    def _all_heard(self) -> bool:
        calls = self.company.slack.calls
        while self._seen < len(calls):
            call = calls[self._seen]
            self._seen += 1
            said = str(call.args.get("text", ""))
            self._heard += call.method == "chat.postMessage" and ", update " in said
        return self._heard >= 2 * self._count
