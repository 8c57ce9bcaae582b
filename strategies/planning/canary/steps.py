"""The steps that take a canary of two Deployments out of service."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.revisions import bare_template
from bot.domain.values import Value, amount
from bot.domain.workloads import selector_text
from strategies.addresses import version_url
from strategies.commands import json_patch, kubectl
from strategies.kubernetes.drains import drain_step
from strategies.kubernetes.fields import guarded, with_fields
from strategies.kubernetes.pod_steps import end_patience, gone_step, ready_step
from strategies.kubernetes.scaler_steps import pause_step
from strategies.planning.canary.pair import Pair
from strategies.planning.canary.traffic import Traffic
from strategies.planning.rolling.estimates import grace_seconds
from strategies.steps.rollout import RolloutParams
from strategies.steps.scale import Scale, ScaleParams
from strategies.steps.set_fields import SetFields, SetFieldsParams

_ARRIVAL_SECONDS = 60.0
"""Patience for gateways and proxies to follow."""


@dataclass(frozen=True, kw_only=True)
class CanarySteps:
    """Stable ready, weight 0, drained, scaler paused, scaled to 0: always in this order."""

    service: ServiceEntry
    pair: Pair

    def all(self) -> tuple[Step, ...]:
        """In order; a step that has nothing to do is left out."""
        pair = self.pair
        scaler = pair.canary.scalers.scaled_object
        pause = (pause_step(self._namespace, scaler),) if scaler and not scaler.paused else ()
        if pair.traffic is None:
            return (self.ready_step(), *pause, self._down_step(), self.gone_step())
        weight = (self._weight_step(pair.traffic),) if pair.traffic.fields else ()
        drain = drain_step(
            self.service,
            self._namespace,
            labels=pair.canary.labels,
            name=pair.canary.name,
            release=pair.canary.release,
            timeout=pair.target.drain_timeout.total_seconds(),
        )
        return (self.ready_step(), *weight, drain, *pause, self._down_step())

    @property
    def _namespace(self) -> str:
        return self.pair.target.namespace

    def ready_step(self) -> Step:
        """The stable side can carry all traffic."""
        stable, needed = self.pair.stable, self.pair.needed
        return ready_step(
            self._namespace,
            title=f"Check that {stable.name} ({stable.release}) has {amount(needed, 'ready pod')} "
            "for all traffic",
            live=self.pair.canary.labels,
            target=stable.labels,
            name=stable.name,
            expects={"ready": needed},
            at_least=needed,
        )

    def _weight_step(self, traffic: Traffic) -> Step:
        params = SetFieldsParams(
            namespace=self._namespace,
            kind=traffic.kind,
            name=traffic.name,
            what=traffic.what,
            fields=traffic.fields,
            done=f"{traffic.what} sends nothing to {self.pair.canary.release} any more.",
            accepted=traffic.accepted,
            release=self.pair.stable.release,
            url=version_url(self.service),
            patience_seconds=_ARRIVAL_SECONDS,
        )
        back = tuple(one.undone for one in traffic.fields)
        inverse = params.model_copy(
            update={
                "fields": back,
                "done": f"{traffic.what} splits the traffic as before.",
                "release": "",
                "url": "",
            }
        )
        also = f", and the canary's {traffic.always}" if traffic.always else ""
        resource = f"{traffic.kind.plural}.{traffic.kind.api_version.partition('/')[0]}"
        changed = with_fields(traffic.manifest, traffic.fields)
        return Step(
            title=f"Give the canary 0 % instead of {traffic.share:.0%} in {traffic.what}{also}",
            action=_spec(SetFields.name, params),
            expects={".".join(one.path): one.old for one in traffic.fields},
            inverse=_spec(
                SetFields.name,
                inverse,
                json_patch(self._namespace, resource, traffic.name, guarded(changed, back)),
            ),
            command=json_patch(
                self._namespace,
                resource,
                traffic.name,
                guarded(traffic.manifest, traffic.fields),
            ),
            estimate_seconds=3.0,
            milestone=Milestone.SWITCHED,
        )

    @property
    def _canary_pods(self) -> RolloutParams:
        side = self.pair.canary
        return RolloutParams(
            namespace=self._namespace,
            workload=side.name,
            template=bare_template(side.deployment["spec"]["template"]),
            release=side.release,
        )

    @property
    def _grace(self) -> float:
        return grace_seconds(self.pair.canary.deployment["spec"]["template"])

    def _scale(self, old: int, new: int, **more: object) -> StepSpec:
        side = self.pair.canary
        params = ScaleParams.model_validate(
            {
                **self._canary_pods.model_dump(),
                "recorded": old,
                "replicas": new,
                "exact": side.scalers.owner is None,
                "patience_seconds": end_patience(self._grace),
                **more,
            }
        )
        command = kubectl(self._namespace, "scale", f"deployment/{side.name}", f"--replicas={new}")
        return _spec(Scale.name, params, command)

    def _down_step(self) -> Step:
        side, replicas_are_weight = self.pair.canary, self.pair.traffic is None
        down = self._scale(side.replicas, 0, empty=not replicas_are_weight)
        return Step(
            title=f"Scale Deployment {side.name} ({side.release}) down from {side.replicas} to 0",
            action=down.model_copy(update={"command": ""}),
            expects={"replicas": side.replicas},
            inverse=self._scale(0, side.replicas, ready=True),
            command=down.command,
            estimate_seconds=2.0,
            milestone=Milestone.SWITCHED if replicas_are_weight else None,
        )

    def gone_step(self) -> Step:
        """The canary has no pod any more."""
        return gone_step(
            self._canary_pods,
            labels=selector_text(self.pair.canary.labels),
            grace=self._grace,
            milestone=Milestone.DRAINED,
        )


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
