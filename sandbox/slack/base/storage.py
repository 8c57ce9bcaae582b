"""The bytes of files: taken in at the upload address, given out to who holds the token."""

from __future__ import annotations

from aiohttp import web

from sandbox.slack.base.world import World


class FileStorage:
    """Answers /upload/… and /files-pri/…"""

    def __init__(self, world: World, *, bot_token: str) -> None:
        self._world = world
        self._bot_token = bot_token

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes, raw or as the one file of a form; the length must be as announced."""
        upload = self._world.uploads.get(request.match_info["token"])
        if upload is None:
            return web.Response(status=404, text="Not found")
        content = await self._content(request)
        if len(content) != upload["length"]:
            return web.Response(status=400, text="Content length does not match")
        upload["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.Response:
        """url_private: needs the bot's token and files:read."""
        header = request.headers.get("Authorization", "")
        if header.removeprefix("Bearer ") != self._bot_token:
            return web.Response(status=302, headers={"Location": "/"})
        stored = self._world.files.get(request.match_info["path"].split("/")[0])
        if stored is None or "files:read" not in self._world.app.scopes:
            return web.Response(status=404, text="Not found")
        return web.Response(body=stored.content, content_type="application/octet-stream")

    @staticmethod
    async def _content(request: web.Request) -> bytes:
        if request.content_type != "multipart/form-data":
            return await request.read()
        form = await request.post()
        for value in form.values():
            if isinstance(value, web.FileField):
                return value.file.read()
        return b""
