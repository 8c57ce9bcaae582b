"""HTTP switch: an admin API of the team's own says which release is live, and takes another.

GET answers ``{"live": "v2.1.0", "previous": ["v2.0.0"]}`` with a strong ETag, the most recent
release first; PUT takes ``{"live": "v2.0.0"}`` with ``If-Match``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target
from bot.catalog.types import SecretName, ServerUrl
from bot.clouds.outside import HttpAnswer
from bot.communication.destinations.base import error_of
from bot.core.errors import PermanentError, WorldMovedError
from bot.core.values import Value
from bot.engine.world import Evidence, Instance, Observation, Observed, StepState, Strategy, World
from bot.incident.plan import Candidate, Milestone, Plan, Step, StepSpec
from strategies.common.choice import Option, choose, rated
from strategies.common.preflights import warned


class HttpSwitchTarget(Target):
    """An admin API that switches the release: GET tells it, PUT with If-Match sets it."""

    strategy: Literal["http-switch"]
    url: ServerUrl
    """Gets both requests."""
    token: SecretName | None = None
    """Sent as ``Authorization: Bearer …``."""

    @property
    def is_in_cluster(self) -> bool:
        """HTTP is all that it takes."""
        return False


class Reading(Value):
    """What the API answered."""

    model_config = ConfigDict(extra="ignore")

    live: str = Field(min_length=1)
    previous: tuple[str, ...] = ()
    etag: str = Field(pattern=r'^"')
    """Changes with every change; a weak one is no precondition (RFC 9110, 13.1.1)."""


class SwitchParams(Value):
    """What the step reads of the plan, and of its inverse."""

    target: HttpSwitchTarget
    old: str
    new: str


async def _call(
    target: HttpSwitchTarget, world: World, method: Literal["GET", "PUT"], **more: Any
) -> HttpAnswer:
    """A successful answer. Raises WorldMovedError for a failed precondition, else by the status."""
    headers = dict(more.pop("headers", {}))
    if target.token is not None:
        headers["Authorization"] = f"Bearer {world.secrets.read(target.token)}"
    answer = await world.http.request(method, str(target.url), headers=headers, **more)
    if answer.status == 412:
        raise WorldMovedError("Somebody else switched the release just now.", "Plan again.")
    if answer.status >= 300:
        remedies = dict.fromkeys((401, 403), f"Correct the token in {target.token}.")
        raise error_of(answer, subject="The admin API", said="", remedies=remedies)
    return answer


async def _read(target: HttpSwitchTarget, world: World) -> Reading:
    """The release now. Raises PermanentError for an answer of another shape."""
    answer = await _call(target, world, "GET")
    try:
        return Reading.model_validate(
            {**json.loads(answer.text), "etag": answer.headers.get("etag", "")}
        )
    except (ValueError, TypeError, ValidationError):
        raise PermanentError(
            "The admin API does not answer with “live”, “previous” and a strong ETag.",
            "Correct the strategy's url in rollback.yml.",
        ) from None


def _curl(target: HttpSwitchTarget, release: str) -> str:
    """The same by hand: whatever is live, so without the precondition that the bot states."""
    body = json.dumps({"live": release})
    words = ["curl", "-fsS", "-X", "PUT", "-H", "If-Match: *", "-d", body, str(target.url)]
    token = f' -H "Authorization: Bearer ${target.token}"' if target.token else ""
    return shlex.join(words) + token


class SwitchRelease:
    """One PUT; the API showing the new release is the end state."""

    name = "switch-release"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live release. Raises what the API answers."""
        params = SwitchParams.model_validate(step.action.params)
        live = (await _read(params.target, world)).live
        known = {params.old: StepState.BEFORE, params.new: StepState.AFTER}
        return Observed(state=known.get(live, StepState.OTHER), summary=f"{live} is live.")

    async def act(self, step: Step, world: World) -> None:
        """Raises WorldMovedError when another release is live, also one that came just now."""
        params = SwitchParams.model_validate(step.action.params)
        found = await _read(params.target, world)
        if found.live == params.new:
            return
        if found.live != params.old:
            raise WorldMovedError(f"{found.live} is live, not {params.old}.", "Plan again.")
        precondition = {"If-Match": found.etag}
        await _call(params.target, world, "PUT", json={"live": params.new}, headers=precondition)

    async def confirm(self, step: Step, world: World) -> str:
        """Raises PermanentError when the API took the change and does not show it."""
        params = SwitchParams.model_validate(step.action.params)
        live = (await _read(params.target, world)).live
        if live != params.new:
            raise PermanentError(f"{live} is live, not {params.new}.", "Look at the admin API.")
        return f"{live} is live."


class HttpSwitch(Strategy):
    """See ``bot.engine.world.Strategy``. Every method raises what the API answers."""

    name = "http-switch"
    settings = HttpSwitchTarget
    steps = (SwitchRelease(),)
    cost = 20

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """One GET."""
        found = await _read(service.target(HttpSwitchTarget), world)
        return Observation(
            live_release=found.live,
            candidates=tuple(option.candidate for option in _options(found)),
            summary=f"{found.live} is live.",
        )

    async def plan(
        self,
        name: str,
        service: ServiceEntry,
        world: World,
        *,
        target: str | None,
        marked_bad: frozenset[str],
        known_good: Sequence[str],
    ) -> Plan:
        """One step. Raises RefusedError when there is nothing to do or nowhere to go."""
        api = service.target(HttpSwitchTarget)
        found = await _read(api, world)
        options, records = _options(found), {"marked_bad": marked_bad, "known_good": known_good}
        choice = choose(
            options, live=found.live, target=target, marked_bad=marked_bad, known_good=known_good
        )
        old, new = found.live, choice.option.candidate.release
        unknown = "Whether the bot may switch it shows only when it does."
        return Plan(
            service=name,
            strategy=self.name,
            from_release=old,
            to_release=new,
            steps=(_step(api, old, new),),
            preflights=(choice.preflight, warned("Rights", unknown)),
            candidates=rated([option.candidate for option in options], **records),
            observed={"live": old},
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The API tells of no replicas."""
        return ()

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """What the API says before the switch."""
        answer = await _call(service.target(HttpSwitchTarget), world, "GET")
        return (Evidence(name="switch.json", text=answer.text),)


def _options(found: Reading) -> list[Option]:
    return [
        Option(candidate=Candidate(release=one, detail="admin API"), aliases=frozenset())
        for one in found.previous
        if one != found.live
    ]


def _step(api: HttpSwitchTarget, old: str, new: str) -> Step:
    there, back = (
        StepSpec(
            kind=SwitchRelease.name,
            params=SwitchParams(target=api, old=before, new=after).model_dump(mode="json"),
            command=_curl(api, after),
        )
        for before, after in ((old, new), (new, old))
    )
    return Step(
        title=f"Switch users from {old} to {new}",
        action=there,
        expects={"live": old},
        inverse=back,
        command=there.command,
        estimate_seconds=2.0,
        milestone=Milestone.SWITCHED,
    )


STRATEGY = HttpSwitch()
