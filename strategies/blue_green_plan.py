"""The steps and preflights of a blue-green rollback, for a colour that has been chosen."""

from __future__ import annotations

import asyncio
import re
import shlex
from dataclasses import dataclass
from datetime import datetime

from bot.config.catalog import BlueGreenTarget, ServiceEntry
from bot.domain.plan import Candidate, Milestone, Plan, Preflight, Step, StepSpec
from bot.domain.values import Value
from bot.domain.workloads import selector_text
from bot.errors import PermanentError
from bot.ports.cluster import DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, Manifest
from bot.ports.world import World
from strategies.colours import Colour, Colours
from strategies.commands import for_each_pod, json_patch, kubectl
from strategies.preflights.capacity import check_capacity, check_selector, check_target_rollout
from strategies.preflights.configuration import NAME as REFERENCES
from strategies.preflights.configuration import check_references
from strategies.preflights.dry_run import check_patch
from strategies.preflights.gitops import check_gitops
from strategies.preflights.rights import POD_PROXY, Right, check_rights
from strategies.preflights.scaling import AUTOSCALER, BUDGET, check_autoscaler, check_budget
from strategies.preflights.verdicts import or_unknown
from strategies.probing import RequestCounter
from strategies.steps.await_drain import AwaitDrain, AwaitDrainParams
from strategies.steps.check_ready import CheckReady, CheckReadyParams
from strategies.steps.switch_service import (
    SwitchService,
    SwitchServiceParams,
    switch_operations,
)

_READY_SECONDS = 30.0
"""Patience for a target that was ready when the plan was made."""
_ARRIVAL_SECONDS = 60.0
"""Patience for endpoints and proxies to follow the selector."""
_READING_SECONDS = 1.0
_USUAL_DRAIN_SECONDS = 10.0
_RIGHTS = (
    Right(verb="get", kind=SERVICES),
    Right(verb="patch", kind=SERVICES),
    Right(verb="watch", kind=SERVICES),
    Right(verb="get", kind=DEPLOYMENTS),
    Right(verb="watch", kind=ENDPOINT_SLICES),
    Right(verb="watch", kind=PODS),
)


@dataclass(frozen=True, kw_only=True)
class BlueGreenPlan:
    """From the live colour to another one."""

    name: str
    service: ServiceEntry
    colours: Colours
    colour: Colour

    @property
    def target(self) -> BlueGreenTarget:
        """The catalog's entry."""
        return self.colours.target

    @property
    def deployment(self) -> Manifest:
        """The Deployment of the chosen colour."""
        if self.colour.deployment is None:
            raise PermanentError(f"Deployment {self.colour.deployment_name} does not exist.")
        return self.colour.deployment

    async def preflights(self, world: World) -> tuple[Preflight, ...]:
        """Everything that can be known before."""
        cluster, namespace = world.cluster, self.target.namespace
        proxy = (Right(verb="get", kind=POD_PROXY),) if self.service.metrics else ()
        checks = await asyncio.gather(
            check_rights(cluster, namespace, (*_RIGHTS, *proxy)),
            or_unknown(
                REFERENCES,
                check_references(cluster, namespace, self.deployment["spec"]["template"]),
            ),
            or_unknown(AUTOSCALER, check_autoscaler(cluster, namespace, self.deployment)),
            or_unknown(BUDGET, check_budget(cluster, namespace, self.deployment)),
            check_gitops(cluster, self.colours.service, f"Service {self.target.service}"),
            check_patch(cluster, SERVICES, namespace, self.target.service, self._operations()),
        )
        return (
            check_capacity(self.colours.live, self.colour),
            check_target_rollout(self.colour, self.service.version_label),
            check_selector(self.colour, self.colours.live),
            *checks,
        )

    def build(
        self,
        *,
        preflights: tuple[Preflight, ...],
        candidates: tuple[Candidate, ...],
        observed_at: datetime,
    ) -> Plan:
        """The whole plan."""
        live = self.colours.live
        return Plan(
            service=self.name,
            strategy="blue-green",
            from_release=live.release,
            to_release=self.colour.release,
            steps=(self._ready_step(), self._switch_step(), self._drain_step()),
            preflights=preflights,
            not_restored=(
                f"the pods of {live.detail}: they keep running without traffic, for debugging",
                "the number of replicas of either colour",
                "the content of ConfigMaps",
                "the content of Secrets",
            ),
            candidates=candidates,
            observed={
                "service": f"{self.target.namespace}/{self.target.service}",
                "selector": dict(self.colours.selector),
                "live": live.name,
                "target": self.colour.name,
            },
            observed_at=observed_at,
        )

    def _operations(self) -> list[Manifest]:
        return switch_operations(self.colours.selector, self.colour.selector)

    def _ready_step(self) -> Step:
        labels = selector_text(self.colour.selector)
        params = CheckReadyParams(
            namespace=self.target.namespace,
            live=self.colours.selector,
            target=self.colour.selector,
            colour=self.colour.name,
            patience_seconds=_READY_SECONDS,
        )
        return Step(
            title=f"Check that {self.colour.name} ({self.colour.release}) is ready",
            action=_spec(CheckReady.name, params),
            expects={"selector": dict(self.colours.selector)},
            inverse=None,
            command=kubectl(
                self.target.namespace,
                "wait",
                "--for=condition=Ready",
                "pod",
                "-l",
                labels,
                f"--timeout={_READY_SECONDS:.0f}s",
            ),
            estimate_seconds=1.0,
            changes=False,
        )

    def _switch_step(self) -> Step:
        params = SwitchServiceParams(
            namespace=self.target.namespace,
            service=self.target.service,
            old=self.colours.selector,
            new=self.colour.selector,
            release=self.colour.release,
            url=self._version_url(),
            patience_seconds=_ARRIVAL_SECONDS,
        )
        inverse = params.model_copy(
            update={"old": params.new, "new": params.old, "release": self.colours.live.release}
        )
        return Step(
            title=f"Switch Service {self.target.service} to {self.colour.name} "
            f"({self.colour.release})",
            action=_spec(SwitchService.name, params),
            expects={"selector": dict(self.colours.selector)},
            inverse=_spec(SwitchService.name, inverse),
            command=json_patch(
                self.target.namespace, "service", self.target.service, self._operations()
            ),
            estimate_seconds=3.0,
            milestone=Milestone.SWITCHED,
        )

    def _drain_step(self) -> Step:
        timeout = self.target.drain_timeout.total_seconds()
        metrics = self.service.metrics
        counter = metrics and RequestCounter(
            port=metrics.port, path=metrics.path, name=metrics.requests, where=metrics.where
        )
        params = AwaitDrainParams(
            namespace=self.target.namespace,
            selector=self.colours.selector,
            colour=self.colours.live.name,
            counter=counter,
            timeout_seconds=timeout,
            interval_seconds=min(_READING_SECONDS, timeout / 10),
        )
        return Step(
            title=f"Wait until {self.colours.live.name} ({self.colours.live.release}) serves no "
            "more requests",
            action=_spec(AwaitDrain.name, params),
            expects={"selector": dict(self.colour.selector)},
            inverse=None,
            command=_drain_command(params),
            estimate_seconds=min(_USUAL_DRAIN_SECONDS, timeout) if counter else timeout,
            changes=False,
            milestone=Milestone.DRAINED,
        )

    def _version_url(self) -> str:
        url, path = self.service.url, self.service.version_path
        return f"{str(url).rstrip('/')}/{path.lstrip('/')}" if url and path else ""


def _drain_command(params: AwaitDrainParams) -> str:
    """The same readings in shell: until the counters stand still, or the time is over."""
    if params.counter is None:
        return f"sleep {params.timeout_seconds:g}"
    counter = params.counter
    ask = for_each_pod(params.namespace, selector_text(params.selector), counter.port, counter.path)
    filters = [f"grep -E {shlex.quote('^' + re.escape(counter.name) + '[ {]')}"]
    filters += [
        f"grep -F {shlex.quote(f'{key}={chr(34)}{value}{chr(34)}')}"
        for key, value in sorted(counter.where.items())
    ]
    script = (
        f"before=none; while now=$({ask} | {' | '.join(filters)}); "
        f'[ "$now" != "$before" ]; do before=$now; sleep {3 * params.interval_seconds:g}; done'
    )
    timeout = f"timeout {params.timeout_seconds:g} sh -c {shlex.quote(script)}"
    return f"{timeout} || echo 'still serving requests'"


def _spec(kind: str, params: Value) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
