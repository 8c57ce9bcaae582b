"""Channels and people: found, made, and found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.communication.slack.chat import NAMES_KEPT, SlackChat
from bot.core.errors import FeatureUnavailableError, OutcomeUnknownError, TemporaryError
from sandbox.slack.server import SlackServer
from tests.communication.slack_office import client_of, without
from tests.company.virtual_clock import VirtualClock

NAME = "inc-2026-001-checkout"


class Office:
    """A chat on a clock of its own."""

    def __init__(self, slack: SlackServer) -> None:
        self.clock = VirtualClock()
        self.slack = slack
        slack.world.clock = self.clock.timestamp
        self.chat = SlackChat(client_of(slack), bot_user_id=self._bot, clock=self.clock)

    async def _bot(self) -> str:
        return self.slack.bot_user_id

    def calls(self, method: str) -> int:
        return sum(call.method == method for call in self.slack.calls)


@pytest.fixture
def office(slack: SlackServer) -> Office:
    return Office(slack)


# -- channels -------------------------------------------------------------------------------------


async def test_a_channel_is_created_under_its_name(office: Office) -> None:
    room = await office.chat.open_channel(NAME, since=office.clock.now())
    assert office.slack.workspace.channel(room.id).name == room.name == NAME


async def test_a_name_that_somebody_has_gets_a_number(office: Office) -> None:
    workspace = office.slack.workspace
    workspace.add_channel(NAME)
    workspace.archive(workspace.add_channel(f"{NAME}-2"))
    room = await office.chat.open_channel(NAME, since=office.clock.now())
    assert room.name == f"{NAME}-3"


async def test_a_private_channel_that_the_bot_cannot_see_takes_the_name_too(
    office: Office,
) -> None:
    office.slack.workspace.add_channel(NAME, private=True)
    room = await office.chat.open_channel(NAME, since=office.clock.now())
    assert room.name == f"{NAME}-2"


async def test_after_a_lost_answer_the_same_channel_is_found(office: Office) -> None:
    since = office.clock.now()
    office.slack.faults.timeout_after_effect("conversations.create")
    with pytest.raises(OutcomeUnknownError):
        await office.chat.open_channel(NAME, since=since)
    await office.clock.advance(60)
    room = await office.chat.open_channel(NAME, since=since)
    assert room.name == NAME
    assert [c.name for c in office.slack.workspace.channels if c.name.startswith("inc-")] == [NAME]


async def test_an_old_channel_of_our_own_is_not_taken_for_this_incidents(office: Office) -> None:
    old = await office.chat.open_channel(NAME, since=office.clock.now())
    await office.clock.advance(timedelta(days=1).total_seconds())
    room = await office.chat.open_channel(NAME, since=office.clock.now())
    assert room.id != old.id
    assert room.name == f"{NAME}-2"


async def test_a_channel_on_a_later_page_is_found(office: Office) -> None:
    since = office.clock.now()
    for number in range(1_100):
        office.slack.workspace.add_channel(f"other-{number}", members=["ana"])
    office.slack.faults.timeout_after_effect("conversations.create")
    with pytest.raises(OutcomeUnknownError):
        await office.chat.open_channel(NAME, since=since)
    assert (await office.chat.open_channel(NAME, since=since)).name == NAME
    assert office.calls("conversations.list") == 2


async def test_a_workspace_that_forbids_channels_is_told_apart(office: Office) -> None:
    office.slack.workspace.policies.members_may_create_channels = False
    with pytest.raises(FeatureUnavailableError, match="restricted_action"):
        await office.chat.open_channel(NAME, since=office.clock.now())


async def test_any_other_refusal_also_leaves_the_incident_where_it_was_asked_for(
    office: Office,
) -> None:
    office.slack.faults.error("conversations.create", "too_many_convos_for_team")
    with pytest.raises(FeatureUnavailableError, match="too_many_convos_for_team"):
        await office.chat.open_channel(NAME, since=office.clock.now())


async def test_when_every_name_is_taken_that_is_said(office: Office) -> None:
    office.slack.faults.error("conversations.create", "name_taken")
    with pytest.raises(FeatureUnavailableError, match="is taken"):
        await office.chat.open_channel(NAME, since=office.clock.now())


async def test_the_longest_name_still_fits_with_its_number(office: Office) -> None:
    longest = "inc-2026-001-" + "x" * 80
    office.slack.workspace.add_channel(longest[:77])
    room = await office.chat.open_channel(longest, since=office.clock.now())
    assert len(room.name) <= 80
    assert room.name.endswith("-2")


# -- people ---------------------------------------------------------------------------------------


async def test_people_are_found_by_id_address_and_group_each_once(office: Office) -> None:
    group = office.slack.workspace.add_group("leads", "carla", "dan")
    found = await office.chat.resolve(["U0ANA000001", "carla@example.com", group.id])
    assert sorted(person.name for person in found.people) == ["ana", "carla", "dan"]
    assert found.problems == ()


async def test_a_wrong_reference_is_named_and_keeps_nobody_else_away(office: Office) -> None:
    gone = office.slack.world.users["U0DAN000004"]
    office.slack.world.users[gone.id] = replace(gone, deleted=True)
    references = ["U0NOBODY099", "nobody@example.com", "S0NOGROUP01", gone.id, "U0ANA000001"]
    found = await office.chat.resolve(references)
    assert [person.name for person in found.people] == ["ana"]
    assert len(found.problems) == 4
    for reference, problem in zip(references, found.problems, strict=False):
        assert problem.startswith(f"{reference}: ")


async def test_names_are_remembered_for_a_while_and_memberships_never(office: Office) -> None:
    group = office.slack.workspace.add_group("leads", "ana", "ben")
    for _ in range(3):
        await office.chat.resolve([group.id])
    assert (office.calls("usergroups.users.list"), office.calls("users.info")) == (3, 2)
    office.slack.world.groups[group.id] = replace(group, user_ids=("U0BEN000002",))
    assert [p.name for p in (await office.chat.resolve([group.id])).people] == ["ben"]
    await office.clock.advance(NAMES_KEPT.total_seconds())
    await office.chat.resolve([group.id])
    assert office.calls("users.info") == 3


async def test_a_slack_that_does_not_answer_is_no_empty_group(office: Office) -> None:
    group = office.slack.workspace.add_group("leads", "ana")
    office.slack.faults.server_error("usergroups.users.list")
    with pytest.raises(TemporaryError):
        await office.chat.resolve([group.id])


async def test_a_rollback_does_not_wait_for_names(office: Office) -> None:
    office.slack.faults.server_error("users.info")
    found = await office.chat.resolve(["U0ANA000001", "ben@example.com"])
    assert [person.name for person in found.people] == ["U0ANA000001", "ben"]
    # Asked again at once, and from then on known.
    (ana,) = (await office.chat.resolve(["U0ANA000001"])).people
    assert ana.name == "ana"


async def test_without_the_right_to_read_names_an_id_is_enough() -> None:
    server = SlackServer(manifest=without("users:read", "users:read.email", "usergroups:read"))
    await server.start()
    found = await Office(server).chat.resolve(["U0ANA000001", "ben@example.com", "S0LEADS0001"])
    await server.stop()
    assert [(person.id, person.name) for person in found.people] == [("U0ANA000001", "U0ANA000001")]
    assert len(found.problems) == 2
    assert "usergroups:read" in found.problems[1]
