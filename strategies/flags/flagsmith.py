"""A feature in Flagsmith, through its admin API.

An environment has feature versioning or not; with it, only the update-flag endpoint may write:
https://docs.flagsmith.com/integrating-with-flagsmith/flagsmith-api-overview/admin-api/updating-flags
"""

from __future__ import annotations

import asyncio
from typing import Any

from bot.config.targets.feature_flag import FlagsmithTarget
from bot.domain.plan import Preflight
from bot.errors import NotFoundError, RollbackBotError
from bot.ports.world import World
from strategies.flags.api import Api, segment
from strategies.flags.digest import digest
from strategies.flags.model import Flag, FlagState, stamp
from strategies.preflights.verdicts import blocked, passed, warned

_OVERRIDES, _CHANGE_REQUESTS, _RIGHTS = "Overrides", "Change requests", "Rights"
_MOST_NAMES = 10
_MOST_PAGES = 20


class Flagsmith:
    """See ``FlagService``. The feature state's id and time tell changes apart."""

    def __init__(self, target: FlagsmithTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="Flagsmith",
            base=str(target.url).rstrip("/"),
            token=target.token,
            scheme="Api-Key",
            right="the permission UPDATE_FEATURE_STATE in this environment",
        )
        self._path = f"/api/v1/environments/{segment(target.environment)}"
        self.place = f"Flagsmith, environment {target.environment}"

    async def read(self) -> Flag:
        """The environment's own state of the feature, without overrides; see the protocol."""
        name = segment(self._target.flag)
        environment, found = await asyncio.gather(
            self._api.record(f"{self._path}/", "id"),
            self._pages(f"{self._path}/featurestates/?feature_name={name}"),
        )
        if not found:
            raise NotFoundError(
                f"Flagsmith has no feature {self._target.flag} in this environment.",
                "Correct rollback.yml.",
            )
        state = found[0]
        value = state.get("feature_state_value")
        enabled = bool(state["enabled"])
        options = digest(state.get("multivariate_feature_state_values") or [])
        return Flag(
            state=FlagState(enabled=enabled, settings={"value": value, "options": options}),
            summary="on" if enabled else "off",
            version=f"{state['id']} {state.get('updated_at') or ''}",
            changed_at=stamp(state.get("updated_at")),
            changed_by=await self._author(environment),
            document={"environment": environment, "feature_state": state},
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Only ``enabled`` is sent: what is not sent stays."""
        method, path, body = self._change(flag, wanted)
        await self._api.call(method, path, body=body)

    def off(self, flag: Flag) -> FlagState:
        """The same value, disabled."""
        return flag.state.model_copy(update={"enabled": False})

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """Who keeps the feature, whether changes need approval, and the token's rights."""
        overrides, rights = await asyncio.gather(self._overrides(flag), self._rights())
        return (overrides, self._change_requests(flag), rights)

    def caveats(self, flag: Flag) -> tuple[str, ...]:
        """Enabling it again restores everything."""
        return ()

    def command(self, flag: Flag, wanted: FlagState) -> str:
        """curl."""
        method, path, body = self._change(flag, wanted)
        return self._api.curl(method, path, body=body)

    def read_command(self) -> str:
        """curl."""
        name = segment(self._target.flag)
        return self._api.curl("GET", f"{self._path}/featurestates/?feature_name={name}")

    def _change(self, flag: Flag, wanted: FlagState) -> tuple[Any, str, dict[str, Any]]:
        state = flag.document["feature_state"]
        if flag.document["environment"].get("use_v2_feature_versioning"):
            key = segment(self._target.environment)
            path = f"/api/experiments/environments/{key}/update-flag-v1/"
            return "POST", path, {"feature": {"id": state["feature"]}, "enabled": wanted.enabled}
        return "PATCH", f"{self._path}/featurestates/{state['id']}/", {"enabled": wanted.enabled}

    async def _pages(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number in range(1, _MOST_PAGES + 1):
            page = await self._api.record(f"{path}&page={number}", "results")
            found += page["results"]
            if not page.get("next"):
                break
        return found

    async def _author(self, environment: dict[str, Any]) -> str:
        query = f"environments={environment['id']}&search={segment(self._target.flag)}"
        log = await self._api.maybe(f"/api/v1/audit/?{query}&page_size=1")
        newest = (log.get("results") or [{}])[0] if isinstance(log, dict) else {}
        author = newest.get("author")
        return str(author.get("email") or "") if isinstance(author, dict) else ""

    async def _overrides(self, flag: Flag) -> Preflight:
        environment, feature = flag.document["environment"]["id"], self._feature(flag)
        try:
            states, names, identities = await asyncio.gather(
                self._pages(
                    f"/api/v1/features/featurestates/?environment={environment}&feature={feature}"
                ),
                self._segment_names(environment, feature),
                self._pages(f"{self._path}/featurestates/?anyIdentity=1&feature={feature}"),
            )
        except RollbackBotError as error:
            return warned(_OVERRIDES, f"Not checked. {error}")
        # Answers 400 where identities are not kept at the edge.
        edge = await self._api.maybe(f"{self._path}/edge-identity-overrides?feature={feature}")
        kept = [
            f"segment {names.get(one['feature_segment'], one['feature_segment'])}"
            for one in states
            if one.get("feature_segment") and one["enabled"]
        ]
        kept += [f"identity {_identifier(one)}" for one in identities if one["enabled"]]
        kept += [
            f"identity {one['identifier']}"
            for one in ((edge or {}).get("results") or [])
            if (one.get("feature_state") or {}).get("enabled")
        ]
        if not kept:
            return passed(_OVERRIDES, "No segment or identity keeps the feature.")
        more = f" and {len(kept) - _MOST_NAMES} more" if len(kept) > _MOST_NAMES else ""
        return warned(
            _OVERRIDES,
            f"The feature stays on for {', '.join(kept[:_MOST_NAMES])}{more}: overrides are not "
            "touched. Switch them off by hand if they matter.",
        )

    async def _segment_names(self, environment: int, feature: int) -> dict[int, str]:
        found = await self._pages(
            f"/api/v1/features/feature-segments/?environment={environment}&feature={feature}"
        )
        return {one["id"]: str(one.get("segment_name") or one["segment"]) for one in found}

    def _feature(self, flag: Flag) -> int:
        return int(flag.document["feature_state"]["feature"])

    def _change_requests(self, flag: Flag) -> Preflight:
        needed = flag.document["environment"].get("minimum_change_request_approvals")
        if needed is None:
            return passed(_CHANGE_REQUESTS, "This environment takes changes at once.")
        return blocked(
            _CHANGE_REQUESTS,
            f"This environment takes changes only as change requests with {needed} approvals: "
            "switch the feature off there, or allow direct changes.",
        )

    async def _rights(self) -> Preflight:
        found = await self._api.maybe(f"{self._path}/my-permissions/")
        if not isinstance(found, dict):
            return warned(
                _RIGHTS, "The feature can be read. Flagsmith does not tell what else is allowed."
            )
        if found.get("admin") or "UPDATE_FEATURE_STATE" in (found.get("permissions") or []):
            return passed(_RIGHTS, "The key may change features in this environment.")
        return blocked(
            _RIGHTS, f"The key in {self._target.token} lacks UPDATE_FEATURE_STATE there."
        )


def _identifier(state: dict[str, Any]) -> str:
    identity = state.get("identity")
    return str(identity.get("identifier") if isinstance(identity, dict) else identity)
