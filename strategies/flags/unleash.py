"""A flag in Unleash, through its admin API.

Paths and answers: https://docs.getunleash.io/api/toggle-feature-environment-off and beside it.
"""

from __future__ import annotations

from typing import Any

from bot.config.targets.feature_flag import UnleashTarget
from bot.domain.plan import Preflight
from bot.ports.world import World
from strategies.flags.api import Api, segment
from strategies.flags.digest import digest
from strategies.flags.model import Flag, FlagState, stamp
from strategies.preflights.verdicts import blocked, passed, warned

_RIGHTS = {"ADMIN", "UPDATE_FEATURE_ENVIRONMENT"}


class Unleash:
    """See ``FlagService``. The newest event of the environment is the flag's version."""

    def __init__(self, target: UnleashTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="Unleash",
            base=str(target.url).rstrip("/"),
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
        """Rights, and whether strategies would be added by an undo."""
        return (await self._rights(), *self._strategies(flag))

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

    async def _rights(self) -> Preflight:
        me = await self._api.maybe("/api/admin/user")
        granted = me.get("permissions") if isinstance(me, dict) else None
        if not isinstance(granted, list):
            return warned(
                "Rights",
                "The flag can be read. Unleash does not tell what else the token may do.",
            )
        if any(self._allows(one) for one in granted):
            return passed("Rights", f"The token may toggle flags in {self._target.environment}.")
        return blocked(
            "Rights",
            f"The token in {self._target.token} has no permission UPDATE_FEATURE_ENVIRONMENT for "
            f"{self._target.project}/{self._target.environment}.",
        )

    def _allows(self, granted: dict[str, Any]) -> bool:
        return (
            granted.get("permission") in _RIGHTS
            and granted.get("project") in {None, "*", self._target.project}
            and granted.get("environment") in {None, "*", self._target.environment}
        )

    def _strategies(self, flag: Flag) -> tuple[Preflight, ...]:
        pending = flag.document.get("changeRequestIds") or []
        if pending:
            numbers = ", ".join(f"#{number}" for number in pending)
            sentence = (
                f"Open change requests for this flag: {numbers}. They may switch it on again."
            )
            return (warned("Change requests", sentence),)
        return ()


def _active(flag: Flag) -> bool:
    return any(not one.get("disabled") for one in flag.document.get("strategies") or [])


def _described(strategies: list[dict[str, Any]]) -> str:
    names = [str(one.get("name")) for one in strategies if not one.get("disabled")]
    return f"strategy {', '.join(names)}" if names else "no strategy"
