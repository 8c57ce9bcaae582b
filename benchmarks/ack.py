"""How long a person waits for Slack to believe that a command was heard."""

from __future__ import annotations

import contextlib
import json
import math
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.companies import QUIET
from benchmarks.incidents import store_closed
from benchmarks.model import Budget, CannotRunError, Samples, Unit
from benchmarks.processes import Module
from sandbox.company import Company
from sandbox.slack.base.accounts import User
from sandbox.slack.delivery.dispatch import Payload
from sandbox.slack.delivery.http import FORM, encode, sign
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.people.person import Person

INCIDENTS = 10_000
AT_ONCE = 200
QUANTILE = 0.99
PATIENCE = 90.0


class Ack:
    """`/rollback checkout`, typed by two hundred people at the same moment, over signed HTTP."""

    name = "ack"
    what = (
        f"slash command to ack: p99 of {AT_ONCE} at once, signed HTTP, {INCIDENTS:,} incidents "
        "in the store"
    )
    peer = "a bare Bolt app that only acks"
    unit: Unit = "s"
    budget = Budget(limit=2.0, of="ratio")
    rounds = 9

    async def measure(self, place: Path, rounds: int) -> Samples:
        """One round: a volley at the peer, a volley at the bot, and every form is filled."""
        ours, peer = [], []
        company = Company(folder=place, transport="http", pace=QUIET)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(company)
            await store_closed(place / "bot.sqlite3", company.service, INCIDENTS)
            crowd = Crowd(company)
            secret = {"SLACK_SIGNING_SECRET": company.slack.signing_secret}
            bare = await stack.enter_async_context(Module("bare_bolt", environment=secret))
            bare_url = await bare.line()
            volley = await stack.enter_async_context(Module("volley"))
            await company.start_bot()
            # Slack would open only the first hundred forms a minute: the harder case for us.
            company.slack.enforce_rate_limits = False
            unopened = 0
            for number in range(rounds + 1):
                waited = await crowd.shoot(volley, bare_url)
                heard = await crowd.shoot(volley, f"{company.bot.url}/slack/events")
                unopened += await crowd.until_answered()
                if number:  # the first of both warms up
                    peer.append(waited)
                    ours.append(heard)
        note = f"{unopened} forms came too late for Slack" if unopened else ""
        return Samples(ours=tuple(ours), peer=tuple(peer), note=note)


class Crowd:
    """People who all type the same command."""

    def __init__(self, company: Company) -> None:
        self._company = company
        slack = company.slack
        self._payloads = Payloads(slack.world, base_url=lambda: slack.url.removesuffix("api/"))
        self._refused = 0
        self._seen = 0
        self._people = [slack.workspace.add_user(_user(number)) for number in range(AT_ONCE)]

    async def shoot(self, volley: Module, url: str) -> float:
        """Everybody presses Enter; how many seconds all but the slowest one per cent waited."""
        asked = [self._request(person) for person in self._people]
        self._refused, self._seen = 0, len(self._company.slack.calls)
        answer = await volley.ask(json.dumps({"url": url, "requests": asked}))
        waited: list[float] = sorted(json.loads(answer))
        return waited[math.ceil(QUANTILE * len(waited)) - 1]

    async def until_answered(self) -> int:
        """Wait until everybody sees the form with its figures, and close them all.

        Returns how many Slack did not open, because the command was too long ago.
        """
        ending = time.monotonic() + PATIENCE
        while not self._all_answered():
            if time.monotonic() > ending:
                raise CannotRunError(f"not everybody had a form after {PATIENCE:g} s")
            with contextlib.suppress(TimeoutError):
                # A refusal changes nothing that people see, so it wakes nobody.
                await self._company.slack.workspace.wait_for(self._all_answered, timeout=0.2)
        for person in self._people:
            if person.view is not None:
                await person.close(everything=True)
        return self._refused

    def _all_answered(self) -> bool:
        calls = self._company.slack.calls
        while self._seen < len(calls) and calls[self._seen].answer is not None:
            call = calls[self._seen]
            self._refused += call.method == "views.open" and not call.ok
            self._seen += 1
        return sum(map(_sees_form, self._people)) + self._refused >= AT_ONCE

    def _request(self, person: Person) -> dict[str, object]:
        slack = self._company.slack
        body = self._payloads.command(
            person.user,
            command="/rollback",
            text=self._company.service,
            channel=slack.workspace.channel("general"),
        )
        text, _ = encode(Payload(kind="slash_commands", body=body))
        stamp = str(int(slack.world.now()))
        signature = sign(slack.signing_secret, timestamp=stamp, body=text)
        headers = {
            "Content-Type": FORM,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": signature,
        }
        return {"body": text, "headers": headers}


def _sees_form(person: Person) -> bool:
    return person.view is not None and person.view.callback_id == "assessment"


def _user(number: int) -> User:
    name = f"person{number:03d}"
    return User(
        id=f"U0CROWD{number:04d}",
        name=name,
        real_name=name.title(),
        email=f"{name}@example.com",
    )
