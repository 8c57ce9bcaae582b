"""Feature flag: the release stays, its bad feature goes off at the service that keeps the flag."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.catalog.service import ServiceEntry
from bot.clouds.kubernetes.objects import PODS, Manifest
from bot.clouds.kubernetes.workloads import is_finished, is_terminating
from bot.core.errors import RefusedError
from bot.core.values import Value
from bot.engine.world import Evidence, Instance, Observation, Strategy, World
from bot.incident.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from strategies.common.choice import Option, choose, rated
from strategies.common.preflights import passed, warned
from strategies.feature_flag.service import Flag, FlagService, ask, flag_service, probe_url
from strategies.feature_flag.steps import (
    AwaitFlag,
    CheckFeature,
    CheckFeatureParams,
    FlagParams,
    SwitchFlag,
    SwitchFlagParams,
)
from strategies.feature_flag.target import FeatureFlagTarget, FlagTarget
from strategies.kubernetes import evidence

# The plan of a feature flag rollback: its steps, its preflights, and what must be said before.

_SWITCH_SECONDS = 2.0
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class FlagChange:
    """From a flag that is on to the same flag off."""

    entry: ServiceEntry
    target: FlagTarget
    service: FlagService
    flag: Flag

    @property
    def url(self) -> str:
        """Where the service answers; empty when the catalog does not say."""
        return str(self.entry.url) if self.entry.url else ""

    @property
    def from_release(self) -> str:
        """The release with the feature, for people."""
        return f"{self.target.flag} on"

    @property
    def to_release(self) -> str:
        """The release without the feature, for people."""
        return f"{self.target.flag} off"

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """What the service of the flags tells, and whether the effect can be seen."""
        return (
            passed("Flag", f"{self.target.flag} is {self.flag.summary} in {self.service.place}."),
            *await self.service.preflights(self.flag),
            await self._probe(world),
        )

    async def _probe(self, world: World) -> Preflight:
        name, probe = "Probe", self.target.probe
        if probe is None or not self.url:
            what = "probe" if probe is None else "URL of the service"
            return warned(
                name,
                f"The catalog names no {what}: the bot will see that the flag is off, but not "
                "that the feature is.",
            )
        if await ask(world, self.url, probe):
            return passed(name, f"{probe.path} shows now that the feature is on.")
        return warned(
            name,
            f"{probe.path} answers already as if the feature were off: the probe cannot tell on "
            "from off, or not everybody has the feature.",
        )

    def steps(self) -> tuple[Step, ...]:
        """Switch, wait for the instances, look."""
        return (self._switch_step(), self._await_step(), self._check_step())

    def _switch_step(self) -> Step:
        off = self.service.off(self.flag)
        params = SwitchFlagParams(
            target=self.target, wanted=off, old=self.flag.state, version=self.flag.version
        )
        inverse = params.model_copy(update={"wanted": self.flag.state, "old": off, "version": ""})
        return Step(
            title=f"Switch {self.target.flag} off in {self.service.place}",
            action=_spec(SwitchFlag.name, params),
            expects={
                "state": self.flag.state.model_dump(mode="json"),
                "version": self.flag.version,
            },
            inverse=_spec(
                SwitchFlag.name, inverse, self.service.command(self.flag, self.flag.state)
            ),
            command=self.service.command(self.flag, off),
            estimate_seconds=_SWITCH_SECONDS,
        )

    def _await_step(self) -> Step:
        seconds = self.target.refresh.total_seconds()
        params = FlagParams(target=self.target, wanted=self.service.off(self.flag))
        inverse = params.model_copy(update={"wanted": self.flag.state})
        command = f"sleep {seconds:g}"
        return Step(
            title=f"Wait until every instance has read {self.target.flag} again",
            action=_spec(AwaitFlag.name, params),
            expects={"enabled": False},
            inverse=_spec(AwaitFlag.name, inverse, command),
            command=command,
            estimate_seconds=seconds,
            changes=False,
            milestone=Milestone.SWITCHED,
        )

    def _check_step(self) -> Step:
        off = self.service.off(self.flag)
        params = CheckFeatureParams(target=self.target, wanted=off, url=self.url)
        probe = self.target.probe
        observable = probe is not None and self.url
        return Step(
            title=f"See that users are served without {self.target.flag}"
            if observable
            else f"See that {self.target.flag} is still off",
            action=_spec(CheckFeature.name, params),
            expects={"enabled": False},
            inverse=None,
            command=_probe_command(self.url, self.target)
            if observable
            else self.service.read_command(),
            estimate_seconds=_PROBE_SECONDS,
            changes=False,
            milestone=Milestone.DRAINED,
        )

    def build(
        self,
        *,
        name: str,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        return Plan(
            service=name,
            strategy="feature-flag",
            from_release=self.from_release,
            to_release=self.to_release,
            version_after="",
            steps=self.steps(),
            preflights=preflights,
            not_reversible=self.service.caveats(self.flag),
            not_restored=(
                "the deployed release: the same pods go on with the feature off",
                "what users did with the feature while it was on",
            ),
            candidates=candidates,
            observed={
                "flag": self.target.flag,
                "provider": self.target.provider,
                "place": self.service.place,
                "state": self.flag.state.model_dump(mode="json"),
                "version": self.flag.version,
            },
            observed_at=observed_at,
        )


def _probe_command(url: str, target: FlagTarget) -> str:
    """As many requests, each with its status and body, for a person to compare."""
    if target.probe is None:
        return ""
    ask_once = shlex.join(["curl", "-sS", "-w", "\\n%{http_code}\\n", probe_url(url, target.probe)])
    numbers = " ".join(str(number + 1) for number in range(target.probe.times))
    return f"for n in {numbers}; do {ask_once}; done"


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(
        kind=kind, params=params.model_dump(mode="json", by_alias=True), command=command
    )


class FeatureFlag(Strategy):
    """See ``bot.engine.world.Strategy``; the releases are the flag on and the flag off."""

    name = "feature-flag"
    settings = FeatureFlagTarget
    steps = (SwitchFlag(), AwaitFlag(), CheckFeature())
    cost = 10
    moves_users = False

    async def observe(self, service: ServiceEntry, world: World) -> Observation:
        """Whether the flag is on."""
        change = await _read(service, world)
        flag, on = change.flag, change.flag.state.enabled
        return Observation(
            live_release=change.from_release if on else change.to_release,
            candidates=(_option(change).candidate,) if on else (),
            released_at=flag.changed_at,
            summary=f"{change.target.flag} is {flag.summary} in {change.service.place}.",
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
        """Switch it off, wait one refresh interval, see that users are served without it."""
        change = await _read(service, world)
        if not change.flag.state.enabled:
            raise RefusedError(
                f"Nothing to do: {change.target.flag} is off already in {change.service.place}.",
                "Look for another cause, or choose another strategy.",
            )
        option = _option(change)
        choice = choose(
            [option],
            live=change.from_release,
            target=target,
            marked_bad=marked_bad,
            known_good=known_good,
        )
        return change.build(
            name=name,
            preflights=(choice.preflight, *await change.preflights(world)),
            candidates=rated([option.candidate], marked_bad=marked_bad, known_good=known_good),
            observed_at=world.clock.now(),
        )

    async def instances(self, service: ServiceEntry, world: World) -> tuple[Instance, ...]:
        """The pods that the service's metrics are read from: a flag replaces none of them."""
        return evidence.instances(await _pods(service, world), service.version_label)

    async def evidence(
        self, service: ServiceEntry, world: World, *, release: str
    ) -> tuple[Evidence, ...]:
        """The flag as its service describes it, and what the pods say."""
        change = await _read(service, world)
        text = json.dumps(change.flag.document, indent=2, sort_keys=True, default=str)
        flag = Evidence(name="flag.json", text=text + "\n")
        if service.pod_metrics is None:
            return (flag,)
        pods = await _pods(service, world)
        kept = await evidence.collect(world, service.pod_metrics.namespace, pods=pods, objects=[])
        return (flag, *kept)


async def _read(service: ServiceEntry, world: World) -> FlagChange:
    target = service.target(FlagTarget)
    flags = flag_service(target, world)
    return FlagChange(entry=service, target=target, service=flags, flag=await flags.read())


def _option(change: FlagChange) -> Option:
    return Option(
        candidate=Candidate(release=change.to_release, detail=change.service.place),
        aliases=frozenset({"off"}),
    )


async def _pods(service: ServiceEntry, world: World) -> list[Manifest]:
    metrics = service.pod_metrics
    if metrics is None:
        return []
    found = await world.cluster.list(PODS, metrics.namespace, labels=metrics.selector)
    return [pod for pod in found if not is_finished(pod) and not is_terminating(pod)]


STRATEGY = FeatureFlag()
