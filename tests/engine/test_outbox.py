"""What is owed arrives: in order, each once, and what cannot arrive is said."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from bot.core.errors import TemporaryError
from bot.engine import outbox
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from bot.paperwork import conclude
from bot.store.delivery import Action, Delivery, DeliveryState, Receipt
from sandbox.slack.base.model import Channel, Message
from tests.company.deeds import CONCLUSION, declare, planned
from tests.company.harness import Company, Process, catalog_of

STATUS = {"updates": {"channels": ["status"]}}


def _post(name: str, channel: Channel) -> Delivery:
    return Delivery(
        id=f"test/{channel.name}/{name}",
        destination=f"slack:{channel.id}",
        action=Action.POST,
        payload={"text": name, "blocks": []},
    )


def _card(version: int, channel: Channel) -> Delivery:
    return Delivery(
        id=f"test/card/{version}",
        destination=f"slack:{channel.id}",
        action=Action.CARD,
        card="status",
        payload={"text": f"version {version}", "blocks": []},
    )


async def _owe(process: Process, *deliveries: Delivery) -> None:
    await process.store.enqueue(deliveries, now=process.company.clock.now())
    process.outbox.wake()


def _texts(company: Company, channel: Channel) -> list[str]:
    return [message.text for message in company.messages(channel)]


def _channel(company: Company, incident: Incident) -> Channel:
    opened = company.incidents[incident.id].channel
    assert opened is not None
    return company.slack.workspace.channel(opened.channel_id)


def _status_card(company: Company, incident: Incident) -> Message:
    channel = _channel(company, incident)
    (card,) = [m for m in company.messages(channel) if m.metadata and _id(m).endswith("/status")]
    return card


def _id(message: Message) -> str:
    payload = (message.metadata or {}).get("event_payload") or {}
    return str(payload.get("id", ""))


def _doubled(company: Company) -> dict[str, int]:
    """Ids of deliveries that can be read more than once in Slack."""
    channels = company.slack.workspace.channels
    ids = Counter(_id(m) for channel in channels for m in channel.messages.values() if m.metadata)
    return {name: count for name, count in ids.items() if count > 1}


# -- unknown outcomes and waits -------------------------------------------------------------------


async def test_the_wait_that_slack_asks_for_is_kept(company: Company) -> None:
    process = await company.process()
    company.slack.faults.rate_limit("chat.postMessage", retry_after=7)
    await _owe(process, _post("hello", company.ops))
    await company.clock.advance(6.9)
    assert company.calls("chat.postMessage") == 1
    await company.clock.advance(0.2)
    assert _texts(company, company.ops) == ["hello"]


async def test_after_a_server_error_slack_is_asked_before_anything_is_sent_again(
    company: Company,
) -> None:
    process = await company.process()
    company.slack.faults.server_error("chat.postMessage")
    await _owe(process, _post("hello", company.ops))
    await company.clock.advance(3)
    assert _texts(company, company.ops) == ["hello"]
    methods = [call.method for call in company.slack.calls]
    assert methods == ["chat.postMessage", "conversations.history", "chat.postMessage"]


async def test_a_message_whose_answer_was_lost_is_found_and_not_doubled(company: Company) -> None:
    process = await company.process()
    company.slack.faults.timeout_after_effect("chat.postMessage")
    await _owe(process, _post("hello", company.ops), _post("again", company.ops))
    await company.clock.advance(5)
    assert _texts(company, company.ops) == ["hello", "again"]
    assert company.calls("chat.postMessage") == 2


async def test_while_slack_cannot_say_whether_it_arrived_nothing_is_sent(
    company: Company,
) -> None:
    process = await company.process()
    company.slack.faults.timeout_after_effect("chat.postMessage")
    company.slack.faults.server_error("conversations.history", times=3)
    await _owe(process, _post("hello", company.ops))
    await company.clock.advance(60)
    assert _texts(company, company.ops) == ["hello"]
    assert company.calls("chat.postMessage") == 1
    assert company.calls("conversations.history") == 4


async def test_a_card_whose_answer_was_lost_is_updated_and_not_posted_beside(
    company: Company,
) -> None:
    process = await company.process()
    company.slack.faults.timeout_after_effect("chat.postMessage")
    await _owe(process, _card(1, company.ops))
    await company.clock.settle()
    await _owe(process, _card(2, company.ops))
    await company.clock.advance(5)
    assert _texts(company, company.ops) == ["version 2"]


async def test_a_report_whose_answer_was_lost_is_uploaded_once(company: Company) -> None:
    process = await company.process()
    incident = await planned(process)
    company.slack.faults.timeout_after_effect("files.completeUploadExternal")
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ana"),
        request_id="view/1",
    )
    await company.clock.advance(60)
    names = Counter(file.name for file in company.slack.workspace.files)
    assert set(names.values()) == {1}
    assert f"{incident.id}-rollback-report.md" in names


@pytest.mark.parametrize(
    ("left", "arrived"), [(timedelta(microseconds=1), ["hello"]), (timedelta(0), [])]
)
async def test_what_is_out_of_date_at_this_very_moment_is_not_sent_any_more(
    company: Company, left: timedelta, arrived: list[str]
) -> None:
    process = await company.process()
    stale_at = company.clock.now() + left
    delivery = _post("hello", company.ops).model_copy(update={"stale_at": stale_at})
    await _owe(process, delivery, _post("next", company.ops))
    await company.clock.settle()
    assert _texts(company, company.ops) == [*arrived, "next"]
    await company.clock.advance(60)
    assert _texts(company, company.ops) == [*arrived, "next"]


# -- order and coalescing -------------------------------------------------------------------------


async def test_every_destination_keeps_its_order_and_waits_for_no_other(company: Company) -> None:
    process = await company.process()
    status = company.slack.workspace.add_channel("status", with_bot=True)
    company.slack.faults.rate_limit("chat.postMessage", retry_after=20)
    company.slack.faults.server_error("chat.postMessage", times=2)
    names = [f"message {n}" for n in range(8)]
    await _owe(process, *(_post(name, company.ops) for name in names))
    await _owe(process, *(_post(name, status) for name in names))
    await company.clock.advance(19)
    ahead = {channel.name: len(company.messages(channel)) for channel in (company.ops, status)}
    assert sorted(ahead.values())[1] > 0
    await company.clock.advance(60)
    assert _texts(company, company.ops) == names
    assert _texts(company, status) == names


async def test_of_a_card_only_the_newest_version_is_sent(company: Company) -> None:
    process = await company.process()
    company.slack.faults.rate_limit("chat.postMessage", retry_after=30)
    for version in range(1, 30):
        await _owe(process, _card(version, company.ops))
        await company.clock.advance(1)
    await company.clock.advance(5)
    assert _texts(company, company.ops) == ["version 29"]
    assert company.calls("chat.postMessage") + company.calls("chat.update") <= 3


# -- deaths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "number"),
    [*(("after call", n) for n in range(1, 13)), *(("before call", n) for n in (2, 6, 9))],
)
async def test_killed_around_a_call_to_slack_everything_arrives_once(
    company: Company, moment: str, number: int
) -> None:
    company.slack.workspace.add_channel("status", with_bot=True)
    catalog = catalog_of(STATUS)
    process = await company.process(catalog=catalog)
    process.life.die_at(moment, number)
    incident = await declare(process)
    await company.clock.run_until(lambda: not process.life.alive)
    await process.kill()
    other = await company.process(catalog=catalog)
    await company.until(incident, lambda i: i.phase is Phase.AWAITING_APPROVAL)
    await company.clock.advance(75)
    states = Counter(row.state for row in await other.store.deliveries(incident.id))
    assert set(states) <= {DeliveryState.SENT, DeliveryState.LAPSED}
    assert _doubled(company) == {}
    opened = [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]
    assert len(opened) == 1
    assert len(company.messages("status")) == 1
    assert len(company.slack.workspace.pinned(opened[0])) == 1
    # Bookmarks cannot be looked for with the bot's scopes: an unknown outcome is not repeated.
    assert len(opened[0].bookmarks) <= 1


# -- what does not work is said, and taken back ---------------------------------------------------


async def test_the_status_card_is_pinned_however_often_it_changed_before_it_was_sent(
    company: Company,
) -> None:
    company.slack.faults.rate_limit("chat.postMessage", retry_after=20)
    process = await company.process()
    incident = await planned(process)
    await company.clock.advance(40)
    assert company.slack.workspace.pinned(_channel(company, incident)) == [
        _status_card(company, incident)
    ]
    assert company.incidents[incident.id].notes == ()


async def test_a_deleted_card_is_posted_and_pinned_anew(company: Company) -> None:
    process = await company.process()
    incident = await planned(process)
    await company.clock.advance(10)
    channel = _channel(company, incident)
    old = _status_card(company, incident)
    channel.messages.pop(old.ts)
    channel.pins.pop(old.ts)
    await process.journal.add(incident.id, e.Noted(subject="test", what="Something changed."))
    await company.clock.advance(10)
    new = _status_card(company, incident)
    assert new.ts != old.ts
    assert "Something changed." in new.plain
    assert company.slack.workspace.pinned(channel) == [new]


async def test_a_card_that_slack_does_not_let_update_is_followed_by_one_that_it_does(
    company: Company,
) -> None:
    process = await company.process()
    company.slack.faults.error("chat.update", "cant_update_message", times=1)
    for version in (1, 2, 3):
        await _owe(process, _card(version, company.ops))
        await company.clock.advance(1)
    assert _texts(company, company.ops) == ["version 1", "version 3"]


async def test_a_post_that_never_arrives_is_noted_on_the_status_card(company: Company) -> None:
    process = await company.process(catalog=catalog_of({"updates": {"channels": ["nowhere"]}}))
    incident = await planned(process)
    await company.clock.advance(10)
    (note,) = company.incidents[incident.id].notes
    assert note.subject == "post to nowhere"
    assert "channel_not_found" in note.what
    assert "rollback.yml" in note.remedy
    assert "channel_not_found" in company.slack.workspace.render(_status_card(company, incident))


async def test_what_waits_for_an_invitation_arrives_after_it_and_the_note_goes(
    company: Company,
) -> None:
    status = company.slack.workspace.add_channel("status")
    process = await company.process(catalog=catalog_of(STATUS))
    incident = await planned(process)
    state = await company.until(incident, lambda i: i.notes)
    assert "not_in_channel" in state.notes[0].what
    assert "/invite" in state.notes[0].remedy
    await company.clock.advance(300)
    assert company.messages(status) == []
    company.slack.workspace.add_bot(status)
    await company.until(incident, lambda i: not i.notes)
    assert len(company.messages(status)) == 1


@pytest.mark.parametrize(
    ("method", "error", "subject"),
    [
        ("pins.add", "missing_scope", "pin to"),
        ("bookmarks.add", "unknown_method", "bookmark to"),
        ("conversations.setTopic", "not_allowed_token_type", "topic to"),
        ("conversations.invite", "missing_scope", "invite to"),
    ],
)
async def test_a_comfort_that_slack_does_not_grant_is_noted_and_the_rest_goes_on(
    company: Company, method: str, error: str, subject: str
) -> None:
    company.slack.faults.error(method, error, needed="some:scope")
    process = await company.process()
    incident = await planned(process)
    await company.clock.advance(30)
    (note,) = company.incidents[incident.id].notes
    assert note.subject.startswith(subject)
    assert error in note.what
    assert note.remedy
    assert [m for m in company.messages(_channel(company, incident)) if "Plan:" in m.plain]


async def test_a_report_that_cannot_be_uploaded_is_noted(company: Company) -> None:
    company.slack.faults.error("files.getUploadURLExternal", "missing_scope", needed="files:write")
    process = await company.process()
    incident = await planned(process)
    await conclude.resolve(
        process.context,
        incident.id,
        conclusion=CONCLUSION,
        actor=company.actor("ana"),
        request_id="view/1",
    )
    await company.clock.advance(30)
    (note,) = company.incidents[incident.id].notes
    assert "files:write" in note.what
    assert "manifest.yml" in note.remedy
    assert "resolved" in " ".join(company.said(_channel(company, incident)))


async def test_a_bad_person_in_the_team_keeps_nobody_else_out(company: Company) -> None:
    roles = {
        "Incident Commander": ["U0BEN000002", "U0NOBODY099"],
        "Deployment Lead": ["U0DAN000004"],
    }
    people = {"release_managers": ["U0BEN000002"], "roles": roles}
    process = await company.process(catalog=catalog_of({"people": people}))
    incident = await planned(process)
    await company.clock.advance(30)
    members = set(_channel(company, incident).members)
    assert {company.actor(name).id for name in ("ana", "ben", "dan")} <= members
    notes = " ".join(note.what for note in company.incidents[incident.id].notes)
    assert "U0NOBODY099" in notes


async def test_somebody_who_left_between_planning_and_inviting_keeps_nobody_else_out(
    company: Company,
) -> None:
    company.slack.faults.rate_limit("conversations.invite", retry_after=5)
    process = await company.process()
    incident = await declare(process)
    await company.until(incident, lambda i: i.team)
    company.slack.world.users.pop(company.actor("ben").id)
    await company.clock.advance(40)
    assert company.actor("ana").id in _channel(company, incident).members
    (note,) = company.incidents[incident.id].notes
    assert "U0BEN000002 could not be invited (user_not_found)" in note.what


async def test_without_channels_of_its_own_the_incident_runs_where_it_was_asked_for(
    company: Company,
) -> None:
    company.slack.workspace.policies.members_may_create_channels = False
    process = await company.process()
    incident = await planned(process)
    await company.clock.advance(10)
    state = company.incidents[incident.id]
    assert state.channel is not None
    assert (state.channel.channel_id, state.channel.dedicated) == (company.ops.id, False)
    assert "restricted_action" in state.channel.note
    assert [m for m in company.messages(company.ops) if "Plan:" in m.plain]
    # It is not the bot's channel: nobody is invited and the topic stays.
    assert company.calls("conversations.invite") == company.calls("conversations.setTopic") == 0


async def test_a_delivery_is_given_up_at_last_and_the_next_one_goes(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_AFTER", 5)
    process = await company.process()
    company.slack.faults.server_error("chat.postMessage", times=5)
    await _owe(process, _post("never", company.ops), _post("next", company.ops))
    # Attempts follow each other after 1, 2, 4 and 8 seconds.
    await company.clock.advance(16)
    assert _texts(company, company.ops) == ["next"]
    assert company.calls("chat.postMessage") == 6


class Away:
    """A destination that takes nothing, and when it was asked to."""

    def __init__(self, company: Company) -> None:
        self._clock = company.clock
        self.asked: list[datetime] = []

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        self.asked.append(self._clock.now())
        raise TemporaryError("It is away.")

    async def find(self, delivery: Delivery) -> Receipt | None:
        return None


async def test_a_delivery_is_tried_ever_more_slowly_but_every_five_minutes_at_least(
    company: Company,
) -> None:
    away = Away(company)
    process = await company.process(couriers={"webhook": away})
    await _owe(
        process, _post("hello", company.ops).model_copy(update={"destination": "webhook:away"})
    )
    await company.clock.advance(1 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 3 * 300 + 10)
    pauses = [(b - a).total_seconds() for a, b in pairwise(away.asked)]
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


# -- what must not end the sending ----------------------------------------------------------------


async def test_a_store_that_fails_at_any_moment_does_not_end_the_sending(company: Company) -> None:
    process = await company.process()
    for moment in range(1, 6):
        await company.clock.advance(0.3 * moment)
        # At the moment of claiming, or while it is asked when the next one is due.
        process.store.fail_next(TemporaryError("The database is away."), times=moment)
        await company.clock.advance(10)
    await _owe(process, _post("hello", company.ops))
    await company.clock.advance(10)
    assert _texts(company, company.ops) == ["hello"]


class Slow:
    """A destination that takes everything and never says so."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, delivery: Delivery, previous: Receipt | None) -> Receipt:
        self.sent.append(delivery.id)
        await asyncio.Event().wait()
        raise AssertionError

    async def find(self, delivery: Delivery) -> Receipt | None:
        return Receipt(reference="found") if delivery.id in self.sent else None


async def test_what_takes_longer_than_its_claim_is_looked_for_and_not_sent_twice(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=outbox.SEND_SECONDS) < outbox.CLAIM_TTL
    monkeypatch.setattr(outbox, "SEND_SECONDS", 0.05)
    slow = Slow()
    process = await company.process(couriers={"webhook": slow})
    delivery = _post("hello", company.ops).model_copy(update={"destination": "webhook:slow"})
    await _owe(process, delivery)
    await company.clock.settle()
    await asyncio.sleep(0.1)
    await company.clock.advance(5)
    assert slow.sent == [delivery.id]
    assert await process.store.next_delivery_at() is None


async def test_killed_while_giving_up_it_is_said_all_the_same(company: Company) -> None:
    catalog = catalog_of({"updates": {"channels": ["nowhere"]}})
    first = await company.process(catalog=catalog, sends=False)
    incident = await planned(first)
    sender = await company.process(catalog=catalog)
    gave_up = sender.store.settle_failed

    async def dies(*args: Any, **options: Any) -> None:
        await gave_up(*args, **options)
        sender.life.alive = False
        raise asyncio.CancelledError

    sender.store.settle_failed = dies  # type: ignore[method-assign] # the last thing it does
    await company.clock.run_until(lambda: not sender.life.alive)
    await sender.kill()
    await company.process(catalog=catalog)
    # Before the first update, which cannot arrive there either.
    state = await company.until(incident, lambda i: i.notes, within=timedelta(minutes=5))
    assert state.notes[0].subject == "post to nowhere"
