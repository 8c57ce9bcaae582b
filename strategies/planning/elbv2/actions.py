"""The action list of a listener or rule: read, compared, and changed only where it forwards.

``modify_listener`` and ``modify_rule`` replace the whole list, so all other actions
(authentication, token validation) are sent back as they were.
Source: ELBv2 API reference, 2015-12-01, Action and ForwardActionConfig.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeAlias

from bot.domain.values import Value
from bot.errors import ConfigurationError

Action: TypeAlias = dict[str, Any]

_UNWRITTEN = ("ClientSecret", "UseExistingClientSecret")
"""AWS never shows the secret, and the flag is no state: it says how to write."""


class Forward(Value):
    """Where requests go."""

    weights: dict[str, int]
    """Target group's ARN → weight; a group with weight 0 is health-checked but gets nothing."""
    sticky_seconds: int | None = None
    """Clients stay with the group that they met first for so long, whatever the weights say."""

    @property
    def serving(self) -> tuple[str, ...]:
        """Groups that get requests, the one with the most first."""
        shares = [(weight, arn) for arn, weight in self.weights.items() if weight > 0]
        return tuple(arn for _, arn in sorted(shares, key=lambda share: -share[0]))


def forward_of(actions: Sequence[Action]) -> Forward:
    """The forward action; raises ConfigurationError when requests are not forwarded at all."""
    for action in actions:
        if action["Type"] == "forward":
            return _forward(action)
    kinds = ", ".join(action["Type"] for action in actions) or "nothing"
    raise ConfigurationError(
        f"The listener or rule does not forward requests (it does: {kinds}).",
        "Name in rollback.yml the listener or rule that forwards the service's requests.",
    )


def writable(actions: Sequence[Action]) -> list[Action]:
    """The list as it can be sent back; secrets are left out, and kept by AWS itself."""
    kept = copy.deepcopy(list(actions))
    for action in kept:
        oidc = action.get("AuthenticateOidcConfig")
        if oidc is not None:
            oidc.pop("ClientSecret", None)
            oidc["UseExistingClientSecret"] = True
        if action["Type"] == "forward" and len(_forward(action).weights) > 1:
            action.pop("TargetGroupArn", None)
    return kept


def with_forward(actions: Sequence[Action], forward: Forward) -> list[Action]:
    """The same list with another forward action at the same place."""
    return [
        _forwarding(action, forward) if action["Type"] == "forward" else action
        for action in writable(actions)
    ]


def same(one: Sequence[Action], other: Sequence[Action]) -> bool:
    """Whether both lists do the same, however they are written."""
    return comparable(one) == comparable(other)


def comparable(actions: Sequence[Action]) -> list[Action]:
    """One way to write a list: in order, weights spelled out, without what AWS does not show."""
    ordered = sorted(actions, key=lambda action: action.get("Order") or 0)
    return [_comparable(action) for action in ordered]


def other_kinds(actions: Sequence[Action]) -> list[str]:
    """Types of the actions that must stay as they are."""
    return [action["Type"] for action in actions if action["Type"] != "forward"]


def _forward(action: Action) -> Forward:
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    stickiness = config.get("TargetGroupStickinessConfig") or {}
    return Forward(
        weights={group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups},
        sticky_seconds=int(stickiness["DurationSeconds"]) if stickiness.get("Enabled") else None,
    )


def _forwarding(action: Action, forward: Forward) -> Action:
    stickiness: dict[str, Any] = {"Enabled": forward.sticky_seconds is not None}
    if forward.sticky_seconds is not None:
        stickiness["DurationSeconds"] = forward.sticky_seconds
    order = {"Order": action["Order"]} if "Order" in action else {}
    return {
        "Type": "forward",
        **order,
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": arn, "Weight": weight} for arn, weight in forward.weights.items()
            ],
            "TargetGroupStickinessConfig": stickiness,
        },
    }


def _comparable(action: Action) -> Action:
    rest = {key: value for key, value in action.items() if key != "Order"}
    if action["Type"] == "forward":
        forward = _forward(action)
        alone = len(forward.weights) == 1 and forward.serving
        weights = dict.fromkeys(forward.weights, 1) if alone else forward.weights
        return {"Type": "forward", "weights": weights, "sticky": forward.sticky_seconds}
    if "AuthenticateOidcConfig" in rest:
        oidc = rest["AuthenticateOidcConfig"]
        rest["AuthenticateOidcConfig"] = {k: v for k, v in oidc.items() if k not in _UNWRITTEN}
    return rest
