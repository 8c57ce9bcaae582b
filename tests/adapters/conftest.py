"""What the tests of adapters share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.slack import SlackServer
from tests.adapters.slack_office import MANIFEST


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """A workspace with the app installed as in manifest.yml."""
    server = SlackServer(manifest=MANIFEST)
    await server.start()
    yield server
    await server.stop()
