"""The steps of a blue-green rollback."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets import BlueGreenTarget
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Value
from bot.domain.workloads import selector_text
from bot.errors import PermanentError
from bot.ports.cluster import Manifest
from strategies.commands import for_each_pod, json_patch, kubectl
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.probing import RequestCounter
from strategies.planning.blue_green.colours import Colour, Colours
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


@dataclass(frozen=True, kw_only=True)
class BlueGreenChange:
    """From the live colour to another one, and the steps that lead there."""

    service: ServiceEntry
    colours: Colours
    colour: Colour
    guard: GitOpsGuard

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

    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return (
            *self.guard.steps,
            self._ready_step(),
            self._switch_step(),
            self._drain_step(),
        )

    def operations(self) -> list[Manifest]:
        """The JSON Patch of the change."""
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
            inverse=_spec(SwitchService.name, inverse).model_copy(
                update={
                    "command": json_patch(
                        self.target.namespace,
                        "service",
                        self.target.service,
                        switch_operations(self.colour.selector, self.colours.selector),
                    )
                }
            ),
            command=json_patch(
                self.target.namespace, "service", self.target.service, self.operations()
            ),
            estimate_seconds=3.0,
            milestone=Milestone.SWITCHED,
        )

    def _drain_step(self) -> Step:
        timeout = self.target.drain_timeout.total_seconds()
        metrics = self.service.pod_metrics
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
