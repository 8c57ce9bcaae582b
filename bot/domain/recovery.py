"""The judge: is the service recovered, and can that be proven?

The burden of proof is on recovery. One-sided 95 % bounds are taken on pooled counts of errors and
requests since the traffic was switched and drained; averaged ratios are never used, because a
bucket with three requests would weigh as much as one with three thousand.

The bounds are the exact ones. Score bounds (Wilson 1927) miss their level where errors are few:
448 requests without an error would call a service recovered that fails at a limit of 0.6 % in 6.7
of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.domain.binomial import exact_bounds
from bot.domain.counts import (
    Baseline,
    Bucket,
    Judgement,
    JudgePolicy,
    RecoveryVerdict,
    complete_buckets,
    error_limit,
)
from bot.domain.doubts import Case, doubts_of, evidence_of, thin_baseline
from bot.domain.probing import Evidence, ProbeBucket

__all__ = [
    "Baseline",
    "Bucket",
    "JudgePolicy",
    "Judgement",
    "RecoveryVerdict",
    "complete_buckets",
    "error_limit",
    "judge",
    "thin_baseline",
]


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
    doubts = doubts_of(case, limit, upper)
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
