"""Starting a stand-in with its shop, and ending both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.strategies.flag_services.real_unleash import UnleashProcess, serve
from tests.strategies.flag_services.server import FlagServer
from tests.strategies.flag_services.shop import FlagShop, Login, flag_shop


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
