"""What the judge weighs, and why it does not prove recovery where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bot.judge.bounds import exact_bounds
from bot.judge.counts import Baseline, Bucket, Judgement, JudgePolicy, RecoveryVerdict, error_limit
from bot.judge.probes import Evidence, ProbeBucket


def thin_baseline(baseline: Baseline, seconds: float, policy: JudgePolicy | None = None) -> bool:
    """Whether normal traffic over so many seconds proves nothing, even without one error."""
    policy = policy or JudgePolicy()
    if baseline.requests < policy.minimum_baseline_requests:
        return True
    expected = int(baseline.requests_per_second * seconds)
    return exact_bounds(0, expected)[1] > error_limit(baseline.error_rate or 0.0, policy)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the judge weighs."""

    baseline: Baseline
    buckets: Sequence[Bucket]
    probes: Sequence[ProbeBucket]
    policy: JudgePolicy

    @cached_property
    def counts_probes(self) -> bool:
        """Whether probes stand in for users: only where there are never enough users."""
        seconds = sum(bucket.seconds for bucket in self.buckets)
        return bool(self.probes) and thin_baseline(self.baseline, seconds, self.policy)

    @property
    def knows_normal(self) -> bool:
        """Whether the baseline tells what is normal."""
        return self.baseline.requests >= self.policy.minimum_baseline_requests

    @property
    def limit(self) -> float:
        """The strictest limit where what is normal is not known but probes can show the rate."""
        known = self.knows_normal or not self.counts_probes
        return error_limit((self.baseline.error_rate or 0.0) if known else 0.0, self.policy)

    def over(self, buckets: Sequence[Bucket]) -> Evidence:
        """The evidence of these buckets."""
        return evidence_of(buckets, self.probes)

    def counted(self, evidence: Evidence) -> tuple[int, int]:
        """Errors and requests that a recovery is proven from."""
        return evidence.doubtful if self.counts_probes else evidence.users_doubtful

    def within(self, bucket: Bucket) -> tuple[int, int]:
        """Errors and requests of one bucket.

        Without telling probes from users where users decide: a probe at its edge may have been
        counted in the next one.
        """
        if self.counts_probes:
            return self.over([bucket]).doubtful
        return bucket.errors, bucket.requests


def evidence_of(buckets: Sequence[Bucket], probes: Sequence[ProbeBucket]) -> Evidence:
    """What was counted in these buckets, with the probes of the same time."""
    return Evidence.of(
        sum(bucket.requests for bucket in buckets),
        sum(bucket.errors for bucket in buckets),
        [probe for probe in probes if any(bucket.holds(probe.start) for bucket in buckets)],
    )


def inconclusive_because(case: Case, limit: float, upper: float) -> list[str]:
    """Why the evidence does not prove recovery; empty when it does."""
    doubts = []
    policy, buckets = case.policy, case.buckets
    if not case.knows_normal and not case.counts_probes:
        doubts.append(
            f"{case.baseline.requests:,} requests before the release are too few to tell what is "
            "normal"
        )
    measured = sum(1 for bucket in buckets if case.within(bucket)[1])
    if measured < policy.minimum_buckets:
        doubts.append(
            f"only {measured} of {policy.minimum_buckets} intervals were measured completely"
        )
    thin = _thin_traffic(case)
    if thin:
        doubts.append(thin)
    elif upper > limit:
        doubts.append(f"the error rate may still be {upper:.2%}, above the limit of {limit:.2%}")
    for bucket in buckets[-policy.last_buckets :]:
        errors, requests = case.within(bucket)
        if not requests:
            doubts.append(f"nothing was measured in the interval from {bucket.start:%H:%M:%S} UTC")
        elif errors / requests > limit:
            rate = errors / requests
            doubts.append(f"the interval from {bucket.start:%H:%M:%S} UTC had {rate:.2%} errors")
    users = case.over(buckets)
    if case.counts_probes and users.users_errors > limit * users.users:
        doubts.append(
            f"{users.users_errors:,} of {users.users:,} requests of users failed, whatever the "
            "synthetic probes say"
        )
    return doubts


def _thin_traffic(case: Case) -> str | None:
    """What is missing where there were too few requests, overall or lately.

    Lately matters by itself: replicas that die count no more errors, only no more requests.
    """
    policy, buckets = case.policy, case.buckets
    for span, where in ((buckets, ""), (buckets[-policy.last_buckets :], " at the end")):
        _, requests = case.counted(case.over(span))
        normal = case.baseline.requests_per_second * sum(bucket.seconds for bucket in span)
        if requests == 0 or requests < normal * policy.minimum_traffic:
            return (
                f"{requests:,} requests{where} are too few: normal traffic would bring about "
                f"{normal:,.0f}"
            )
    return None


# The judge: is the service recovered, and can that be proven?
#
# The burden of proof is on recovery. One-sided 95 % bounds are taken on pooled counts of errors
# and
# requests since the traffic was switched and drained; averaged ratios are never used, because a
# bucket with three requests would weigh as much as one with three thousand.
#
# The bounds are the exact ones. Score bounds (Wilson 1927) miss their level where errors are few:
# 448 requests without an error would call a service recovered that fails at a limit of 0.6 % in
# 6.7
# of 100 cases.


def judge(
    baseline: Baseline | None,
    buckets: Sequence[Bucket],
    policy: JudgePolicy | None = None,
    *,
    probes: Sequence[ProbeBucket] = (),
) -> Judgement:
    """Weigh consecutive buckets, oldest first, against the baseline.

    NOT_RECOVERED needs proof too: the lower bound must lie above the limit. Everything that is
    neither is INCONCLUSIVE, and so are a missing baseline, missing data and thin traffic.

    Of the ``probes`` those count that were sent within the buckets. They can always prove that the
    service fails; that it does not they can prove only where normal traffic is too thin to prove
    it (docs/proof.md).
    """
    policy = policy or JudgePolicy()
    evidence = evidence_of(buckets, probes)
    figures: dict[str, Any] = {
        "requests": evidence.requests,
        "errors": evidence.errors,
        "probes": evidence.answered,
        "failed_probes": evidence.failed,
    }
    if baseline is None or baseline.error_rate is None:
        reason = "there is no baseline from before the release to compare with"
        return Judgement(verdict=RecoveryVerdict.INCONCLUSIVE, reasons=(reason,), **figures)
    case = Case(baseline=baseline, buckets=buckets, probes=probes, policy=policy)
    limit = case.limit
    lower, upper = _bounds(case, evidence)
    figures |= {"limit": limit, "lower": lower, "upper": upper}
    if lower > limit:
        reason = f"the error rate is at least {lower:.2%}, above the limit of {limit:.2%}"
        verdict = RecoveryVerdict.NOT_RECOVERED
        return Judgement(verdict=verdict, reasons=(reason, *_synthetic(case, evidence)), **figures)
    doubts = inconclusive_because(case, limit, upper)
    if doubts:
        reasons = (*doubts, *_synthetic(case, evidence))
        return Judgement(verdict=RecoveryVerdict.INCONCLUSIVE, reasons=reasons, **figures)
    reason = f"the error rate is at most {upper:.2%}, within the limit of {limit:.2%}"
    return Judgement(
        verdict=RecoveryVerdict.RECOVERED,
        reasons=(reason, *_synthetic(case, evidence)),
        **figures,
    )


def _bounds(case: Case, evidence: Evidence) -> tuple[float, float]:
    """The lower bound for a proof of failure, and the upper one for a proof of recovery."""
    if not case.probes:
        return exact_bounds(evidence.errors, evidence.requests)
    # What users meet proves failure by itself: probes that succeed must not dilute it.
    lower = max(exact_bounds(*evidence.hopeful)[0], exact_bounds(*evidence.users_hopeful)[0])
    return lower, exact_bounds(*case.counted(evidence))[1]


def _synthetic(case: Case, evidence: Evidence) -> tuple[str, ...]:
    """What part the probes have in it."""
    if not evidence.answered:
        return ()
    said = f"{evidence.answered:,} synthetic probes were sent, {evidence.failed} failed"
    if not case.counts_probes:
        return (f"{said}: they stand for no user, because users' traffic is normally enough",)
    why = "normal traffic is too thin to prove anything by itself"
    strict = (
        ""
        if case.knows_normal
        else f"; {case.baseline.requests:,} requests before the release do not tell what is "
        "normal, so the strictest limit holds"
    )
    return (
        f"{said}: they count beside {evidence.users:,} requests of users, because {why}{strict}",
    )


# After a proven recovery: has the service got worse again?

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
