"""The steps of a blue-green rollback on an Application Load Balancer."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from bot.domain.plan import Milestone, Step, StepSpec
from bot.domain.values import Value
from strategies.planning.elbv2.actions import Action, Forward, comparable, with_forward, writable
from strategies.planning.elbv2.groups import Balancing, Group
from strategies.planning.elbv2.place import aws_cli, dimension
from strategies.steps.elbv2_await_drain import Elbv2AwaitDrain, Elbv2AwaitDrainParams
from strategies.steps.elbv2_await_healthy import Elbv2AwaitHealthy, Elbv2AwaitHealthyParams
from strategies.steps.elbv2_forward import Elbv2Forward, Elbv2ForwardParams

_ARRIVAL_SECONDS = 60.0
"""Patience for the load balancer's nodes to follow the change; it normally takes seconds."""
_HEALTH_MARGIN_SECONDS = 60.0
_HEALTH_READING_SECONDS = 5.0
_DRAIN_READING_SECONDS = 15.0
_USUAL_DRAIN_SECONDS = 180.0
"""A whole minute after the switch, and the time until CloudWatch shows it."""
_HEAVIEST = 999
"""ELBv2's greatest weight."""
_BRIEFLY = 1
"""The shortest stickiness that AWS accepts, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Elbv2Change:
    """From the live group to another one, and the steps that lead there."""

    service: ServiceEntry
    balancing: Balancing
    group: Group

    @property
    def live(self) -> Group:
        """The group that is left."""
        return self.balancing.live

    @property
    def needed(self) -> int:
        """Healthy targets that the group must have: as many as the live one, at least one."""
        return max(1, self.live.healthy)

    @property
    def alone(self) -> bool:
        """Whether the group must end up as the rule's only one.

        AWS refuses several groups without group stickiness where one of them keeps clients at
        their target by a cookie.
        """
        mine = {*self.balancing.forward.weights, self.group.arn}
        return any(one.sticky_targets for one in self.balancing.groups if one.arn in mine)

    @property
    def attached(self) -> list[Action]:
        """The actions with the group at weight 0, where it is health-checked."""
        if self.group.attached:
            return writable(self.balancing.actions)
        forward = self.balancing.forward
        sticky = forward.sticky_seconds or (_BRIEFLY if self.alone else None)
        return with_forward(
            self.balancing.actions,
            Forward(weights={**forward.weights, self.group.arn: 0}, sticky_seconds=sticky),
        )

    @property
    def switched(self) -> list[Action]:
        """The actions with the group getting everything, and nobody sticking to another one."""
        weights = self.balancing.forward.weights
        everything = min(_HEAVIEST, sum(weights.values()))
        others = {} if self.alone else dict.fromkeys(weights, 0)
        return with_forward(
            self.balancing.actions, Forward(weights={**others, self.group.arn: everything})
        )

    def steps(self) -> tuple[Step, ...]:
        """In order."""
        attach = () if self.group.attached else (self._attach_step(),)
        return (*attach, self._healthy_step(), self._switch_step(), self._drain_step())

    def _attach_step(self) -> Step:
        return self._forward_step(
            title=f"Attach {self.group.detail} with weight 0, so that its health is checked",
            old=writable(self.balancing.actions),
            new=self.attached,
            later=(self.switched,),
            estimate=2.0,
        )

    def _switch_step(self) -> Step:
        return self._forward_step(
            title=f"Send all requests to {self.group.detail}: {self.group.release}",
            old=self.attached,
            new=self.switched,
            undone=() if self.group.attached else (writable(self.balancing.actions),),
            estimate=5.0,
            url=self._version_url(),
            milestone=Milestone.SWITCHED,
        )

    def _forward_step(
        self,
        *,
        title: str,
        old: list[Action],
        new: list[Action],
        estimate: float,
        later: tuple[list[Action], ...] = (),
        undone: tuple[list[Action], ...] = (),
        url: str = "",
        milestone: Milestone | None = None,
    ) -> Step:
        params = Elbv2ForwardParams(
            place=self.balancing.place,
            old=old,
            new=new,
            later=later,
            names={one.arn: one.colour for one in self.balancing.groups},
            release=self.group.release,
            url=url,
            patience_seconds=_ARRIVAL_SECONDS,
        )
        inverse = params.model_copy(
            update={
                "old": new,
                "new": old,
                "later": undone,
                "release": self.live.release,
            }
        )
        return Step(
            title=title,
            action=_spec(Elbv2Forward.name, params),
            expects={"actions": comparable(old)},
            inverse=_spec(Elbv2Forward.name, inverse, self.balancing.place.command(old)),
            command=self.balancing.place.command(new),
            estimate_seconds=estimate,
            milestone=milestone,
        )

    def _healthy_step(self) -> Step:
        check = self.group.description
        once = float(check.get("HealthCheckIntervalSeconds") or 30)
        rounds = int(check.get("HealthyThresholdCount") or 5)
        params = Elbv2AwaitHealthyParams(
            region=self.balancing.place.region,
            group_arn=self.group.arn,
            colour=self.group.colour,
            needed=self.needed,
            patience_seconds=once * rounds + _HEALTH_MARGIN_SECONDS,
            interval_seconds=min(_HEALTH_READING_SECONDS, once),
        )
        ready = self.group.attached and self.group.healthy >= self.needed
        return Step(
            title=f"Wait until {self.group.colour} has {self.needed} healthy targets",
            action=_spec(Elbv2AwaitHealthy.name, params),
            expects={"healthy": self.needed},
            inverse=None,
            command=aws_cli(
                params.region,
                "elbv2",
                "wait",
                "target-in-service",
                "--target-group-arn",
                params.group_arn,
            ),
            estimate_seconds=1.0 if ready else once,
            changes=False,
        )

    def _drain_step(self) -> Step:
        timeout = self.balancing.target.drain_timeout.total_seconds()
        params = Elbv2AwaitDrainParams(
            region=self.balancing.place.region,
            group_arn=self.live.arn,
            colour=self.live.colour,
            old=dimension(self.live.arn),
            new=dimension(self.group.arn),
            load_balancer=dimension(self.balancing.load_balancer["LoadBalancerArn"]),
            timeout_seconds=timeout,
            interval_seconds=min(_DRAIN_READING_SECONDS, timeout),
        )
        return Step(
            title=f"Wait until {self.live.colour} ({self.live.release}) gets no more requests",
            action=_spec(Elbv2AwaitDrain.name, params),
            expects={"group": self.live.arn},
            inverse=None,
            command=_drain_command(params),
            estimate_seconds=min(_USUAL_DRAIN_SECONDS, timeout),
            changes=False,
            milestone=Milestone.DRAINED,
        )

    def _version_url(self) -> str:
        url, path = self.service.url, self.service.version_path
        return f"{str(url).rstrip('/')}/{path.lstrip('/')}" if url and path else ""


def _drain_command(params: Elbv2AwaitDrainParams) -> str:
    """Wait for a whole minute and CloudWatch, then show the last minutes (GNU date)."""
    call = aws_cli(
        params.region,
        "cloudwatch",
        "get-metric-statistics",
        "--namespace",
        "AWS/ApplicationELB",
        "--metric-name",
        "RequestCountPerTarget",
        "--statistics",
        "Sum",
        "--period",
        60,
        "--dimensions",
        f"Name=TargetGroup,Value={params.old}",
        f"Name=LoadBalancer,Value={params.load_balancer}",
    )
    wait = min(_USUAL_DRAIN_SECONDS, params.timeout_seconds)
    span = (
        "--start-time \"$(date -u -d '3 minutes ago' +%Y-%m-%dT%H:%M:00Z)\" "
        '--end-time "$(date -u +%Y-%m-%dT%H:%M:00Z)"'
    )
    return f"sleep {wait:g}; {call} {span}"


def _spec(kind: str, params: Value, command: str = "") -> StepSpec:
    return StepSpec(kind=kind, params=params.model_dump(mode="json"), command=command)
