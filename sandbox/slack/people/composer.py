"""The message box: what a person types into it."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Channel, Json, Message
from sandbox.slack.base.world import World
from sandbox.slack.delivery.dispatch import Ack, Dispatcher, Payload
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.delivery.responses import reply
from sandbox.slack.people.results import CommandResult, refusal_words

SLACKBOT = "USLACKBOT"


class Composer:
    """Sends commands and messages for one person, and shows what comes back."""

    def __init__(
        self, user_id: str, *, world: World, dispatcher: Dispatcher, payloads: Payloads
    ) -> None:
        self._user_id = user_id
        self._world = world
        self._dispatcher = dispatcher
        self._payloads = payloads

    async def command(self, text: str, place: Channel) -> CommandResult:
        """A slash command: deliver it, and show the answer or Slackbot's complaint."""
        command, _, rest = text.partition(" ")
        declared = self._commands().get(command)
        if declared is None:
            return self._slackbot(place, f"{command} is not a valid command.", "invalid_command")
        body = self._payloads.command(
            self._world.users[self._user_id],
            command=command,
            text=self._escaped(rest.strip(), declared),
            channel=place,
        )
        ack = await self._dispatcher.deliver(Payload(kind="slash_commands", body=body))
        if ack.error:
            words = f'{command} failed with the error "{ack.error}"'
            return self._slackbot(place, words, ack.error, ack)
        try:
            message = self._answer(place, ack.body)
        except SlackRefusal as refusal:
            self._world.note("acknowledgement of a command", refusal)
            words = f'{command} failed with the error "{refusal.code}"'
            return self._slackbot(place, words, refusal_words(refusal), ack)
        return CommandResult(status=ack.status, body=ack.body, message=message)

    def say(self, text: str, place: Channel, *, thread_ts: str | None) -> Message:
        """A message; when it mentions the app, that is an event of its own."""
        message = self._world.add_message(place, user=self._user_id, text=text, thread_ts=thread_ts)
        if f"<@{self._world.app.bot_user_id}>" in text:
            event = {
                "type": "app_mention",
                "user": self._user_id,
                "text": text,
                "ts": message.ts,
                "channel": place.id,
            }
            self._world.emit(event, place)
        return message

    def _commands(self) -> dict[str, Json]:
        features = self._world.app.manifest.get("features") or {}
        return {row["command"]: row for row in features.get("slash_commands") or ()}

    def _escaped(self, text: str, declared: Json) -> str:
        """With `should_escape`, names of people and channels are sent as ids."""
        if not declared.get("should_escape"):
            return text
        for user in self._world.users.values():
            text = re.sub(rf"@{re.escape(user.name)}\b", f"<@{user.id}|{user.name}>", text)
        for channel in self._world.channels.values():
            if channel.name:
                name = re.escape(channel.name)
                text = re.sub(rf"#{name}(?![\w-])", f"<#{channel.id}|{channel.name}>", text)
        return text

    def _answer(self, place: Channel, body: Any) -> Message | None:
        if not body:
            return None
        said = body if isinstance(body, dict) else {"text": str(body)}
        return reply(self._world, said, user=self._user_id, channel=place.id)

    def _slackbot(
        self, place: Channel, words: str, error: str, ack: Ack | None = None
    ) -> CommandResult:
        message = self._world.add_ephemeral(
            place, user=SLACKBOT, visible_to=self._user_id, text=words
        )
        return CommandResult(
            status=ack.status if ack else None,
            body=ack.body if ack else None,
            message=message,
            error=error,
        )
