"""What should be known of a feature in Flagsmith before it is switched off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bot.domain.plan import Preflight
from bot.errors import NotFoundError, RollbackBotError
from strategies.flags.answers import RejectedError
from strategies.flags.api import Api
from strategies.preflights.verdicts import blocked, passed, warned

_OVERRIDES, _CHANGE_REQUESTS, _RIGHTS = "Overrides", "Change requests", "Rights"
_VERSIONING = "Feature versioning"
_MOST_NAMES = 10
_MOST_PAGES = 20


@dataclass(frozen=True, kw_only=True)
class FlagsmithChecks:
    """Who keeps the feature, whether changes need approval, and what the key may do."""

    api: Api
    path: str
    """Of the environment."""
    update_path: str
    """Where a versioned environment is changed."""
    token: str
    environment: dict[str, Any]
    feature: int

    async def all(self) -> tuple[Preflight, ...]:
        """In order."""
        overrides, rights, versioning = await asyncio.gather(
            self._overrides(), self._rights(), self._versioning()
        )
        return (overrides, self._change_requests(), *versioning, rights)

    async def _overrides(self) -> Preflight:
        environment, feature = self.environment["id"], self.feature
        try:
            states, names, identities, edge = await asyncio.gather(
                pages(
                    self.api,
                    f"/api/v1/features/featurestates/?environment={environment}&feature={feature}",
                ),
                self._segment_names(environment, feature),
                pages(self.api, f"{self.path}/featurestates/?anyIdentity=1&feature={feature}"),
                self._at_the_edge(feature),
            )
        except RollbackBotError as error:
            return warned(_OVERRIDES, f"Not checked. {error}")
        kept = [
            f"segment {names.get(one['feature_segment'], one['feature_segment'])}"
            for one in states
            if one.get("feature_segment") and one["enabled"]
        ]
        kept += [f"identity {_identifier(one)}" for one in identities if one["enabled"]]
        kept += [
            f"identity {one['identifier']}"
            for one in edge
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

    async def _at_the_edge(self, feature: int) -> list[dict[str, Any]]:
        """Overrides of identities; it answers 400 where these are not kept at the edge."""
        path = f"{self.path}/edge-identity-overrides?feature={feature}"
        try:
            found = await self.api.record(path, "results")
        except (RejectedError, NotFoundError):
            return []
        results: list[dict[str, Any]] = found["results"]
        return results

    async def _segment_names(self, environment: int, feature: int) -> dict[int, str]:
        found = await pages(
            self.api,
            f"/api/v1/features/feature-segments/?environment={environment}&feature={feature}",
        )
        return {one["id"]: str(one.get("segment_name") or one["segment"]) for one in found}

    def _change_requests(self) -> Preflight:
        needed = self.environment.get("minimum_change_request_approvals")
        if needed is None:
            return passed(_CHANGE_REQUESTS, "This environment takes changes at once.")
        return blocked(
            _CHANGE_REQUESTS,
            f"This environment takes changes only as change requests with {needed} approvals: "
            "switch the feature off there, or allow direct changes.",
        )

    async def _versioning(self) -> tuple[Preflight, ...]:
        """Whether this Flagsmith can change a versioned environment; it takes a POST there."""
        if not self.environment.get("use_v2_feature_versioning"):
            return ()
        try:
            await self.api.get(self.update_path)
        except NotFoundError:
            sentence = (
                "This environment has feature versioning, and this Flagsmith seems too old for "
                f"{self.update_path}. Update it, or switch the feature off there by hand."
            )
            return (warned(_VERSIONING, sentence),)
        except RollbackBotError:
            pass  # 405 is what it should answer; anything else tells nothing about the path
        return ()

    async def _rights(self) -> Preflight:
        found = await self.api.maybe(f"{self.path}/my-permissions/")
        if not isinstance(found, dict):
            return warned(
                _RIGHTS, "The feature can be read. Flagsmith does not tell what else is allowed."
            )
        if found.get("admin") or "UPDATE_FEATURE_STATE" in (found.get("permissions") or []):
            return passed(_RIGHTS, "The key may change features in this environment.")
        return blocked(_RIGHTS, f"The key in {self.token} lacks UPDATE_FEATURE_STATE there.")


async def pages(api: Api, path: str) -> list[dict[str, Any]]:
    """All results of a listing, whose path has a query already."""
    found: list[dict[str, Any]] = []
    for number in range(1, _MOST_PAGES + 1):
        page = await api.record(f"{path}&page={number}", "results")
        found += page["results"]
        if not page.get("next"):
            break
    return found


def _identifier(state: dict[str, Any]) -> str:
    identity = state.get("identity")
    return str(identity.get("identifier") if isinstance(identity, dict) else identity)
