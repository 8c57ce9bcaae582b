"""The HTTP client against a server that answers as servers on a real network do."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.adapters.http import HttpClient


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
