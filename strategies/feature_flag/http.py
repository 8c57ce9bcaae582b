"""A flag behind an HTTP API of one's own, as in the procedure: POST to change, GET to look."""

from __future__ import annotations

from typing import Any, Literal

from bot.catalog.types import SecretName, ServerUrl, UrlPath
from bot.clouds.outside import HttpAnswer
from bot.core.errors import PermanentError
from bot.core.values import Facts
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.preflights import warned
from strategies.feature_flag.service import (
    Api,
    Flag,
    FlagProvider,
    FlagState,
    segment,
    server,
    stamp,
)
from strategies.feature_flag.target import FlagTarget


class HttpFlagTarget(FlagTarget):
    """An HTTP API of one's own: POST {"flag", "enabled", "percentage"}, GET to read."""

    provider: Literal["http"]
    url: ServerUrl
    """Base of the API."""
    switch_path: UrlPath = "/admin/flags"
    """Path that gets the POST."""
    read_path: UrlPath = "/admin/flags/{flag}"
    """Answers JSON with ``enabled`` and, where the API has them, ``percentage`` and ``version``."""
    token: SecretName | None = None
    """Name of the environment variable with the API's token."""
    header: str = "Authorization"
    """Header that carries the token."""
    scheme: str = "Bearer"
    """What stands before the token in the header; empty for the token alone."""


class HttpFlags:
    """See ``FlagService``; a strong ETag is the precondition of a change where there is one."""

    def __init__(self, target: HttpFlagTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="The flag service",
            base=server(target.url),
            token=target.token,
            header=target.header,
            scheme=target.scheme,
        )
        self.place = f"{target.url.host}"

    async def read(self) -> Flag:
        """GET; see the protocol."""
        answer = await self._api.call("GET", self._path)
        body = self._api.parsed(answer)
        if not isinstance(body, dict) or not isinstance(body.get("enabled"), bool):
            raise PermanentError(
                f"{self._api.base}{self._path} does not answer with “enabled”: true or false.",
                "Correct read_path in rollback.yml.",
            )
        percentage = body.get("percentage")
        known = isinstance(percentage, int | float) and not isinstance(percentage, bool)
        settings: Facts = {"percentage": percentage} if known else {}
        enabled = body["enabled"] and percentage != 0
        share = f" for {percentage:g} % of the users" if known and enabled else ""
        return Flag(
            state=FlagState(enabled=enabled, settings=settings),
            summary=f"on{share}" if enabled else "off",
            version=_version(answer, body),
            changed_at=stamp(body.get("updated_at") or body.get("updatedAt")),
            changed_by=str(body.get("updated_by") or body.get("updatedBy") or ""),
            document=body,
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """POST; see the protocol."""
        strong = flag.version.startswith('"')
        await self._api.call(
            "POST",
            self._target.switch_path,
            body=self._body(wanted),
            headers={"If-Match": flag.version} if strong else None,
        )

    def off(self, flag: Flag) -> FlagState:
        """Not enabled, for nobody."""
        known = "percentage" in flag.state.settings
        return FlagState(enabled=False, settings={"percentage": 0} if known else {})

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """There is nothing more to ask an API of which only two calls are known."""
        return (
            warned(
                "Rights",
                "The flag can be read. Whether the bot may also change it shows only when it does.",
            ),
        )

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """Only what the API takes can be restored."""
        taken = {"flag", "name", "enabled", "percentage", "version"}
        taken |= {"updated_at", "updatedAt", "updated_by", "updatedBy"}
        rest = sorted(set(flag.document) - taken) if isinstance(flag.document, dict) else []
        if not rest:
            return ()
        return (f"{', '.join(rest)} of the flag, should the service forget them while it is off",)

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """curl with the same body."""
        return self._api.curl("POST", self._target.switch_path, body=self._body(wanted))

    def read_command(self) -> str:
        """curl."""
        return self._api.curl("GET", self._path)

    @property
    def _path(self) -> str:
        return self._target.read_path.replace("{flag}", segment(self._target.flag))

    def _body(self, wanted: FlagState) -> dict[str, Any]:
        body: dict[str, Any] = {"flag": self._target.flag, "enabled": wanted.enabled}
        if not wanted.enabled:
            return {**body, "percentage": 0}
        return {**body, **wanted.settings}


HTTP = FlagProvider(name="http", settings=HttpFlagTarget, client=HttpFlags)


def _version(answer: HttpAnswer, body: dict[str, Any]) -> str:
    names = ("version", "updated_at", "updatedAt")
    stated = next((str(body[name]) for name in names if body.get(name) is not None), "")
    etag = answer.headers.get("etag", "")
    return etag if etag.startswith('"') else stated
