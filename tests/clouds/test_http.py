"""The HTTP client against a server that answers as servers on a real network do."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.clouds.commands import EnvironmentSecrets
from bot.clouds.http import HttpClient
from bot.core.errors import OutcomeUnknownError, PermanentError, TemporaryError


async def test_an_answer_that_comes_in_parts_is_read_to_its_end() -> None:
    async def in_parts(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b'{"commits": [', b'"a", ', b'"b"]}'):
            await response.write(part)
            await asyncio.sleep(0)  # each part is a packet of its own
        return response

    app = web.Application()
    app.router.add_get("/compare", in_parts)
    async with TestServer(app) as server:
        answer = await HttpClient().get(str(server.make_url("/compare")))
    assert answer.text == '{"commits": ["a", "b"]}'


SECRET = "http://ana:s3cret@127.0.0.1:9/orders?token=t0ken"


async def test_an_error_shows_where_it_was_and_no_secret_of_the_address() -> None:
    with pytest.raises(TemporaryError, match=r"^http://127\.0\.0\.1:9/orders cannot") as caught:
        await HttpClient().request("POST", SECRET, json={})
    assert not isinstance(caught.value, OutcomeUnknownError)


@pytest.mark.parametrize(
    "url", ["http://ana:s3cret@[::1/", "file:///etc/secret", "ftp://s3cret@127.0.0.1/"]
)
async def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(PermanentError, match="cannot be asked") as caught:
        await HttpClient().get(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("header", ["Authorization", "X-Bad\r\nX-Evil"])
async def test_a_line_break_begins_no_header_and_is_not_shown(header: str) -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url("/"))
        with pytest.raises(PermanentError, match="cannot be asked") as caught:
            await HttpClient().request("POST", url, headers={header: "s3cret\nX-Evil: 1"})
    assert "s3cret" not in str(caught.value)
    assert "X-Evil" not in str(caught.value)


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_said(
    tls: ssl.SSLContext,
) -> None:
    server = TestServer(web.Application(), scheme="https")
    await server.start_server(ssl=tls)
    try:
        with pytest.raises(TemporaryError, match="certificate is refused") as caught:
            await HttpClient().request("POST", f"https://localhost:{server.port}/", json={})
    finally:
        await server.close()
    assert not isinstance(caught.value, OutcomeUnknownError)


def test_the_line_break_at_the_end_of_a_secrets_file_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN", " s3cret \r\n")
    assert EnvironmentSecrets().read("TOKEN") == " s3cret "
