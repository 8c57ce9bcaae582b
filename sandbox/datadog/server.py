"""One organisation at Datadog, on a loopback port."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sandbox.datadog.points import Points
from sandbox.datadog.query import BadQueryError, answer

API_KEY = "0123456789abcdef0123456789abcdef"
APPLICATION_KEY = "0123456789abcdef0123456789abcdef01234567"
_RATE = {"X-RateLimit-Limit": "1600", "X-RateLimit-Period": "3600"}


class DatadogServer:
    """Takes points in and answers queries about them.

    Without keys it answers 401, with wrong ones 403; a query that it cannot read is a 400, a
    metric that it does not know a 404, a parameter that is no number a 422. ``refuse`` makes it
    answer anything else.
    """

    def __init__(self) -> None:
        self.api_key = API_KEY
        self.application_key = APPLICATION_KEY
        self.points = Points()
        self.calls: list[str] = []
        """Paths, in order."""
        self._refusals: list[tuple[int, str, float | None]] = []
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/api/v2/series", self._submit)
        app.router.add_get("/api/v1/query", self._query)
        app.router.add_get("/api/v2/metrics/{metric}/all-tags", self._tags)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()

    def refuse(
        self, status: int, message: str, *, times: int = 1, reset: float | None = None
    ) -> None:
        """Answer the next calls like this; ``reset`` is the pause of a rate limit, in seconds."""
        self._refusals += [(status, message, reset)] * times

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(request.path)
        if self._refusals:
            status, message, reset = self._refusals.pop(0)
            headers = {} if reset is None else {**_RATE, "X-RateLimit-Reset": f"{reset:g}"}
            return _errors(status, message, headers)
        key, application = (
            request.headers.get(f"DD-{name}-KEY") for name in ("API", "APPLICATION")
        )
        reading = request.method == "GET"
        if key is None or (reading and application is None):
            return _errors(401, "Unauthorized")
        if key != self.api_key or (reading and application != self.application_key):
            return _errors(403, "Forbidden")
        response: web.StreamResponse = await handler(request)
        return response

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        for series in body["series"]:
            points = [(int(p["timestamp"]), float(p["value"])) for p in series["points"]]
            self.points.add(series["metric"], series.get("tags", ()), points)
        return web.json_response({"errors": []}, status=202)

    async def _query(self, request: web.Request) -> web.Response:
        try:
            start, end = (int(request.query[name]) for name in ("from", "to"))
            query = request.query["query"]
        except (KeyError, ValueError):
            return _errors(422, "from, to and query are required")
        try:
            found = answer(query, self.points, start=start, end=end)
        except BadQueryError as error:
            return web.json_response({"status": "error", "error": str(error)}, status=400)
        return web.json_response(
            {
                "status": "ok",
                "res_type": "time_series",
                "resp_version": 1,
                "query": query,
                "from_date": start * 1000,
                "to_date": end * 1000,
                "series": [
                    {
                        "interval": one.interval,
                        "length": len(one.points),
                        "tag_set": list(one.tags),
                        "scope": ",".join(one.tags) or "*",
                        "query_index": 0,
                        "pointlist": [[at * 1000.0, value] for at, value in one.points],
                    }
                    for one in found
                ],
                "message": "",
                "group_by": [],
            },
            headers={**_RATE, "X-RateLimit-Remaining": "1599", "X-RateLimit-Reset": "60"},
        )

    async def _tags(self, request: web.Request) -> web.Response:
        metric = request.match_info["metric"]
        tags = self.points.tags(metric)
        if tags is None:
            return _errors(404, f"Metric {metric} not found")
        attributes = {"tags": tags, "ingested_tags": []}
        return web.json_response(
            {"data": {"id": metric, "type": "metrics", "attributes": attributes}}
        )


def _errors(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"errors": [message]}, status=status, headers=headers)
