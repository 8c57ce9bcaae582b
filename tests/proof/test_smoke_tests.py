"""Smoke tests over a real wire: log in, use the token, and never tell a secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from bot.catalog.service import ServiceEntry
from bot.clouds.http import HttpClient
from bot.core.errors import ConfigurationError
from bot.incident import events as e
from bot.incident.state import Phase
from bot.proof import smoke_tests
from tests.company.deeds import approved, history, planned
from tests.company.harness import Company, catalog_of

PASSWORD = "pa ss/wörd&1"
SESSION = "s-0123456789"


class Shop:
    """A shop with a login: JSON and form, a token and a cookie."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.broken = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every path of it."""
        body = await request.text()
        self.seen.append((request.method, str(request.rel_url), body))
        if request.path == self.broken:
            return web.Response(status=500, text=f"no session {body} {request.query_string}")
        if request.path == "/login":
            given = (
                json.loads(body)["password"]
                if request.content_type.endswith("json")
                else ((await request.post())["password"])
            )
            if given != PASSWORD:
                return web.json_response({"error": "wrong password"}, status=401)
            answer = web.json_response({"access": {"token": SESSION}, "user": 7})
            answer.set_cookie("sid", "c-1")
            return answer
        if request.headers.get("Authorization") != f"Bearer {SESSION}":
            return web.Response(status=401)
        return web.json_response(
            {"cookie": request.cookies.get("sid"), "echo": request.query_string}
        )


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, str]]:
    """The shop and its address."""
    shop = Shop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", shop.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield shop, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Secrets:
    """One secret."""

    def read(self, name: str) -> str:
        """The password, under its own name only."""
        if name != "SHOP_PASSWORD":
            raise ConfigurationError(f"The environment variable {name} is not set.")
        return PASSWORD


LOGIN = {
    "method": "POST",
    "path": "/login",
    "json": {"user": "smoke", "password": "{{password}}"},
    "capture": {"token": {"json": "access.token"}, "user": {"json": "user"}},
}
BASKET = {
    "path": "/basket/{{user}}",
    "headers": {"Authorization": "Bearer {{token}}"},
    "expect": {"json": {"cookie": "c-1"}},
}


def _entry(url: str, *requests: dict[str, Any], **more: Any) -> ServiceEntry:
    test = {"name": "log in", "secrets": {"password": "SHOP_PASSWORD"}, "requests": requests}
    return ServiceEntry.model_validate(
        {
            "url": url,
            "rollback": [{"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}],
            "smoke_tests": [{**test, **more}],
        }
    )


async def _run(company: Company, entry: ServiceEntry) -> e.SmokeResult:
    process = await company.process(sends=False)
    world = replace(process.context.world, http=HttpClient(), secrets=Secrets())
    [result] = await smoke_tests.run_all(replace(process.context, world=world), entry)
    return result


async def test_a_token_and_a_cookie_of_the_login_are_used_by_the_next_request(
    company: Company, shop: tuple[Shop, str]
) -> None:
    server, url = shop
    result = await _run(company, _entry(url, LOGIN, BASKET))
    assert (result.passed, result.what) == (True, "")
    assert [line[:2] for line in server.seen] == [("POST", "/login"), ("GET", "/basket/7")]


async def test_a_form_is_sent_as_a_browser_would(company: Company, shop: tuple[Shop, str]) -> None:
    form = {**LOGIN, "form": {"password": "{{password}}"}}
    del form["json"]
    result = await _run(company, _entry(shop[1], form, BASKET))
    assert result.passed, result.what


async def test_what_failed_is_told_in_the_catalogs_words_without_any_secret(
    company: Company, shop: tuple[Shop, str]
) -> None:
    server, url = shop
    server.broken = "/search"
    search = {"path": "/search?q={{password}}&t={{token}}"}
    result = await _run(company, _entry(url, LOGIN, search))
    said = result.model_dump_json()
    assert result.what == ("GET /search?q={{password}}&t={{token}}: it answered 500 instead of 200")
    assert PASSWORD not in said
    assert SESSION not in said


async def test_of_a_test_with_a_secret_nothing_of_an_answer_is_shown(
    company: Company, shop: tuple[Shop, str]
) -> None:
    echo = {**BASKET, "path": "/echo?q={{password}}{{token}}", "expect": {"json": {"echo": "hi"}}}
    result = await _run(company, _entry(shop[1], LOGIN, echo))
    assert result.what.endswith(": echo is not “hi”")


async def test_a_wrong_password_fails_the_login_and_asks_nothing_more(
    company: Company, shop: tuple[Shop, str]
) -> None:
    server, url = shop
    wrong = {**LOGIN, "json": {"password": "x"}}
    result = await _run(company, _entry(url, wrong, BASKET))
    assert result.what == "POST /login: it answered 401 instead of 200"
    assert len(server.seen) == 1


async def test_a_secret_that_is_not_set_fails_the_test_by_the_variables_name(
    company: Company, shop: tuple[Shop, str]
) -> None:
    entry = _entry(shop[1], LOGIN, secrets={"password": "SHOP_PASS"})
    assert "variable SHOP_PASS is not set" in (await _run(company, entry)).what


async def test_a_service_that_is_away_is_told_without_its_address(company: Company) -> None:
    result = await _run(company, _entry("http://127.0.0.1:9", LOGIN, BASKET))
    assert result.what.startswith("POST /login: the service cannot be reached")
    assert "127.0.0.1" not in result.what


# -- within a verification ---------------------------------------------------------------------

WITH_TESTS = catalog_of(
    {
        "services": {
            "checkout": {
                "url": "http://shop.example.com",
                "instance_port": 8080,
                "rollback": [
                    {"strategy": "rolling", "namespace": "shop", "deployment": "checkout"}
                ],
                "smoke_tests": [
                    {"name": "see the basket", "requests": [{"path": "/basket"}]},
                    {"name": "pay", "requests": [{"method": "POST", "path": "/pay"}]},
                ],
            }
        }
    }
)


async def _judged(company: Company) -> tuple[Any, Any]:
    process = await company.process(sends=False, catalog=WITH_TESTS)
    incident = await planned(process)
    await approved(process, incident)
    state = await company.until(incident, lambda i: i.judged)
    return state, await history(process, incident)


async def test_tasks_that_work_are_part_of_the_proof(company: Company) -> None:
    state, kinds = await _judged(company)
    assert state.phase is Phase.RECOVERED
    assert kinds.count("smoke_tested") == 1
    assert state.smoke is not None
    assert [(one.name, one.passed) for one in state.smoke.results] == [
        ("see the basket", True),
        ("pay", True),
    ]


async def test_a_task_that_does_not_work_prevents_a_recovery_however_good_the_counts(
    company: Company,
) -> None:
    company.shop.statuses["/pay"] = 502
    state, kinds = await _judged(company)
    assert state.phase is Phase.INCONCLUSIVE
    reasons = state.judged.judgement.reasons
    assert reasons[0] == "smoke test “pay” fails (POST /pay: it answered 502 instead of 200)"
    assert kinds.count("smoke_tested") == 2


async def test_a_task_that_failed_at_first_is_tried_again_before_the_verdict(
    company: Company,
) -> None:
    company.shop.script["POST /pay"] = [ConfigurationError("not ready")]
    state, kinds = await _judged(company)
    assert state.phase is Phase.RECOVERED
    assert kinds.count("smoke_tested") == 2
