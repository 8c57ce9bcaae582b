"""After a proven recovery: has the service got worse again?"""

from __future__ import annotations

from collections.abc import Sequence

from bot.judge.bounds import exact_bounds
from bot.judge.counts import Baseline, Bucket, Judgement, JudgePolicy, RecoveryVerdict, error_limit

_RISK = 0.05
"""Of a false alarm over the whole watch, for a service exactly at the limit."""


def relapsed(
    baseline: Baseline, window: Sequence[Bucket], policy: JudgePolicy, *, looks: int
) -> Judgement | None:
    """The judgement of a relapse; None without one.

    It takes proof, like a failed recovery: the lower bound over the window lies above the limit,
    and the newest interval is still above it, so that a burst which is over reopens nothing. Thin
    traffic is no relapse. The service is looked at ``looks`` times, and each look gets its share
    of the risk: otherwise an hour of looks at five per cent each would surely be wrong once.
    """
    requests = sum(bucket.requests for bucket in window)
    errors = sum(bucket.errors for bucket in window)
    limit = error_limit(baseline.error_rate or 0.0, policy)
    newest = window[-1].error_rate if window else None
    if newest is None or newest <= limit or baseline.error_rate is None:
        return None
    lower, upper = exact_bounds(errors, requests, 1 - _RISK / max(1, looks))
    if lower <= limit:
        return None
    reason = (
        f"{errors} of {requests} requests failed since {window[0].start:%H:%M:%S} UTC: the error "
        f"rate is at least {lower:.2%} again, above the limit of {limit:.2%}"
    )
    return Judgement(
        verdict=RecoveryVerdict.NOT_RECOVERED,
        reasons=(reason,),
        requests=requests,
        errors=errors,
        limit=limit,
        lower=lower,
        upper=upper,
    )
