"""Rate limits: a bucket for each method, and one for each channel that is posted to.

Slack states calls a minute and tolerates short bursts. A bucket starts full with one minute's
worth of calls and refills evenly, by the injected clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.slack.base.specs import Tier


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Calls a minute in the long run, and calls at once after a pause."""

    per_minute: float
    burst: int


TIERS: Mapping[Tier, Rate] = {
    # Tier 1 is "1+ a minute"; apps.connections.open in fact takes a handful of reconnects.
    "tier1": Rate(per_minute=1, burst=20),
    "tier2": Rate(per_minute=20, burst=20),
    "tier3": Rate(per_minute=50, burst=50),
    "tier4": Rate(per_minute=100, burst=100),
    "post": Rate(per_minute=300, burst=300),
    "special": Rate(per_minute=600, burst=600),
}
POST_PER_CHANNEL = Rate(per_minute=60, burst=5)


@dataclass
class _Bucket:
    tokens: float
    filled: float


class RateLimiter:
    """Counts calls against the published rates."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def wait(self, method: str, tier: Tier, *, channel: str) -> int:
        """0 when the call may pass (it is then counted), else whole seconds to wait."""
        keys = [((method, ""), TIERS[tier])]
        if tier == "post" and channel:
            keys.append(((method, channel), POST_PER_CHANNEL))
        waits = [self._missing(key, rate) for key, rate in keys]
        if any(waits):
            return max(1, math.ceil(max(waits)))
        for key, _rate in keys:
            self._buckets[key].tokens -= 1
        return 0

    def _missing(self, key: tuple[str, str], rate: Rate) -> float:
        """Seconds until the bucket holds one call."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(tokens=rate.burst, filled=now))
        gained = max(0.0, now - bucket.filled) * rate.per_minute / 60
        bucket.tokens = min(rate.burst, bucket.tokens + gained)
        bucket.filled = now
        return max(0.0, (1 - bucket.tokens) * 60 / rate.per_minute)
