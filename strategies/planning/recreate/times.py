"""How long the parts of a recreation take, in seconds."""

from __future__ import annotations

from strategies.planning.recreate.change import RecreateChange
from strategies.planning.rolling.estimates import grace_seconds, rollout_seconds


def end_seconds(change: RecreateChange) -> float:
    """How long the old pods may take to end."""
    return grace_seconds(change.deployment["spec"]["template"])


def start_seconds(change: RecreateChange) -> float:
    """How long the new pods take: all of them start together."""
    recreated = {**change.deployment["spec"], "strategy": {"type": "Recreate"}}
    together = rollout_seconds(
        {**change.deployment, "spec": recreated}, change.outcome.template
    ) - grace_seconds(change.outcome.template)
    return max(1.0, together)


def downtime_seconds(change: RecreateChange) -> float:
    """How long nobody is served, as far as one can tell before."""
    return end_seconds(change) + start_seconds(change)
