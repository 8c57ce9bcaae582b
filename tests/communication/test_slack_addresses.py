"""E-mail addresses of people, as far as Slack tells them."""

from __future__ import annotations

import pytest

from bot.communication.slack.chat import SlackChat
from bot.core.errors import TemporaryError
from bot.core.values import Actor
from sandbox.slack.server import SlackServer
from tests.communication.slack_office import client_of, without
from tests.company.virtual_clock import VirtualClock

ANA = Actor(id="U0ANA000001", name="ana")
PEOPLE = (ANA, Actor(id="cli:root", name="root"), Actor(id="U0GONE00009", name="gone"))


def chat_of(slack: SlackServer) -> SlackChat:
    async def bot() -> str:
        return slack.bot_user_id

    return SlackChat(client_of(slack), bot_user_id=bot, clock=VirtualClock())


async def test_members_have_addresses_and_others_are_left_out(slack: SlackServer) -> None:
    assert await chat_of(slack).addresses(PEOPLE) == {ANA.id: "ana@example.com"}


async def test_without_the_scope_nobody_has_one() -> None:
    slack = SlackServer(manifest=without("users:read.email"))
    await slack.start()
    try:
        assert await chat_of(slack).addresses(PEOPLE) == {}
    finally:
        await slack.stop()


async def test_a_slack_that_does_not_answer_is_asked_again_later(slack: SlackServer) -> None:
    slack.faults.server_error("users.info", times=None)
    with pytest.raises(TemporaryError):
        await chat_of(slack).addresses(PEOPLE)
