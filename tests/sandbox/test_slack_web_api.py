"""The Web API's manners: tokens, scopes, arguments, pages, rate limits and faults."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.server import SlackServer
from tests.sandbox.slack_support import SCOPES, Clock, Json, client, manifest, modal, refusal, slack


async def post(
    server: SlackServer, method: str, *, headers: Json | None = None, **how: Any
) -> tuple[int, Json]:
    """One raw request."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.url + method, headers=headers, **how) as response,
    ):
        return response.status, await response.json()


async def test_tokens_are_checked_and_each_kind_opens_its_own_door() -> None:
    async with slack() as server:
        assert (await refusal(client(server, "xoxb-other").auth_test()))[0] == "invalid_auth"
        assert (await post(server, "auth.test"))[1]["error"] == "not_authed"
        app = client(server, server.app_token)
        assert (await refusal(app.auth_test()))[0] == "not_allowed_token_type"
        bot = client(server)
        opened = bot.api_call("apps.connections.open")
        assert (await refusal(opened))[0] == "not_allowed_token_type"
        who = await bot.auth_test()
        assert (who["user_id"], who["team_id"]) == (server.bot_user_id, server.team_id)
        assert (await client(server, "nonsense").api_test())["ok"]


async def test_arguments_may_stand_in_the_query_the_form_or_json() -> None:
    async with slack() as server:
        bearer = {"Authorization": f"Bearer {server.bot_token}"}
        args = {"user": "U0ANA000001"}
        for how in ({"params": args}, {"data": args}, {"json": args}):
            _status, answer = await post(server, "users.info", headers=bearer, **how)
            assert answer["user"]["name"] == "ana"
        form = {"token": server.bot_token, **args}
        assert (await post(server, "users.info", data=form))[1]["ok"]
        assert (await post(server, "users.info", json=form))[1]["error"] == "not_authed"
        broken = {**bearer, "Content-Type": "application/json"}
        _status, answer = await post(server, "users.info", headers=broken, data="{")
        assert answer["error"] == "invalid_json"
        _status, answer = await post(server, "users.info", headers=broken, data="[]")
        assert answer["error"] == "json_not_object"


@pytest.mark.parametrize(
    ("method", "args", "code", "words"),
    [
        ("chat.postMesage", {}, "unknown_method", ""),
        ("users.info", {}, "invalid_arguments", "missing required field: user"),
        ("users.info", {"user": "U1", "colour": "red"}, "invalid_arguments", "colour"),
        ("users.info", {"user": "U1", "a-b": "x"}, "invalid_arg_name", ""),
        ("conversations.list", {"limit": "many"}, "invalid_arguments", "must be an integer"),
        ("conversations.list", {"limit": 0}, "invalid_limit", ""),
        ("conversations.list", {"cursor": "x"}, "invalid_cursor", ""),
        ("conversations.list", {"types": "secret"}, "invalid_types", ""),
        ("conversations.list", {"exclude_archived": "maybe"}, "invalid_arguments", "boolean"),
        ("conversations.create", {}, "invalid_name_required", ""),
        ("views.open", {"view": "{", "trigger_id": "1"}, "invalid_arguments", "valid json"),
        ("views.open", {"view": modal()}, "invalid_arguments", "trigger_id"),
        ("views.update", {"view": modal()}, "invalid_arguments", "either `view_id`"),
        ("views.update", {"view": modal(), "view_id": "V1"}, "not_found", ""),
        ("team.info", {"team": "T1"}, "team_not_found", ""),
        ("api.test", {"error": "my_error"}, "my_error", ""),
    ],
)
async def test_a_call_with_wrong_arguments_is_refused(
    method: str, args: Json, code: str, words: str
) -> None:
    async with slack() as server:
        given, messages = await refusal(client(server).api_call(method, json=args))
        assert given == code
        assert words in " ".join(messages)
        assert server.calls[-1].error == code


@pytest.mark.parametrize(
    ("method", "args", "needed"),
    [
        ("chat.postMessage", {"channel": "general", "text": "x"}, "chat:write"),
        ("users.lookupByEmail", {"email": "ana@example.com"}, "users:read.email"),
        ("pins.add", {"channel": "C1", "timestamp": "1.1"}, "pins:write"),
        ("files.getUploadURLExternal", {"filename": "a", "length": 1}, "files:write"),
        ("canvases.create", {"title": "x"}, "canvases:write"),
    ],
)
async def test_a_method_without_its_scope_names_what_is_missing(
    method: str, args: Json, needed: str
) -> None:
    dropped = (needed, "users:read") if needed == "users:read" else (needed,)
    async with slack(manifest=manifest(without=dropped, events=[])) as server:
        with pytest.raises(SlackApiError) as caught:
            await client(server).api_call(method, json=args)
        answer = caught.value.response
        assert (answer["error"], answer["needed"]) == ("missing_scope", needed)
        assert answer["provided"] == ",".join(s for s in SCOPES if s not in dropped)
        assert needed in answer.headers["X-Accepted-OAuth-Scopes"]


async def test_a_private_channel_needs_the_scope_of_private_channels() -> None:
    async with slack(manifest=manifest(without=("groups:write",), events=[])) as server:
        api = client(server)
        private = api.conversations_create(name="secret", is_private=True)
        with pytest.raises(SlackApiError) as caught:
            await private
        assert caught.value.response["needed"] == "groups:write"
        assert (await api.conversations_create(name="open"))["ok"]


async def test_lists_come_in_pages() -> None:
    async with slack() as server:
        for n in range(25):
            server.workspace.add_channel(f"room-{n:02}")
        names: list[str] = []
        async for page in await client(server).conversations_list(limit=10):
            names += [channel["name"] for channel in page["channels"]]
        assert names == ["general", *(f"room-{n:02}" for n in range(25))]
        assert [call.method for call in server.calls] == ["conversations.list"] * 3


# -- rate limits ---------------------------------------------------------------------------------


async def test_a_method_is_limited_to_its_tier_and_says_when_to_come_back() -> None:
    clock = Clock()
    async with slack(clock=clock) as server:
        api = client(server)
        for _ in range(20):
            await api.conversations_list()
        with pytest.raises(SlackApiError) as caught:
            await api.conversations_list()
        answer = caught.value.response
        assert (answer.status_code, answer["error"]) == (429, "ratelimited")
        assert answer.headers["Retry-After"] == "3"
        clock.advance(3)
        await api.conversations_list()
        server.enforce_rate_limits = False
        for _ in range(30):
            await api.conversations_list()


async def test_posting_is_limited_for_each_channel_on_its_own() -> None:
    clock = Clock()
    async with slack(clock=clock) as server:
        api = client(server)
        for name in ("one", "two"):
            server.workspace.add_channel(name, with_bot=True)
        for _ in range(5):
            await api.chat_postMessage(channel="one", text="x")
        assert (await refusal(api.chat_postMessage(channel="one", text="x")))[0] == "ratelimited"
        await api.chat_postMessage(channel="two", text="x")
        clock.advance(1)
        await api.chat_postMessage(channel="one", text="x")


# -- faults --------------------------------------------------------------------------------------


async def test_the_sdk_waits_as_long_as_a_429_says_and_then_gets_through() -> None:
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        server.faults.rate_limit("chat.postMessage", retry_after=0, times=2)
        api = AsyncWebClient(
            token=server.bot_token,
            base_url=server.url,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=2)],
        )
        await api.chat_postMessage(channel="incidents", text="x")
        assert [call.status for call in server.calls] == [429, 429, 200]


async def test_a_retry_after_a_lost_answer_doubles_the_message() -> None:
    """The trap that a careful app avoids: the SDK repeats what had taken effect."""
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        server.faults.timeout_after_effect("chat.postMessage")
        api = AsyncWebClient(
            token=server.bot_token,
            base_url=server.url,
            retry_handlers=[AsyncConnectionErrorRetryHandler(max_retry_count=1)],
        )
        await api.chat_postMessage(channel="incidents", text="once?")
        texts = [m.text for m in server.workspace.messages("incidents") if m.bot_id]
        assert texts == ["once?", "once?"]
        assert [(c.ok, c.delivered) for c in server.calls] == [(True, False), (True, True)]


async def test_a_lost_answer_can_also_be_held_until_the_caller_gives_up() -> None:
    async with slack() as server:
        server.workspace.add_channel("incidents", with_bot=True)
        server.faults.timeout_after_effect("chat.postMessage", hold=1.5)
        api = AsyncWebClient(
            token=server.bot_token, base_url=server.url, timeout=1, retry_handlers=[]
        )
        with pytest.raises(asyncio.TimeoutError):
            await api.chat_postMessage(channel="incidents", text="x")
        assert server.workspace.messages("incidents")[-1].text == "x"


async def test_errors_can_be_chosen_for_some_calls_or_until_they_are_cleared() -> None:
    async with slack() as server:
        api = client(server)
        server.faults.error("team.info", "missing_scope", times=1, needed="team:read")
        assert (await refusal(api.team_info()))[0] == "missing_scope"
        assert (await api.team_info())["ok"]
        server.faults.error("*", "service_unavailable")
        assert (await refusal(api.team_info()))[0] == "service_unavailable"
        assert (await refusal(api.auth_test()))[0] == "service_unavailable"
        server.faults.clear()
        server.faults.server_error("auth.test", status=503)
        with pytest.raises(SlackApiError) as caught:
            await api.auth_test()
        assert caught.value.response.status_code == 503
        server.faults.slow("auth.test", 0.05)
        before = asyncio.get_running_loop().time()
        await api.auth_test()
        assert asyncio.get_running_loop().time() - before >= 0.05


# -- triggers and views --------------------------------------------------------------------------


async def test_a_trigger_works_once_and_for_three_seconds() -> None:
    clock = Clock()
    async with slack(clock=clock) as server:
        api = client(server)
        issue = server.world.triggers.issue
        trigger = issue("U0ANA000001")
        await api.views_open(trigger_id=trigger, view=modal())
        again = api.views_open(trigger_id=trigger, view=modal())
        assert (await refusal(again))[0] == "exchanged_trigger_id"
        late = issue("U0ANA000001")
        clock.advance(3.1)
        assert (await refusal(api.views_open(trigger_id=late, view=modal())))[0] == (
            "expired_trigger_id"
        )
        unknown = api.views_open(trigger_id="1.2.3", view=modal())
        assert (await refusal(unknown))[0] == "invalid_trigger_id"


async def test_the_stack_of_modals_holds_three_and_hashes_protect_updates() -> None:
    async with slack() as server:
        api = client(server)
        issue = server.world.triggers.issue

        async def push() -> Any:
            return await api.views_push(trigger_id=issue("U0ANA000001"), view=modal())

        assert (await refusal(push()))[0] == "not_found"
        named = modal(external_id="assess-1")
        opened = await api.views_open(trigger_id=issue("U0ANA000001"), view=named)
        await push()
        await push()
        assert (await refusal(push()))[0] == "push_limit_reached"
        twin = api.views_open(trigger_id=issue("U0BEN000002"), view=named)
        assert (await refusal(twin))[0] == "duplicate_external_id"
        first = opened["view"]
        updated = await api.views_update(view_id=first["id"], hash=first["hash"], view=named)
        assert updated["view"]["hash"] != first["hash"]
        stale = api.views_update(external_id="assess-1", hash=first["hash"], view=named)
        assert (await refusal(stale))[0] == "hash_conflict"
        ids = {"view_id": first["id"], "external_id": "assess-1"}
        both = api.api_call("views.update", json={**ids, "view": named})
        assert "Cannot provide both" in (await refusal(both))[1][0]
