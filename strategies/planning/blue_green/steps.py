"""The steps of a blue-green rollback."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.config.targets.blue_green import BlueGreenTarget
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Value
from bot.errors import PermanentError
from bot.ports.cluster import Manifest
from strategies.addresses import version_url
from strategies.commands import json_patch
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.gitops import GitOpsGuard
from strategies.kubernetes.pod_steps import ready_step
from strategies.planning.blue_green.colours import Colour, Colours
from strategies.steps.switch_service import (
    SwitchService,
    SwitchServiceParams,
    switch_operations,
)

_ARRIVAL_SECONDS = 60.0
"""Patience for endpoints and proxies to follow the selector."""


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
        return ready_step(
            self.target.namespace,
            title=f"Check that {self.colour.name} ({self.colour.release}) is ready",
            live=self.colours.selector,
            target=self.colour.selector,
            name=self.colour.name,
            expects={"selector": dict(self.colours.selector)},
        )

    def _switch_step(self) -> Step:
        params = SwitchServiceParams(
            namespace=self.target.namespace,
            service=self.target.service,
            old=self.colours.selector,
            new=self.colour.selector,
            release=self.colour.release,
            url=version_url(self.service),
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
        return drain_step(
            self.service,
            self.target.namespace,
            labels=self.colours.selector,
            name=self.colours.live.name,
            release=self.colours.live.release,
            timeout=self.target.drain_timeout.total_seconds(),
            expects={"selector": dict(self.colour.selector)},
        )


def _spec(kind: str, params: Value) -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"))
