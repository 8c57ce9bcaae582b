"""The message box: what a person types into it."""

from __future__ import annotations

from typing import Any

from sandbox.slack.delivery.dispatch import Ack, Dispatcher, Payload
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.delivery.responses import reply
from sandbox.slack.errors import SlackRefusal
from sandbox.slack.model import Channel, Message
from sandbox.slack.people.results import CommandResult, refusal_words
from sandbox.slack.world import World

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
        if command not in self._commands():
            return self._slackbot(place, f"{command} is not a valid command.", "invalid_command")
        body = self._payloads.command(
            self._world.users[self._user_id], command=command, text=rest.strip(), channel=place
        )
        ack = await self._dispatcher.deliver(Payload(kind="slash_commands", body=body))
        if ack.error:
            words = f'{command} failed with the error "{ack.error}"'
            return self._slackbot(place, words, ack.error, ack)
        try:
            message = self._answer(place, ack.body)
        except SlackRefusal as refusal:
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

    def _commands(self) -> set[str]:
        features = self._world.app.manifest.get("features") or {}
        return {row["command"] for row in features.get("slash_commands") or ()}

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
