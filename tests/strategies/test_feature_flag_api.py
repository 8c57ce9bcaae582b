"""Answers of a flag service's API that are no success, in our words."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime

import pytest

from bot.core.errors import (
    ConfigurationError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from tests.strategies.flag_services.fixtures import opened
from tests.strategies.flag_services.flagsmith import FlagsmithServer
from tests.strategies.flag_services.http_api import HttpApi
from tests.strategies.flag_services.launchdarkly import LaunchDarklyServer
from tests.strategies.flag_services.server import FlagServer
from tests.strategies.flag_services.shop import FlagShop
from tests.strategies.flag_services.unleash import UnleashServer


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FlagShop]:
    async with opened(LaunchDarklyServer(), monkeypatch) as found:
        yield found


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, PermanentError),
        (404, NotFoundError),
        (422, PermanentError),
        (302, PermanentError),
        (500, OutcomeUnknownError),
        (503, OutcomeUnknownError),
    ],
)
async def test_a_refused_change_is_told_with_what_the_service_says(
    shop: FlagShop, status: int, error: type[RollbackBotError]
) -> None:
    step = (await shop.plan()).steps[0]
    shop.flags.fault("PATCH", status, body={"message": "said by the service"})
    with pytest.raises(error, match=f"{status}: said by the service"):
        await shop.run(step)
    assert shop.flags.is_on


async def test_a_rate_limit_is_waited_for_as_long_as_the_service_says(shop: FlagShop) -> None:
    step = (await shop.plan()).steps[0]
    shop.flags.fault("PATCH", 429, body={"message": "slow"}, headers={"Retry-After": "7"})
    with pytest.raises(TemporaryError) as caught:
        await shop.run(step)
    assert caught.value.retry_after == 7.0
    reset = int((shop.world.clock.now().timestamp() + 20) * 1000)
    headers = {"X-Ratelimit-Reset": str(reset)}
    shop.flags.fault("PATCH", 429, body={"message": "slow"}, headers=headers)
    with pytest.raises(TemporaryError) as caught:
        await shop.run(step)
    assert caught.value.retry_after == pytest.approx(20, abs=3)
    later = shop.world.clock.now() + timedelta(seconds=30)
    headers = {"Retry-After": format_datetime(later, usegmt=True)}
    shop.flags.fault("PATCH", 429, body={"message": "slow"}, headers=headers)
    with pytest.raises(TemporaryError) as caught:
        await shop.run(step)
    assert caught.value.retry_after == pytest.approx(30, abs=3)


@pytest.mark.parametrize(
    ("server", "ending"),
    [
        (LaunchDarklyServer, "/"),
        (LaunchDarklyServer, "/api/v2/"),
        (UnleashServer, "/api"),
        (UnleashServer, "/api/admin/"),
        (FlagsmithServer, "/api/v1/"),
        (HttpApi, "/"),
    ],
)
async def test_an_address_may_end_as_the_sdks_have_it(
    server: type[FlagServer], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(server(), monkeypatch) as shop:
        plan = await shop.with_target(url=shop.flags.url + ending).plan()
        assert plan.is_safe, plan.blocks


async def test_what_the_shell_would_read_is_quoted_in_the_command_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(HttpApi(), monkeypatch) as shop:
        monkeypatch.setattr(HttpApi, "authorization", ("Authorization", 'Flag$HOME`id`" '))
        plan = await shop.with_target(scheme='Flag$HOME`id`"', flag="oauth_auth").plan()
        assert 'Authorization: Flag$HOME`id`" secret-7' in _words(plan.steps[0].command)


async def test_a_token_that_an_error_repeats_is_not_told_also_where_it_is_cut(
    shop: FlagShop,
) -> None:
    step = (await shop.plan()).steps[0]
    said = f"{'x' * 195}{shop.flags.token}"
    shop.flags.fault("PATCH", 400, body={"message": said})
    with pytest.raises(PermanentError) as caught:
        await shop.run(step)
    assert f"x{shop.flags.token[:4]}" not in str(caught.value)


async def test_an_api_that_is_down_while_reading_may_be_asked_again(shop: FlagShop) -> None:
    shop.flags.fault("GET", 502, path="/api/v2/flags/", body={"message": "bad gateway"})
    with pytest.raises(TemporaryError, match="502"):
        await shop.plan()


async def test_an_answer_that_is_not_json_names_the_url_to_check(shop: FlagShop) -> None:
    shop.flags.fault("GET", 200, path="/api/v2/flags/", text="<html>Log in</html>")
    with pytest.raises(PermanentError, match=r"something else than JSON.*http://127\.0\.0\.1"):
        await shop.plan()


async def test_json_of_another_service_names_what_is_missing(shop: FlagShop) -> None:
    shop.flags.fault("GET", 200, path="/api/v2/flags/", body=["something else"])
    with pytest.raises(PermanentError, match="without environments"):
        await shop.plan()


async def test_a_token_that_is_not_set_is_named(
    shop: FlagShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLAG_TOKEN")
    with pytest.raises(ConfigurationError, match="FLAG_TOKEN"):
        await shop.plan()


def _words(command: str) -> list[str]:
    """What a shell makes of it."""
    printed = command.replace("curl", "printf '%s\\n'", 1)
    told = subprocess.run(
        ["/bin/sh", "-c", printed],
        env={"FLAG_TOKEN": "secret-7"},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()
