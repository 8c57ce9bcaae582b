"""A flag in Unleash, through its admin API.

Paths and answers: https://docs.getunleash.io/api/toggle-feature-environment-off and beside it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bot.catalog.types import Duration, SecretName, ServerUrl
from bot.core.errors import NotFoundError, RollbackBotError
from bot.engine.world import World
from bot.incident.plan import Preflight
from strategies.common.preflights import blocked, passed, warned
from strategies.feature_flag.service import (
    Api,
    Flag,
    FlagProvider,
    FlagState,
    digest,
    segment,
    server,
    stamp,
)
from strategies.feature_flag.target import FlagTarget

_RIGHTS = {"ADMIN", "UPDATE_FEATURE_ENVIRONMENT"}
_SKIPS = {"ADMIN", "SKIP_CHANGE_REQUEST"}
_CHANGE_REQUESTS = "Change requests"


class UnleashTarget(FlagTarget):
    """Unleash: a flag in one environment of a project."""

    provider: Literal["unleash"]
    url: ServerUrl
    """Of the Unleash server, without ``/api``."""
    project: str = "default"
    """The flag's project."""
    environment: str
    """The environment in which it goes off."""
    token: SecretName
    """An admin token, a service account's or a personal access token."""
    refresh: Duration = timedelta(seconds=15)
    """The SDKs' refresh interval; 15 s is their default."""


class Unleash:
    """See ``FlagService``. The newest event of the environment is the flag's version."""

    def __init__(self, target: UnleashTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="Unleash",
            base=server(target.url, "/admin", "/api"),
            token=target.token,
            right=f"the permission to toggle flags in {target.environment}, and to skip change "
            "requests where they are required",
        )
        self.place = f"Unleash, {target.project}/{target.environment}"

    async def read(self) -> Flag:
        """The flag's environment, and its newest event; see the protocol."""
        # An environment is shown for an archived flag and under a wrong project too, and only a
        # change would be refused.
        await self._api.record(self._feature, "environments")
        document = await self._api.record(self._path, "enabled")
        event = await self._newest_event()
        strategies = document.get("strategies") or []
        enabled = bool(document["enabled"])
        return Flag(
            state=FlagState(
                enabled=enabled,
                settings={"rules": digest([strategies, document.get("variants") or []])},
            ),
            summary=f"on by {_described(strategies)}" if enabled else "off",
            version=str(event.get("id") or ""),
            changed_at=stamp(event.get("createdAt")),
            changed_by=str(event.get("createdBy") or ""),
            document=document,
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Unleash keeps the strategies of an environment that is off."""
        await self._api.call("POST", self._switch_path(wanted))

    def off(self, flag: Flag) -> FlagState:
        """The same strategies, without effect."""
        return flag.state.model_copy(update={"enabled": False})

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """Rights, and whether changes must be, or have been, requested."""
        granted = await self._granted()
        return (self._rights(granted), await self._requests(flag, granted))

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """Unleash adds a strategy when it switches on an environment without an active one."""
        if _active(flag):
            return ()
        return ("the flag without an active strategy: switching it on adds a default one",)

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """curl."""
        return self._api.curl("POST", self._switch_path(wanted))

    def read_command(self) -> str:
        """curl."""
        return self._api.curl("GET", self._path)

    @property
    def _feature(self) -> str:
        project, flag = segment(self._target.project), segment(self._target.flag)
        return f"/api/admin/projects/{project}/features/{flag}"

    @property
    def _path(self) -> str:
        return f"{self._feature}/environments/{segment(self._target.environment)}"

    def _switch_path(self, wanted: FlagState) -> str:
        return f"{self._path}/{'on' if wanted.enabled else 'off'}"

    async def _newest_event(self) -> dict[str, Any]:
        found = await self._api.maybe(f"/api/admin/events/{segment(self._target.flag)}")
        events = found.get("events") or [] if isinstance(found, dict) else []
        mine = [one for one in events if one.get("environment") == self._target.environment]
        return max(mine, key=lambda one: int(one["id"]), default={})

    async def _granted(self) -> list[dict[str, Any]] | None:
        """The token's permissions; None where Unleash does not tell."""
        me = await self._api.maybe("/api/admin/user")
        granted = me.get("permissions") if isinstance(me, dict) else None
        return granted if isinstance(granted, list) else None

    def _rights(self, granted: list[dict[str, Any]] | None) -> Preflight:
        if granted is None:
            return warned(
                "Rights",
                "The flag can be read. Unleash does not tell what else the token may do.",
            )
        if any(self._allows(one, _RIGHTS) for one in granted):
            return passed("Rights", f"The token may toggle flags in {self._target.environment}.")
        return blocked(
            "Rights",
            f"The token in {self._target.token} has no permission UPDATE_FEATURE_ENVIRONMENT for "
            f"{self._target.project}/{self._target.environment}.",
        )

    def _allows(self, granted: dict[str, Any], rights: set[str]) -> bool:
        return (
            granted.get("permission") in rights
            and granted.get("project") in {None, "*", self._target.project}
            and granted.get("environment") in {None, "*", self._target.environment}
        )

    async def _requests(self, flag: Flag, granted: list[dict[str, Any]] | None) -> Preflight:
        """Where changes must be requested Unleash answers 403, except to those who may skip it."""
        where = f"{self._target.project}/{self._target.environment}"
        needed = await self._approvals_needed()
        if needed is None:
            return warned(_CHANGE_REQUESTS, f"Not checked: Unleash does not tell for {where}.")
        if needed and granted is not None and not any(self._allows(g, _SKIPS) for g in granted):
            return blocked(
                _CHANGE_REQUESTS,
                f"{where} takes changes only as change requests, and the token in "
                f"{self._target.token} has no permission SKIP_CHANGE_REQUEST there. Grant it, or "
                "switch the flag off by a change request.",
            )
        if needed and granted is None:
            return warned(
                _CHANGE_REQUESTS,
                f"{where} takes changes only as change requests: Unleash answers 403 unless the "
                "token may skip them.",
            )
        pending = flag.document.get("changeRequestIds") or []
        if pending:
            numbers = ", ".join(f"#{number}" for number in pending)
            sentence = (
                f"Open change requests for this flag: {numbers}. They may switch it on again."
            )
            return warned(_CHANGE_REQUESTS, sentence)
        return passed(_CHANGE_REQUESTS, "Nothing is pending, and the token may change at once.")

    async def _approvals_needed(self) -> bool | None:
        """Whether changes must be requested there; None when that cannot be told."""
        project = segment(self._target.project)
        path = f"/api/admin/projects/{project}/change-requests/config"
        try:
            found = await self._api.get(path)
        except NotFoundError:
            return False  # the open source edition has no change requests
        except RollbackBotError:
            return None
        environments = [one for one in found if isinstance(one, dict)] if found else []
        return any(
            one.get("environment") == self._target.environment and one.get("changeRequestEnabled")
            for one in environments
        )


UNLEASH = FlagProvider(name="unleash", settings=UnleashTarget, client=Unleash)


def _active(flag: Flag) -> bool:
    return any(not one.get("disabled") for one in flag.document.get("strategies") or [])


def _described(strategies: list[dict[str, Any]]) -> str:
    names = [str(one.get("name")) for one in strategies if not one.get("disabled")]
    return f"strategy {', '.join(names)}" if names else "no strategy"
