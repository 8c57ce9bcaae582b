"""Calls against a server that reads arguments only where Slack's documentation has them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from bot.communication.slack.chat import SlackChat
from bot.communication.slack.client import call, make_client
from bot.communication.slack.courier import SlackCourier
from bot.communication.slack.history import channel_id_of, public_channels
from bot.communication.slack.link import Identity, identify, make_app
from bot.core.clock import SystemClock
from bot.core.errors import (
    FeatureUnavailableError,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from bot.store.delivery import Action, Delivery
from bot.store.values import Attachment

Answer = Callable[[], web.Response]
NOT_FOUND = {"message": "Not Found", "documentation_url": "https://slack.example.com"}


@dataclass
class AnotherSlack:
    """Knows POST alone, reads bodies alone, and has no word of Slack's for what it lacks."""

    known: dict[str, dict[str, Any]]
    """Methods and what they answer beside ``ok``."""
    instead: dict[str, Answer] = field(default_factory=dict)
    at_get: Answer | None = None
    given: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Verb, method and arguments of each call."""
    addresses: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        """One call."""
        method = request.match_info["method"]
        body = await request.text()
        is_json = request.content_type == "application/json"
        form = dict(await request.post())
        self.given.append((request.method, method, json.loads(body) if is_json else form))
        if request.method == "POST":
            self.addresses.append(request.path_qs)
        if method in self.instead:
            return self.instead[method]()
        if request.method == "GET" and self.at_get is not None:
            return self.at_get()
        if request.method != "POST" or method not in self.known:
            return web.json_response(NOT_FOUND, status=404)
        return web.json_response({"ok": True, **self.known[method]})

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The arguments of every POST to a method."""
        return [given for verb, name, given in self.given if (verb, name) == ("POST", method)]

    @property
    def client(self) -> AsyncWebClient:
        """The client as the bot makes it."""
        return make_client("xoxb-1", self.url)

    @property
    def chat(self) -> SlackChat:
        async def bot() -> str:
            return "U1"

        return SlackChat(self.client, bot_user_id=bot, clock=SystemClock())

    @property
    def courier(self) -> SlackCourier:
        async def load(incident_id: str, name: str) -> Attachment:
            return Attachment(name=name, media_type="text/markdown", content=b"# Report\n")

        return SlackCourier(self.client, load=load)


@pytest.fixture
async def slack() -> AsyncIterator[AnotherSlack]:
    another = AnotherSlack(
        known={
            "conversations.create": {"channel": {"id": "C7", "name": "inc-1"}},
            "conversations.invite": {},
            "conversations.setTopic": {},
            "bookmarks.add": {"bookmark": {"id": "Bk1"}},
            "users.info": {"user": {"id": "U7", "profile": {"email": "ana@example.com"}}},
            "users.lookupByEmail": {"user": {"id": "U8"}},
            "chat.postMessage": {"ts": "1.000001", "message": {"text": "hello"}},
            "files.completeUploadExternal": {"files": [{"id": "F1"}]},
        }
    )
    app = web.Application()
    app.router.add_route("*", "/api/{method}", another.handle)

    async def upload(request: web.Request) -> web.Response:
        if "upload" in another.instead:
            return another.instead["upload"]()
        return web.Response(text=f"OK - {len(await request.read())}")

    app.router.add_post("/upload", upload)
    server = TestServer(app)
    await server.start_server()
    another.url = str(server.make_url("/api/"))
    another.known["files.getUploadURLExternal"] = {
        "upload_url": str(server.make_url("/upload")),
        "file_id": "F1",
    }
    yield another
    await server.close()


def owed(action: Action, **payload: Any) -> Delivery:
    content = {"text": "hello", "blocks": [], **payload}
    return Delivery(
        id="INC-2026-001/1",
        incident_id="INC-2026-001",
        destination="slack:C7",
        action=action,
        payload=content,
        card="status",
    )


async def test_arguments_stand_in_the_body_and_never_in_the_address(slack: AnotherSlack) -> None:
    room = await slack.chat.open_channel("inc-1", since=datetime.now(UTC))
    for delivery in (
        owed(Action.INVITE, people=["U7", "U8"]),
        owed(Action.TOPIC, topic="INC-1: rollback of checkout"),
        owed(Action.BOOKMARK, title="checkout", link="https://shop.example.com"),
        owed(Action.UPLOAD, files=["report.md"], comment="Here it is"),
    ):
        await slack.courier.send(delivery, None)
    assert room.id == "C7"
    assert slack.asked("conversations.create") == [{"name": "inc-1"}]
    assert slack.asked("conversations.invite") == [{"channel": "C7", "users": "U7,U8"}]
    assert slack.asked("files.getUploadURLExternal") == [{"filename": "report.md", "length": "9"}]
    (completed,) = slack.asked("files.completeUploadExternal")
    assert json.loads(completed["files"]) == [{"id": "F1", "title": "report.md"}]
    assert completed["initial_comment"] == "Here it is"
    assert not [address for address in slack.addresses if "?" in address]


async def test_where_reading_by_get_is_not_known_it_is_posted(slack: AnotherSlack) -> None:
    found = await slack.chat.resolve(["U7", "ana@example.com"])
    assert [person.id for person in found.people] == ["U7", "U8"]
    assert found.problems == ()
    assert slack.asked("users.info") == [{"user": "U7"}]
    assert slack.asked("users.lookupByEmail") == [{"email": "ana@example.com"}]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"ok": False, "error": "unknown_method"}), (404, {"error": "Not Found"}), (405, {})],
)
async def test_whatever_says_that_there_is_no_such_get_is_asked_by_post(
    slack: AnotherSlack, status: int, body: dict[str, Any]
) -> None:
    slack.at_get = lambda: web.json_response(body, status=status)
    found = await slack.chat.resolve(["U7"])
    assert found.problems == ()
    assert slack.asked("users.info") == [{"user": "U7"}]


async def test_what_slack_itself_refuses_is_not_asked_twice(slack: AnotherSlack) -> None:
    slack.instead["users.info"] = lambda: web.json_response(
        {"ok": False, "error": "user_not_found"}
    )
    found = await slack.chat.resolve(["U7"])
    assert found.people == ()
    assert [verb for verb, *_ in slack.given] == ["GET"]


async def test_a_slack_without_a_feature_loses_the_feature_alone(slack: AnotherSlack) -> None:
    del slack.known["conversations.create"]
    del slack.known["users.info"]
    with pytest.raises(FeatureUnavailableError):
        await slack.chat.open_channel("inc-1", since=datetime.now(UTC))
    # An id is enough to be invited.
    found = await slack.chat.resolve(["U7", "S9"])
    assert [person.id for person in found.people] == ["U7"]
    assert ["S9" in problem for problem in found.problems] == [True]
    with pytest.raises(PermanentError, match="making the canvas"):
        await slack.courier.send(owed(Action.CANVAS, title="Report", file="report.md"), None)
    del slack.known["files.getUploadURLExternal"]
    with pytest.raises(FeatureUnavailableError) as failed:
        await slack.courier.send(owed(Action.UPLOAD, files=["report.md"]), None)
    assert "rollback-bot report INC-2026-001" in failed.value.remedy


async def test_where_not_even_messages_can_be_posted_there_is_no_slack(slack: AnotherSlack) -> None:
    del slack.known["chat.postMessage"]
    with pytest.raises(TemporaryError, match="404") as failed:
        await slack.courier.send(owed(Action.POST), None)
    assert not isinstance(failed.value, OutcomeUnknownError)
    assert "SLACK_API_URL" in failed.value.remedy


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>Please log in</html>", content_type="text/html"),
        lambda: web.Response(text="ok"),
        lambda: web.json_response(["ok"]),
        lambda: web.Response(text="{", content_type="application/json"),
        lambda: web.Response(status=502, text="<h1>Bad gateway", content_type="application/json"),
    ],
)
async def test_an_answer_of_somebody_else_leaves_the_outcome_unknown(
    slack: AnotherSlack, answer: Answer
) -> None:
    slack.instead["chat.postMessage"] = answer
    with pytest.raises(OutcomeUnknownError):
        await slack.courier.send(owed(Action.POST), None)


async def test_an_answer_may_leave_out_what_is_known(slack: AnotherSlack) -> None:
    receipt = await slack.courier.send(owed(Action.POST), None)
    assert (receipt.reference, receipt.channel_id) == ("1.000001", "C7")


async def test_a_cursor_that_leads_nowhere_ends(slack: AnotherSlack) -> None:
    slack.known["conversations.list"] = {
        "channels": [{"id": "C1", "name": "ops"}],
        "response_metadata": {"next_cursor": "again"},
    }
    found = [channel["id"] async for channel in public_channels(slack.client)]
    assert set(found) == {"C1"}
    assert len(slack.asked("conversations.list")) == 2


async def test_a_token_of_its_own_goes_in_the_header(slack: AnotherSlack) -> None:
    slack.known["apps.connections.open"] = {"url": "wss://127.0.0.1/"}
    await call(slack.client.apps_connections_open, subject="opening", app_token="xapp-1")
    assert slack.asked("apps.connections.open") == [{}]


async def test_a_channels_id_is_taken_as_it_is_however_it_is_written(slack: AnotherSlack) -> None:
    assert await channel_id_of(slack.client, "C0abc-9") == "C0abc-9"
    assert slack.given == []


def test_the_log_does_not_say_at_every_start_that_the_token_is_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def nobody() -> Identity:
        raise AssertionError("nobody asks")

    client = make_client("xoxb-1", "http://127.0.0.1:9/api/")
    app = make_app(client, nobody, signing_secret="secret")
    assert caplog.messages == []
    assert (app.client.token, client.token) == (None, "xoxb-1")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_file_store_that_stumbles_is_tried_again(slack: AnotherSlack, status: int) -> None:
    slack.instead["upload"] = lambda: web.Response(status=status, text="Busy")
    with pytest.raises(TemporaryError, match=str(status)):
        await slack.courier.send(owed(Action.UPLOAD, files=["report.md"]), None)
    assert slack.asked("files.completeUploadExternal") == []


async def test_an_upload_whose_answer_names_no_files_has_arrived(slack: AnotherSlack) -> None:
    slack.known["files.completeUploadExternal"] = {}
    receipt = await slack.courier.send(owed(Action.UPLOAD, files=["report.md"]), None)
    assert receipt.channel_id == "C7"


async def test_an_error_that_is_no_word_of_slacks_leaves_the_outcome_unknown(
    slack: AnotherSlack,
) -> None:
    slack.instead["chat.postMessage"] = lambda: web.json_response({"ok": False, "error": None})
    with pytest.raises(OutcomeUnknownError):
        await slack.courier.send(owed(Action.POST), None)


async def test_an_answer_that_says_nothing_stops_no_incident(slack: AnotherSlack) -> None:
    for method in ("auth.test", "conversations.create", "users.info", "users.lookupByEmail"):
        slack.known[method] = {}
    assert (await identify(slack.client)).bot_user_id == ""
    with pytest.raises(FeatureUnavailableError, match="which channel"):
        await slack.chat.open_channel("inc-1", since=datetime.now(UTC))
    found = await slack.chat.resolve(["U7", "ana@example.com"])
    assert [(person.id, person.name) for person in found.people] == [("U7", "U7")]
    assert [problem.partition(":")[0] for problem in found.problems] == ["ana@example.com"]
    assert await slack.chat.addresses(found.people) == {}
    slack.known["files.getUploadURLExternal"] = {}
    with pytest.raises(FeatureUnavailableError, match="where files") as failed:
        await slack.courier.send(owed(Action.UPLOAD, files=["report.md"]), None)
    assert failed.value.remedy.startswith("“rollback-bot report INC-2026-001”")
