"""A feature in Flagsmith, through its admin API.

An environment has feature versioning or not; with it, only the update-flag endpoint may write:
https://docs.flagsmith.com/integrating-with-flagsmith/flagsmith-api-overview/admin-api/updating-flags
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import AnyHttpUrl

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
    RejectedError,
    digest,
    segment,
    server,
    stamp,
)
from strategies.feature_flag.target import FlagTarget

# What should be known of a feature in Flagsmith before it is switched off.

_OVERRIDES, _CHANGE_REQUESTS, _RIGHTS = "Overrides", "Change requests", "Rights"
_VERSIONING = "Feature versioning"
_MOST_NAMES = 10
_MOST_PAGES = 20


class FlagsmithTarget(FlagTarget):
    """Flagsmith: a feature's state in one environment."""

    provider: Literal["flagsmith"]
    url: ServerUrl = AnyHttpUrl("https://api.flagsmith.com")
    """Of the API, without ``/api/v1``."""
    environment: str
    """The client-side environment key."""
    token: SecretName
    """An organisation API key, sent as ``Api-Key``."""
    refresh: Duration = timedelta(seconds=60)
    """The SDKs' refresh interval for local evaluation; 60 s is their default."""


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


class Flagsmith:
    """See ``FlagService``. The feature state's id and time tell changes apart."""

    def __init__(self, target: FlagsmithTarget, world: World) -> None:
        self._target = target
        self._api = Api(
            world=world,
            name="Flagsmith",
            base=server(target.url, "/v1", "/api"),
            token=target.token,
            scheme="Api-Key",
            right="the permission UPDATE_FEATURE_STATE in this environment",
        )
        key = segment(target.environment)
        self._path = f"/api/v1/environments/{key}"
        self._update_path = f"/api/experiments/environments/{key}/update-flag-v1/"
        self.place = f"Flagsmith, environment {target.environment}"

    async def read(self) -> Flag:
        """The environment's own state of the feature, without overrides; see the protocol."""
        name = segment(self._target.flag)
        environment, found = await asyncio.gather(
            self._api.record(f"{self._path}/", "id"),
            pages(self._api, f"{self._path}/featurestates/?feature_name={name}"),
        )
        if not found:
            raise NotFoundError(
                f"Flagsmith has no feature {self._target.flag} in this environment.",
                "Correct rollback.yml.",
            )
        state = found[0]
        value = state.get("feature_state_value")
        value = None if value == "" else value  # a new version may turn one into the other
        enabled = bool(state["enabled"])
        options = _options(state.get("multivariate_feature_state_values") or [])
        return Flag(
            state=FlagState(enabled=enabled, settings={"value": value, "options": options}),
            summary="on" if enabled else "off",
            version=f"{state['id']} {state.get('updated_at') or ''}",
            changed_at=stamp(state.get("updated_at")),
            changed_by=await self._author(environment),
            document={"environment": environment, "feature_state": state},
        )

    async def switch(self, flag: Flag, wanted: FlagState) -> None:
        """Only ``enabled`` is sent: what is not sent stays.

        The first releases of the update endpoint take no change without a value: they get the
        one that they have.
        """
        method, path, body = self._change(flag, wanted)
        try:
            await self._api.call(method, path, body=body)
        except RejectedError as error:
            if path != self._update_path or "value" not in error.fields:
                raise
            value = _typed(flag.document["feature_state"].get("feature_state_value"))
            await self._api.call(method, path, body={**body, "value": value})

    def off(self, flag: Flag) -> FlagState:
        """The same value, disabled."""
        return flag.state.model_copy(update={"enabled": False})

    async def preflights(self, flag: Flag) -> tuple[Preflight, ...]:
        """Who keeps the feature, whether changes need approval, and the token's rights."""
        checks = FlagsmithChecks(
            api=self._api,
            path=self._path,
            update_path=self._update_path,
            token=self._target.token,
            environment=flag.document["environment"],
            feature=int(flag.document["feature_state"]["feature"]),
        )
        return await checks.all()

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
            body = {"feature": {"id": state["feature"]}, "enabled": wanted.enabled}
            return "POST", self._update_path, body
        return "PATCH", f"{self._path}/featurestates/{state['id']}/", {"enabled": wanted.enabled}

    async def _author(self, environment: dict[str, Any]) -> str:
        query = f"environments={environment['id']}&search={segment(self._target.flag)}"
        log = await self._api.maybe(f"/api/v1/audit/?{query}&page_size=1")
        newest = (log.get("results") or [{}])[0] if isinstance(log, dict) else {}
        author = newest.get("author")
        return str(author.get("email") or "") if isinstance(author, dict) else ""


FLAGSMITH = FlagProvider(name="flagsmith", settings=FlagsmithTarget, client=Flagsmith)


def _options(values: list[dict[str, Any]]) -> str:
    """Who gets which option; their own ids are others in every version of the feature."""
    names = ("multivariate_feature_option", "percentage_allocation")
    return digest(sorted([str(one.get(name)) for name in names] for one in values))


def _typed(value: Any) -> dict[str, str]:
    """A value as the update endpoint takes it: always a string, with what it stands for."""
    if isinstance(value, bool):
        return {"type": "boolean", "value": str(value).lower()}
    kind = "integer" if isinstance(value, int) else "string"
    return {"type": kind, "value": "" if value is None else str(value)}
