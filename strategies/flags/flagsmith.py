"""A feature in Flagsmith, through its admin API.

An environment has feature versioning or not; with it, only the update-flag endpoint may write:
https://docs.flagsmith.com/integrating-with-flagsmith/flagsmith-api-overview/admin-api/updating-flags
"""

from __future__ import annotations

import asyncio
from typing import Any

from bot.config.targets.feature_flag import FlagsmithTarget
from bot.domain.plan import Preflight
from bot.errors import NotFoundError
from bot.ports.world import World
from strategies.flags.answers import RejectedError
from strategies.flags.api import Api, segment, server
from strategies.flags.digest import digest
from strategies.flags.flagsmith_checks import FlagsmithChecks, pages
from strategies.flags.model import Flag, FlagState, stamp


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
