"""From the live target group to another one: what the rule's actions become."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.catalog import ServiceEntry
from strategies.addresses import version_url
from strategies.planning.elbv2.actions import Action, Forward, with_forward, writable
from strategies.planning.elbv2.groups import Balancing, Group

_HEAVIEST = 999
"""ELBv2's greatest weight."""
_BRIEFLY = 1
"""The shortest stickiness that AWS accepts, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Elbv2Change:
    """The two groups, and the actions on the way."""

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

    @property
    def version_url(self) -> str:
        """Where users get the release; empty when the catalog does not say."""
        return version_url(self.service)
