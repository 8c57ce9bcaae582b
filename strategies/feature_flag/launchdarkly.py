"""A flag in LaunchDarkly, changed by semantic patches.

Paths and answers: https://launchdarkly.com/docs/api/feature-flags/patch-feature-flag
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AnyHttpUrl, JsonValue

from bot.catalog.types import Duration, SecretName, ServerUrl
from bot.core.errors import NotFoundError
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
)
from strategies.feature_flag.target import FlagTarget

_CONTENT_TYPE = {"Content-Type": "application/json; domain-model=launchdarkly.semanticpatch"}
_VERSION = {"LD-API-Version": "20240415"}
"""Else the API is as old as the token says; every token may be told another version."""
_RULES = ("targets", "contextTargets", "rules", "fallthrough", "offVariation", "prerequisites")
_WAITING = {"pending", "scheduled"}
_OFF, _APPROVALS, _RIGHTS = "Off variation", "Approvals and schedules", "Rights"


class LaunchDarklyTarget(FlagTarget):
    """LaunchDarkly: a flag in one environment of a project."""

    provider: Literal["launchdarkly"]
    url: ServerUrl = AnyHttpUrl("https://app.launchdarkly.com")
    """The API's address."""
    project: str
    """Key of the flag's project."""
    environment: str
    """Key of the environment in which it goes off."""
    token: SecretName
    """An API access token, not an SDK key."""
    safe_variation: JsonValue = False
    """Value of the variation that must be served while the flag is off."""
    refresh: Duration = timedelta(seconds=5)
    """The SDKs stream changes; this allows for reconnections. Longer for polling SDKs."""


class LaunchDarkly:
    """See ``FlagService``. The environment's version tells changes apart."""

    def __init__(self, target: LaunchDarklyTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="LaunchDarkly",
            base=server(target.url, "/api/v2"),
            token=target.token,
            headers=_VERSION,
            right=f"the action updateOn for the flag in {target.environment}",
        )
        self._keys = (segment(target.project), segment(target.flag), segment(target.environment))
        self.place = f"LaunchDarkly, {target.project}/{target.environment}"

    async def read(self) -> Flag:
        """The flag in its environment; see the protocol."""
        project, flag, environment = self._keys
        document, author = await asyncio.gather(
            self._api.record(f"/api/v2/flags/{project}/{flag}?env={environment}", "environments"),
            self._author(),
        )
        found = (document["environments"] or {}).get(self._target.environment)
        if found is None:
            raise NotFoundError(
                f"LaunchDarkly has no environment {self._target.environment} for this flag.",
                "Correct rollback.yml.",
            )
        modified = found.get("lastModified")
        rules = digest({name: found.get(name) for name in _RULES})
        return Flag(
            state=FlagState(enabled=bool(found["on"]), settings={"rules": rules}),
            summary="on" if found["on"] else "off",
            version=str(found.get("version", "")),
            changed_at=datetime.fromtimestamp(modified / 1000, UTC) if modified else None,
            changed_by=author,
            document=document,
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """One instruction; without ``ignoreConflicts``, so that pending changes refuse it."""
        await self._api.call(
            "PATCH", self._flag_path, body=self._patch(wanted), headers=_CONTENT_TYPE
        )

    def off(self, flag: Flag) -> FlagState:
        """The same rules, without effect: everybody gets the off variation."""
        return flag.state.model_copy(update={"enabled": False})

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """What off serves, what waits for this flag, and the token's rights."""
        return (
            self._off_variation(flag),
            *await asyncio.gather(self._pending(), self._required(flag)),
            self._rights(flag),
        )

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """Turning it on again restores everything."""
        return ()

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """curl with the same patch."""
        return self._api.curl(
            "PATCH", self._flag_path, body=self._patch(wanted), headers=_CONTENT_TYPE
        )

    def read_command(self) -> str:
        """curl."""
        return self._api.curl("GET", f"{self._flag_path}?env={self._keys[2]}")

    @property
    def _flag_path(self) -> str:
        return f"/api/v2/flags/{self._keys[0]}/{self._keys[1]}"

    @property
    def _environment_path(self) -> str:
        project, flag, environment = self._keys
        return f"/api/v2/projects/{project}/flags/{flag}/environments/{environment}"

    def _patch(self, wanted: FlagState) -> dict[str, Any]:
        return {
            "comment": "rollback-bot: approved rollback",
            "environmentKey": self._target.environment,
            "instructions": [{"kind": "turnFlagOn" if wanted.enabled else "turnFlagOff"}],
        }

    async def _author(self) -> str:
        target = self._target
        resource = f"proj/{target.project}:env/{target.environment}:flag/{target.flag}"
        log = await self._items(f"/api/v2/auditlog?limit=1&spec={segment(resource)}")
        newest = log[0] if log else {}
        member, token = newest.get("member") or {}, newest.get("token") or {}
        return str(member.get("email") or token.get("name") or "")

    def _off_variation(self, flag: Flag) -> Preflight:
        index = self._environment(flag).get("offVariation")
        variations = flag.document.get("variations") or []
        wanted = json.dumps(self._target.safe_variation)
        if index is None:
            return warned(
                _OFF,
                "The flag has no off variation: while it is off every SDK call gets the default "
                f"of the code. Make sure that this is {wanted}.",
            )
        value = variations[index].get("value") if index < len(variations) else None
        if value == self._target.safe_variation:
            return passed(_OFF, f"While it is off everybody gets {wanted}.")
        return blocked(
            _OFF,
            f"While it is off everybody gets {json.dumps(value)}, but the safe variation is "
            f"{wanted}. Correct the off variation, or safe_variation in rollback.yml.",
        )

    async def _pending(self) -> Preflight:
        approvals, planned = await asyncio.gather(
            self._items(f"{self._environment_path}/approval-requests"),
            self._items(f"{self._environment_path}/scheduled-changes"),
        )
        waiting = [one for one in approvals or [] if one.get("status") in _WAITING]
        if waiting or planned:
            return warned(
                _APPROVALS,
                f"{len(waiting)} approval requests and {len(planned or [])} scheduled changes wait "
                "for this flag. LaunchDarkly refuses a change that would break them, and a "
                "schedule may turn the flag on again: withdraw them.",
            )
        if approvals is None or planned is None:
            return warned(_APPROVALS, "Not checked: LaunchDarkly does not list all of them.")
        return passed(_APPROVALS, "Nothing is pending or scheduled for this flag.")

    async def _items(self, path: str) -> list[dict[str, Any]] | None:
        """A listing; None where it cannot be had, which is not the same as an empty one."""
        found = await self._api.maybe(path)
        items = found.get("items") if isinstance(found, dict) else None
        return items if isinstance(items, list) else None

    async def _required(self, flag: Flag) -> Preflight:
        name = "Required approvals"
        project, _, environment = self._keys
        found = await self._api.maybe(f"/api/v2/projects/{project}/environments/{environment}")
        settings = found.get("approvalSettings") if isinstance(found, dict) else None
        if not isinstance(settings, dict):
            return warned(name, "Not checked: the token may not read the environment.")
        tags = set(settings.get("requiredApprovalTags") or [])
        concerned = tags & set(flag.document.get("tags") or [])
        if concerned or (settings.get("required") and not tags):
            return warned(
                name,
                f"{self._target.environment} requires approvals in LaunchDarkly itself: it answers "
                "405 unless the token may bypass them.",
            )
        return passed(name, f"{self._target.environment} requires none for this flag.")

    def _rights(self, flag: Flag) -> Preflight:
        access = self._environment(flag).get("_access") or {}
        denied = {one.get("action") for one in access.get("denied") or []}
        if "updateOn" in denied:
            return blocked(_RIGHTS, f"The token in {self._target.token} may not updateOn.")
        if access:
            return passed(_RIGHTS, "LaunchDarkly does not deny the token updateOn.")
        return warned(
            _RIGHTS, "The flag can be read. LaunchDarkly does not tell what else the token may do."
        )

    def _environment(self, flag: Flag) -> dict[str, Any]:
        found: dict[str, Any] = flag.document["environments"][self._target.environment]
        return found


LAUNCHDARKLY = FlagProvider(name="launchdarkly", settings=LaunchDarklyTarget, client=LaunchDarkly)
