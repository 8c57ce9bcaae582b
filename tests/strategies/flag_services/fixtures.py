"""Starting a stand-in with its shop, and ending both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.strategies.flag_services.appconfig import AppConfigServer
from tests.strategies.flag_services.flagsmith import FlagsmithServer
from tests.strategies.flag_services.http_api import HttpApi
from tests.strategies.flag_services.launchdarkly import LaunchDarklyServer
from tests.strategies.flag_services.real_unleash import UnleashProcess, serve
from tests.strategies.flag_services.server import FlagServer
from tests.strategies.flag_services.shop import FlagShop, Login, flag_shop
from tests.strategies.flag_services.unleash import UnleashServer


@asynccontextmanager
async def opened(flags: FlagServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FlagShop]:
    """The shop with its flag on, and an environment as the bot's would be."""
    login = Login(flags)
    await flags.start()
    await login.server.start_server()
    monkeypatch.setenv("FLAG_TOKEN", flags.token)
    monkeypatch.setenv("AWS_ENDPOINT_URL", flags.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", flags.token)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    try:
        yield flag_shop(flags, login)
    finally:
        await login.server.close()
        await flags.stop()


@pytest.fixture(scope="session")
def unleash_process() -> Iterator[UnleashProcess]:
    """The real Unleash server, started once."""
    yield from serve()


def _fixture(servers: type[FlagServer]) -> Any:
    @pytest.fixture(name=f"flag_{servers.provider}")
    async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FlagShop]:
        """oauth_auth is on; one stand-in keeps it."""
        async with opened(servers(), monkeypatch) as found:
            yield found

    return shop


flag_http = _fixture(HttpApi)
flag_unleash = _fixture(UnleashServer)
flag_launchdarkly = _fixture(LaunchDarklyServer)
flag_flagsmith = _fixture(FlagsmithServer)
flag_appconfig = _fixture(AppConfigServer)
