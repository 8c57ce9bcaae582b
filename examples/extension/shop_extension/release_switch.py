"""The strategy ``release-switch``: a service whose release is chosen at an HTTP address.

GET answers ``{"live": "v2", "previous": ["v1"]}`` with an ETag. PUT of ``{"live": "v1"}`` with that
ETag in ``If-Match`` chooses, and answers 412 when somebody else was faster.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from bot.catalog.service import ServiceEntry
from bot.catalog.target import Target
from bot.catalog.types import ServerUrl
from bot.core.errors import PermanentError, TemporaryError, WorldMovedError
from bot.core.values import Value
from bot.engine.world import (
    Evidence,
    Instance,
    Observation,
    Observed,
    StepKind,
    StepState,
    Strategy,
    World,
)
from bot.incident.plan import Candidate, Milestone, Plan, Step, StepSpec
from strategies.common.choice import Option, choose, rated


class ReleaseSwitchTarget(Target):
    """A release that is chosen at an address of ours."""

    strategy: Literal["release-switch"]
    url: ServerUrl
    """Where the release is read and chosen."""

    @property
    def is_in_cluster(self) -> bool:
        """No cluster is needed."""
        return False


class Switch(Value):
    """What the address answers."""

    live: str
    previous: tuple[str, ...]
    """Releases that served before, the most recent first."""
    version: str
    """The ETag: a change must name it."""


class SwitchParams(Value):
    """One choice, and what it was decided upon."""

    url: str
    old: str
    new: str


async def read(url: str, world: World) -> Switch:
    """The switch as it is now.

    Raises PermanentError for an answer that is not understood, TemporaryError when nothing answers.
    """
    answer = await world.http.get(url)
    try:
        return Switch(**json.loads(answer.text), version=answer.headers["etag"])
    except (ValueError, TypeError, KeyError):
        what = f"{url} answered {answer.status}, and not with a release."
        raise PermanentError(what, "Look at the address in rollback.yml.") from None


class SwitchRelease:
    """Chooses a release; the address showing it is the end state."""

    name = "switch-release"

    async def observe(self, step: Step, world: World) -> Observed:
        """By the live release alone."""
        params = SwitchParams.model_validate(step.action.params)
        live = (await read(params.url, world)).live
        states = {params.new: StepState.AFTER, params.old: StepState.BEFORE}
        return Observed(state=states.get(live, StepState.OTHER), summary=f"{live} is live.")

    async def act(self, step: Step, world: World) -> None:
        """Choose, provided that nobody has chosen since. Raises WorldMovedError otherwise."""
        params = SwitchParams.model_validate(step.action.params)
        switch = await read(params.url, world)
        if switch.live != params.old:
            raise WorldMovedError(f"{switch.live} is live, not {params.old}.", "Plan again.")
        answer = await world.http.request(
            "PUT", params.url, headers={"If-Match": switch.version}, json={"live": params.new}
        )
        if answer.status == 412:
            raise WorldMovedError("Somebody else chose a release just now.", "Plan again.")
        if answer.status >= 500:
            raise TemporaryError(f"{params.url} answered {answer.status}.")
        if answer.status >= 300:
            what = f"{params.url} refused the change ({answer.status})."
            raise PermanentError(what, "Choose the release there by hand.")

    async def confirm(self, step: Step, world: World) -> str:
        """The address decides at once: there is nothing to wait for."""
        observed = await self.observe(step, world)
        if observed.state is not StepState.AFTER:
            raise PermanentError(observed.summary, "Plan again.")
        return observed.summary


class ReleaseSwitch(Strategy):
    """Goes back to a release that the address has had before."""

    name = "release-switch"
    settings = ReleaseSwitchTarget
    steps: tuple[StepKind, ...] = (SwitchRelease(),)
    cost = 20

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """What the address says."""
        switch = await read(_url(service), world)
        return Observation(
            live_release=switch.live,
            candidates=_candidates(switch),
            summary=f"{switch.live} is live.",
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
        """One step: choose the target."""
        url = _url(service)
        switch = await read(url, world)
        found = rated(_candidates(switch), marked_bad=marked_bad, known_good=known_good)
        choice = choose(
            [Option(candidate=one, aliases=frozenset()) for one in found],
            live=switch.live,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        release = choice.option.candidate.release
        return Plan(
            service=name,
            strategy=self.name,
            from_release=switch.live,
            to_release=release,
            steps=(_step(url, old=switch.live, new=release),),
            preflights=(choice.preflight,),
            candidates=found,
            observed={"live": switch.live},
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The machines are not ours to ask."""
        return ()

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """Nothing is lost by the switch."""
        return ()


def _url(service: ServiceEntry) -> str:
    return str(service.target(ReleaseSwitchTarget).url)


def _candidates(switch: Switch) -> tuple[Candidate, ...]:
    return tuple(Candidate(release=one, detail="served before") for one in switch.previous)


def _step(url: str, *, old: str, new: str) -> Step:
    def spec(before: str, after: str) -> StepSpec:
        params = SwitchParams(url=url, old=before, new=after).model_dump()
        return StepSpec(kind=SwitchRelease.name, params=params, command=_command(url, after))

    return Step(
        title=f"Choose {new}",
        action=spec(old, new),
        expects={"live": old},
        inverse=spec(new, old),
        command=_command(url, new),
        estimate_seconds=1.0,
        milestone=Milestone.SWITCHED,
    )


def _command(url: str, release: str) -> str:
    return f"curl --fail -X PUT --json '{json.dumps({'live': release})}' '{url}'"


STRATEGY = ReleaseSwitch()
