"""What the judge weighs, and why it does not prove recovery where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.domain.binomial import exact_bounds
from bot.domain.counts import Baseline, Bucket, JudgePolicy, error_limit
from bot.domain.probing import Evidence, ProbeBucket


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


def doubts_of(case: Case, limit: float, upper: float) -> list[str]:
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
