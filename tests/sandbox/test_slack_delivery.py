"""The wire to the app: envelopes, signatures, retries, duplicates, and sockets that go away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web

from sandbox.slack.server import SlackServer
from tests.sandbox.slack_support import (
    Clock,
    Json,
    TransportName,
    actions,
    bolt,
    button,
    client,
    manifest,
    serving,
    slack,
)


class RawApp:
    """An HTTP app that keeps what it gets and answers what it is told."""

    def __init__(self, *statuses: int) -> None:
        self.requests: list[tuple[dict[str, str], str]] = []
        self.statuses = list(statuses)
        self.headers: dict[str, str] = {}
        self.heard = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.text()
        async with self.heard:
            self.requests.append((dict(request.headers), body))
            self.heard.notify_all()
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers)

    async def serve(self, server: SlackServer) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        return runner

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(5), self.heard:
            await self.heard.wait_for(lambda: len(self.requests) >= count)


async def test_requests_are_signed_as_slack_signs_them() -> None:
    async with slack() as server:
        raw = RawApp()
        runner = await raw.serve(server)
        await server.workspace.user("ana").command("/rollback check out & about")
        headers, body = raw.requests[0]
        base = f"v0:{headers['X-Slack-Request-Timestamp']}:{body}".encode()
        digest = hmac.new(server.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        assert headers["X-Slack-Signature"] == f"v0={digest}"
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert "text=check+out+%26+about" in body
        await runner.cleanup()


async def test_names_in_a_command_are_sent_as_ids_when_the_manifest_says_so() -> None:
    held = manifest(events=[])
    held["features"]["slash_commands"][0]["should_escape"] = True
    async with slack(manifest=held) as server:
        raw = RawApp()
        runner = await raw.serve(server)
        general = server.workspace.channel("general").id
        await server.workspace.user("ana").command("/rollback @ben #general")
        text = parse_qs(raw.requests[0][1])["text"]
        assert text == [f"<@U0BEN000002|ben> <#{general}|general>"]
        await runner.cleanup()


async def test_without_interactivity_no_click_reaches_the_app() -> None:
    held = manifest(events=[])
    del held["features"]["shortcuts"]
    held["settings"]["interactivity"]["is_enabled"] = False
    async with slack(manifest=held) as server:
        raw = RawApp()
        runner = await raw.serve(server)
        server.workspace.add_channel("incidents", with_bot=True)
        api, ana = client(server), server.workspace.user("ana")
        await api.chat_postMessage(channel="incidents", text="x", blocks=[actions(button())])
        result = await ana.press(ana.sees("incidents")[-1], "go")
        assert (result.error, raw.requests) == ("interactivity_not_enabled", [])
        with pytest.raises(LookupError, match="no shortcut note"):
            await ana.shortcut("note")
        await runner.cleanup()


async def test_an_event_that_fails_is_retried_three_times_and_says_so() -> None:
    async with slack(manifest=manifest()) as server:
        server.dispatcher.retry_delays = (0.0, 0.01, 0.02)
        raw = RawApp(500, 500, 500, 500)
        runner = await raw.serve(server)
        server.workspace.user("ana").open_home()
        await raw.wait(4)
        retries = [headers.get("X-Slack-Retry-Num") for headers, _body in raw.requests]
        assert retries == [None, "1", "2", "3"]
        assert raw.requests[1][0]["X-Slack-Retry-Reason"] == "http_error"
        events = [json.loads(body) for _headers, body in raw.requests]
        assert len({event["event_id"] for event in events}) == 1
        assert events[0]["event"]["type"] == "app_home_opened"
        await runner.cleanup()


async def test_an_app_can_ask_for_no_retry() -> None:
    async with slack(manifest=manifest()) as server:
        server.dispatcher.retry_delays = (0.0,)
        raw = RawApp(500, 500)
        raw.headers["X-Slack-No-Retry"] = "1"
        runner = await raw.serve(server)
        ana = server.workspace.user("ana")
        ana.open_home()
        await raw.wait(1)
        await ana.command("/rollback")
        assert [headers["Content-Type"] for headers, _body in raw.requests] == [
            "application/json",
            "application/x-www-form-urlencoded",
        ]
        await runner.cleanup()


async def test_a_response_url_lives_for_thirty_minutes_and_takes_only_good_blocks() -> None:
    clock = Clock()
    async with slack(clock=clock) as server, aiohttp.ClientSession() as session:
        raw = RawApp()
        runner = await raw.serve(server)
        await server.workspace.user("ana").command("/rollback")
        url = parse_qs(raw.requests[0][1])["response_url"][0]

        async def respond(**body: Any) -> tuple[int, str]:
            async with session.post(url, json=body) as response:
                return response.status, await response.text()

        assert await respond(text="hello") == (200, "ok")
        status, body = await respond(text="x", blocks=[{"type": "banner"}])
        assert (status, json.loads(body)["error"]) == (400, "invalid_blocks")
        clock.advance(30 * 60 + 1)
        assert (await respond(text="late"))[1] == '{"ok": false, "error": "expired_url"}'
        assert [r.code for r in server.refusals] == ["invalid_blocks", "expired_url"]
        await runner.cleanup()


async def test_an_acknowledgement_that_slack_cannot_show_is_an_error_to_the_person() -> None:
    async with slack() as server, RawSocket(server) as app:
        await app.next()
        typed = asyncio.create_task(server.workspace.user("ana").command("/rollback"))
        envelope = await app.next()
        await app.ack(envelope, payload={"blocks": [{"type": "banner"}]})
        result = await typed
        assert result.error is not None
        assert "unsupported type: banner" in result.error
        assert server.refusals[0].where == "acknowledgement of a command"


async def test_a_command_that_fails_is_not_retried() -> None:
    async with slack() as server:
        raw = RawApp(500)
        runner = await raw.serve(server)
        result = await server.workspace.user("ana").command("/rollback")
        assert (result.error, result.status, len(raw.requests)) == ("dispatch_failed", 500, 1)
        await runner.cleanup()


async def test_events_that_the_manifest_does_not_name_are_not_sent() -> None:
    async with slack(manifest=manifest(events=["app_mention"])) as server:
        raw = RawApp()
        runner = await raw.serve(server)
        server.workspace.add_channel("incidents", with_bot=True)
        ana = server.workspace.user("ana")
        ana.open_home()
        ana.say("hello", channel="incidents")
        ana.say(f"<@{server.bot_user_id}>", channel="general")
        ana.say(f"<@{server.bot_user_id}>", channel="incidents")
        await raw.wait(1)
        events = [json.loads(body)["event"] for _headers, body in raw.requests]
        assert [e["type"] for e in events] == ["app_mention"]
        await runner.cleanup()


@pytest.mark.parametrize("over", ["socket", "http"])
async def test_a_payload_can_be_delivered_several_times_with_the_same_ids(
    over: TransportName,
) -> None:
    async with slack(manifest=manifest()) as server:
        app = bolt(server)
        seen: list[str] = []

        @app.command("/rollback")
        async def command(ack: Any, body: Json) -> None:
            seen.append(body["trigger_id"])
            await ack("hello")

        @app.event("app_home_opened")
        async def opened(body: Json) -> None:
            seen.append(body["event_id"])
            server.world.changes.fire()

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            server.faults.duplicate_next(3)
            await ana.command("/rollback")
            assert len(seen) == 3
            assert len(set(seen)) == 1
            assert len(ana.sees("general")) == 1
            seen.clear()
            server.faults.duplicate_next(2)
            ana.open_home()
            await ana.wait_for(lambda: len(seen) == 2)
            assert len(set(seen)) == 1
            await ana.command("/rollback")
            assert len(seen) == 3


class RawSocket:
    """A Socket Mode client that acknowledges nothing by itself."""

    def __init__(self, server: SlackServer) -> None:
        self._server = server
        self._session = aiohttp.ClientSession()
        self.socket: aiohttp.ClientWebSocketResponse

    async def __aenter__(self) -> RawSocket:
        opened = await client(self._server, self._server.app_token).apps_connections_open(
            app_token=self._server.app_token
        )
        self.socket = await self._session.ws_connect(opened["url"])
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.socket.close()
        await self._session.close()

    async def next(self) -> Json:
        return dict(await self.socket.receive_json(timeout=5))

    async def ack(self, envelope: Json, **more: Any) -> None:
        await self.socket.send_json({"envelope_id": envelope["envelope_id"], **more})


async def test_an_envelope_carries_the_command_and_its_answer() -> None:
    async with slack() as server, RawSocket(server) as app:
        hello = await app.next()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        ana = server.workspace.user("ana")
        typed = asyncio.create_task(ana.command("/rollback checkout"))
        envelope = await app.next()
        assert envelope["type"] == "slash_commands"
        assert envelope["accepts_response_payload"] is True
        assert envelope["payload"]["text"] == "checkout"
        await app.socket.send_str("noise")
        await app.ack({"envelope_id": "unknown"})
        await app.ack(envelope, payload={"text": "on it"})
        result = await typed
        assert result.message is not None
        assert result.message.text == "on it"


async def test_an_unacknowledged_envelope_is_redelivered_over_the_next_socket() -> None:
    async with slack() as server:
        ana = server.workspace.user("ana")
        async with RawSocket(server) as first:
            await first.next()
            typed = asyncio.create_task(ana.command("/rollback"))
            lost = await first.next()
        async with RawSocket(server) as second:
            await second.next()
            again = await second.next()
            assert again["payload"] == lost["payload"]
            assert (again["retry_attempt"], again["retry_reason"]) == (1, "connection_closed")
            await second.ack(again)
            assert (await typed).ok


async def test_an_unacknowledged_event_comes_again_with_its_reason() -> None:
    async with slack(manifest=manifest()) as server, RawSocket(server) as app:
        server.ack_timeout = 0.1
        server.dispatcher.retry_delays = (0.0,)
        await app.next()
        server.workspace.user("ana").open_home()
        first, second = await app.next(), await app.next()
        assert (first["retry_attempt"], second["retry_attempt"]) == (0, 1)
        assert second["retry_reason"] == "timeout"
        assert first["payload"]["event_id"] == second["payload"]["event_id"]
        assert first["envelope_id"] != second["envelope_id"]
        assert first["accepts_response_payload"] is False
        await app.ack(second)


async def test_each_envelope_goes_to_one_of_several_sockets() -> None:
    async with slack() as server, RawSocket(server) as one, RawSocket(server) as two:
        await one.next()
        assert (await two.next())["num_connections"] == 2
        ana = server.workspace.user("ana")
        counts = {id(one): 0, id(two): 0}

        async def serve(app: RawSocket) -> None:
            while True:
                await app.ack(await app.next())
                counts[id(app)] += 1

        tasks = [asyncio.create_task(serve(app)) for app in (one, two)]
        for _ in range(12):
            assert (await ana.command("/rollback")).ok
        assert sum(counts.values()) == 12
        assert all(counts.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_eleventh_socket_is_turned_away_and_a_ticket_works_once() -> None:
    async with slack() as server:
        sockets = [await RawSocket(server).__aenter__() for _ in range(11)]
        assert (await sockets[9].next())["type"] == "hello"
        assert (await sockets[10].next())["reason"] == "too_many_websockets"
        url = (
            await client(server, server.app_token).apps_connections_open(app_token=server.app_token)
        )["url"]
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)
        for socket in sockets:
            await socket.__aexit__()


async def test_with_a_request_url_socket_mode_is_off() -> None:
    async with slack() as server:
        server.request_url = "http://127.0.0.1:9/"
        async with RawSocket(server) as app:
            assert await app.next() == {
                "type": "disconnect",
                "reason": "link_disabled",
                "debug_info": {"host": "applink-sandbox"},
            }


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", None])
async def test_the_sdk_comes_back_after_a_disconnect(reason: Any) -> None:
    async with slack() as server:
        app = bolt(server)

        @app.command("/rollback")
        async def command(ack: Any) -> None:
            await ack("hello")

        async with serving(server, app, "socket"):
            before = server.socket_mode.connections[0]
            assert await server.faults.disconnect(reason) == 1
            await server.socket_mode.changes.wait_for(
                lambda: (
                    server.socket_mode.connections
                    and server.socket_mode.connections[0] is not before
                ),
                timeout=5,
            )
            assert (await server.workspace.user("ana").command("/rollback")).ok


async def test_the_request_url_is_verified_by_challenge() -> None:
    async with slack() as server, serving(server, bolt(server), "http"):
        assert await server.verify_request_url()
