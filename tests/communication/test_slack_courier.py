"""One delivery a time: what arrives at Slack, and how it is found again."""

from __future__ import annotations

from typing import Any

import pytest

from bot.communication.slack.courier import SlackCourier
from bot.core.errors import OutcomeUnknownError, PermanentError, TemporaryError
from bot.store.delivery import Action, Delivery, Receipt
from bot.store.values import Attachment
from sandbox.slack.base.accounts import User
from sandbox.slack.base.model import Channel
from sandbox.slack.server import SlackServer
from tests.communication.slack_office import client_of

REPORT = Attachment(name="report.md", media_type="text/markdown", content=b"# Report\n")
CHART = Attachment(name="chart.png", media_type="image/png", content=b"\x89PNG\r\n\x1a\n")


class Office:
    """A courier, and a channel that it may write in."""

    def __init__(self, slack: SlackServer) -> None:
        self.slack = slack
        self.ops = slack.workspace.add_channel("ops", with_bot=True)
        self.courier = SlackCourier(client_of(slack), load=self._load)
        self.files = {item.name: item for item in (REPORT, CHART)}

    def delivery(
        self, action: Action, payload: dict[str, Any] | None = None, **changes: Any
    ) -> Delivery:
        """Something owed to the channel."""
        content: dict[str, Any] = {"text": "hello", "blocks": [], **(payload or {})}
        given = {"id": f"INC-2026-001/1/{action}", "destination": f"slack:{self.ops.id}", **changes}
        return Delivery(incident_id="INC-2026-001", action=action, payload=content, **given)

    async def send(self, delivery: Delivery, previous: Receipt | None = None) -> Receipt:
        return await self.courier.send(delivery, previous)

    async def lost(self, delivery: Delivery, method: str) -> Receipt | None:
        """Send with the answer lost, then look for it."""
        self.slack.faults.timeout_after_effect(method)
        with pytest.raises(OutcomeUnknownError):
            await self.send(delivery)
        return await self.courier.find(delivery)

    async def _load(self, incident_id: str, name: str) -> Attachment | None:
        return self.files.get(name)


@pytest.fixture
def office(slack: SlackServer) -> Office:
    return Office(slack)


def _texts(office: Office, channel: Channel | str | None = None) -> list[str]:
    return [m.text for m in office.slack.workspace.messages(channel or office.ops) if m.metadata]


async def test_a_post_carries_nothing_but_its_id_beside_what_people_read(office: Office) -> None:
    receipt = await office.send(office.delivery(Action.POST))
    message = office.ops.messages[receipt.reference]
    assert message.text == "hello"
    assert message.metadata == {
        "event_type": "rollback_bot_delivery",
        "event_payload": {"id": "INC-2026-001/1/post"},
    }
    assert receipt.channel_id == office.ops.id


async def test_a_channel_may_be_given_by_its_name(office: Office) -> None:
    delivery = office.delivery(Action.POST, destination="slack:ops")
    receipt = await office.lost(delivery, "chat.postMessage")
    assert receipt is not None
    assert receipt.channel_id == office.ops.id
    assert _texts(office) == ["hello"]


async def test_a_person_gets_a_direct_message(office: Office) -> None:
    ana = office.slack.workspace.user("ana")
    await office.send(office.delivery(Action.POST, destination=f"slack:{ana.id}"))
    assert [m.text for m in office.slack.workspace.messages(ana.direct_channel)] == ["hello"]


async def test_a_direct_message_cannot_be_looked_for(office: Office) -> None:
    delivery = office.delivery(Action.POST, destination="slack:U0ANA000001")
    assert await office.lost(delivery, "chat.postMessage") is None
    assert not [c for c in office.slack.calls if c.method == "conversations.history"]


async def test_what_never_arrived_is_not_found(office: Office) -> None:
    await office.send(office.delivery(Action.POST, id="INC-2026-001/0/other"))
    assert await office.courier.find(office.delivery(Action.POST)) is None


async def test_a_message_among_hundreds_is_found(office: Office) -> None:
    receipt = await office.send(office.delivery(Action.POST))
    for number in range(250):
        office.slack.workspace.user("ana").say(f"{number}", channel=office.ops)
    assert await office.courier.find(office.delivery(Action.POST)) == receipt


async def test_while_history_cannot_be_read_the_outcome_stays_open(office: Office) -> None:
    office.slack.faults.server_error("conversations.history")
    with pytest.raises(TemporaryError) as failed:
        await office.courier.find(office.delivery(Action.POST))
    assert not isinstance(failed.value, OutcomeUnknownError)


async def test_a_card_is_posted_once_and_then_updated_in_place(office: Office) -> None:
    first = await office.send(office.delivery(Action.CARD, card="status"))
    newer = office.delivery(Action.CARD, {"text": "newer"}, card="status", id="INC-2026-001/2/card")
    assert await office.send(newer, first) == first
    assert _texts(office) == ["newer"]
    # The update carries the new id, so that it too can be found.
    assert await office.courier.find(newer) == first


async def test_a_deleted_card_is_posted_again(office: Office) -> None:
    first = await office.send(office.delivery(Action.CARD, card="status"))
    office.ops.messages.pop(first.reference)
    again = await office.send(office.delivery(Action.CARD, card="status"), first)
    assert again != first
    assert _texts(office) == ["hello"]


async def test_a_card_that_slack_does_not_let_update_is_posted_anew_and_that_one_updated(
    office: Office,
) -> None:
    first = await office.send(office.delivery(Action.CARD, card="status"))
    office.slack.faults.error("chat.update", "cant_update_message", times=1)
    newer = office.delivery(Action.CARD, {"text": "newer"}, card="status")
    second = await office.send(newer, first)
    assert second != first
    newest = office.delivery(Action.CARD, {"text": "newest"}, card="status")
    assert await office.send(newest, second) == second
    assert _texts(office) == ["hello", "newest"]


async def test_another_refusal_of_a_card_is_not_hidden(office: Office) -> None:
    first = await office.send(office.delivery(Action.CARD, card="status"))
    office.slack.faults.error("chat.update", "is_archived")
    with pytest.raises(PermanentError, match="is_archived"):
        await office.send(office.delivery(Action.CARD, card="status"), first)
    assert len(_texts(office)) == 1


async def test_a_notice_is_seen_by_one_person_only(office: Office) -> None:
    ana, ben = (office.slack.workspace.user(name) for name in ("ana", "ben"))
    await office.send(office.delivery(Action.NOTICE, {"user": ana.id}))
    assert [m.text for m in ana.sees(office.ops) if m.ephemeral] == ["hello"]
    assert [m.text for m in ben.sees(office.ops) if m.ephemeral] == []


async def test_files_arrive_in_one_message_with_words_and_alternative_text(
    office: Office,
) -> None:
    payload = {"files": ["report.md", "chart.png"], "comment": "The report", "alt_text": "A curve"}
    receipt = await office.send(office.delivery(Action.UPLOAD, payload))
    report, chart = office.slack.workspace.files
    assert (report.content, report.alt_text) == (REPORT.content, None)
    assert (chart.content, chart.alt_text) == (CHART.content, "A curve")
    (message,) = [m for m in office.slack.workspace.messages(office.ops) if m.files]
    assert message.text == "The report"
    assert receipt.reference == report.id


async def test_files_whose_answer_was_lost_are_found(office: Office) -> None:
    delivery = office.delivery(Action.UPLOAD, {"files": ["report.md"], "comment": "The report"})
    found = await office.lost(delivery, "files.completeUploadExternal")
    assert found is not None
    assert found.reference == office.slack.workspace.files[0].id


async def test_a_file_that_is_not_there_is_said(office: Office) -> None:
    with pytest.raises(PermanentError, match=r"missing\.md"):
        await office.send(office.delivery(Action.UPLOAD, {"files": ["missing.md"]}))


async def test_everybody_is_invited_and_those_who_are_there_are_no_problem(
    office: Office,
) -> None:
    channel = office.slack.workspace.add_channel("inc", members=["ana"], with_bot=True)
    people = {"people": ["U0ANA000001", "U0BEN000002", office.slack.bot_user_id]}
    delivery = office.delivery(Action.INVITE, people, destination=f"slack:{channel.id}")
    receipt = await office.send(delivery)
    assert receipt.note == ""
    assert {"U0ANA000001", "U0BEN000002"} <= set(channel.members)


async def test_one_bad_id_keeps_nobody_else_out_and_is_named(office: Office) -> None:
    channel = office.slack.workspace.add_channel("inc", members=[], with_bot=True)
    people = {"people": ["U0NOBODY099", "U0BEN000002", "U0DAN000004"]}
    delivery = office.delivery(Action.INVITE, people, destination=f"slack:{channel.id}")
    receipt = await office.send(delivery)
    assert {"U0BEN000002", "U0DAN000004"} <= set(channel.members)
    assert receipt.note == "U0NOBODY099 could not be invited (user_not_found); invite by hand."


async def test_inviting_nobody_calls_nothing(office: Office) -> None:
    await office.send(office.delivery(Action.INVITE, {"people": []}))
    assert not [c for c in office.slack.calls if c.method == "conversations.invite"]


async def test_more_than_a_hundred_people_are_invited_in_parts(office: Office) -> None:
    people = [f"U0GUEST{number:04}" for number in range(130)]
    for person in people:
        user = User(id=person, name=person.lower(), real_name=person, email="")
        office.slack.workspace.add_user(user)
    receipt = await office.send(office.delivery(Action.INVITE, {"people": people}))
    assert receipt.note == ""
    assert set(people) <= set(office.ops.members)
    assert len([c for c in office.slack.calls if c.method == "conversations.invite"]) == 2


async def test_pinning_twice_is_harmless(office: Office) -> None:
    card = await office.send(office.delivery(Action.CARD, card="status"))
    for _ in range(2):
        await office.send(office.delivery(Action.PIN, {"card": "status"}), card)
    assert list(office.ops.pins) == [card.reference]
    with pytest.raises(PermanentError, match="no card"):
        await office.send(office.delivery(Action.PIN, {"card": "status"}))


async def test_a_topic_too_long_is_cut_to_what_slack_takes(office: Office) -> None:
    await office.send(office.delivery(Action.TOPIC, {"topic": "x" * 400}))
    assert office.ops.topic["value"] == "x" * 250


async def test_a_bookmark_whose_answer_was_lost_is_not_added_twice(office: Office) -> None:
    link = {"title": "checkout (live)", "link": "http://shop.example.com"}
    delivery = office.delivery(Action.BOOKMARK, link)
    settled = await office.lost(delivery, "bookmarks.add")
    assert settled is not None
    assert "did not say" in settled.note
    assert len(office.ops.bookmarks) == 1


CANVAS = {"title": "INC-2026-001: rollback report", "file": "report.md"}


async def test_the_report_becomes_the_canvas_of_the_channel(office: Office) -> None:
    receipt = await office.send(office.delivery(Action.CANVAS, CANVAS))
    (canvas,) = office.slack.workspace.files
    assert (canvas.id, canvas.title) == (receipt.reference, CANVAS["title"])
    assert canvas.content == REPORT.content


@pytest.mark.parametrize(
    "code",
    ["missing_scope", "team_tier_cannot_create_channel_canvases", "canvas_disabled_user_team"],
)
async def test_a_workspace_without_canvases_says_what_to_do(office: Office, code: str) -> None:
    office.slack.faults.error("conversations.canvases.create", code)
    with pytest.raises(PermanentError, match=code) as refused:
        await office.send(office.delivery(Action.CANVAS, CANVAS))
    assert refused.value.remedy


async def test_a_canvas_that_people_made_is_left_as_it_is(office: Office) -> None:
    first = await office.send(office.delivery(Action.CANVAS, CANVAS))
    for code in ("", "free_team_canvas_tab_already_exists"):
        if code:
            office.slack.faults.error("conversations.canvases.create", code)
        with pytest.raises(PermanentError, match="canvas already") as refused:
            await office.send(office.delivery(Action.CANVAS, CANVAS))
        assert "uploaded files" in refused.value.remedy
    assert [file.id for file in office.slack.workspace.files] == [first.reference]


async def test_a_canvas_whose_answer_was_lost_is_not_made_twice(office: Office) -> None:
    assert (
        await office.lost(office.delivery(Action.CANVAS, CANVAS), "conversations.canvases.create")
        is None
    )
    with pytest.raises(PermanentError, match="canvas already"):
        await office.send(office.delivery(Action.CANVAS, CANVAS))
    assert len(office.slack.workspace.files) == 1
