"""The known causes of errors that go on after a rollback, judged from what was seen.

Source: the emergency-rollback procedure, "Error rate still high after rollback".
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.clouds.kubernetes.workloads import same_release
from bot.core.values import Instant, Value
from bot.incident.events import Cause, CauseCheck, CauseFinding, InstancesChecked
from bot.judge.counts import Baseline, Bucket, Judgement

_RUN = 3
"""So many intervals above the limit in a row are where errors begin; one alone is an accident."""
_UNCHANGED = 0.8
"""A rate that kept at least this share of what it was has not fallen."""


def deployed(
    checked: InstancesChecked,
    *,
    target: str,
    live: str | None,
    wanted: str,
    versions_known: bool,
) -> CauseCheck:
    """Does the target release really serve everywhere?

    ``target`` is what replicas should report (empty: their version tells nothing), ``live`` what
    the strategy sees serving, None where it cannot be told, and ``wanted`` what it should see.
    """
    wrong = [
        f"{one.name} is not ready{f' ({one.problem})' if one.problem else ''}."
        for one in checked.instances
        if not one.ready
    ]
    wrong += [
        f"{one.name} serves {one.version}, not {target}."
        for one in checked.instances
        if one.ready and target and one.version and not same_release(one.version, target)
    ]
    if target and checked.version and not same_release(checked.version, target):
        wrong.append(f"The service answers as {checked.version}, not {target}.")
    if live is not None and not same_release(live, wanted):
        wrong.append(f"Live is {live}, not {wanted}.")
    if wrong:
        return _check(Cause.NOT_DEPLOYED, CauseFinding.LIKELY, wrong)
    open_questions = [*checked.problems]
    open_questions += [] if checked.instances else ["No replica of the service was found."]
    if versions_known and target:
        silent = [one.name for one in checked.instances if one.askable and one.version is None]
        open_questions += [f"{name} does not tell its version." for name in silent]
    if open_questions:
        return _check(Cause.NOT_DEPLOYED, CauseFinding.UNKNOWN, open_questions)
    count = len(checked.instances)
    told = "The only replica is ready" if count == 1 else f"All {count} replicas are ready"
    told += f" and none serves anything but {target}." if target else "."
    return _check(Cause.NOT_DEPLOYED, CauseFinding.UNLIKELY, [told])


class Health(Value):
    """How something else that could be at fault is doing."""

    name: str
    well: bool | None
    """None where it could not be told."""
    sentence: str
    service: str = ""
    """Its name in the catalog, if it is there."""


def from_health(cause: Cause, found: Sequence[Health], *, nothing: str) -> CauseCheck:
    """One sick one is enough for a likely cause; an unknown one leaves the question open."""
    if not found:
        return _check(cause, CauseFinding.UNKNOWN, [nothing])
    sick = [one for one in found if one.well is False]
    unknown = [one for one in found if one.well is None]
    if sick:
        services = tuple(dict.fromkeys(one.service for one in sick if one.service))
        return CauseCheck(
            cause=cause,
            finding=CauseFinding.LIKELY,
            evidence=tuple(one.sentence for one in sick),
            services=services,
        )
    if unknown:
        return _check(cause, CauseFinding.UNKNOWN, [one.sentence for one in unknown])
    return _check(cause, CauseFinding.UNLIKELY, [one.sentence for one in found])


def onset(buckets: Sequence[Bucket], limit: float) -> Instant | None:
    """When errors began: the start of the first run of intervals that are all above the limit."""
    counted = [bucket for bucket in buckets if bucket.requests]
    for index in range(len(counted) - _RUN + 1):
        run = counted[index : index + _RUN]
        if all((bucket.error_rate or 0.0) > limit for bucket in run):
            return run[0].start
    return None


def not_the_release(
    buckets: Sequence[Bucket],
    *,
    baseline: Baseline | None,
    limit: float | None,
    before: float | None,
    now: Judgement,
) -> CauseCheck:
    """Did the errors begin before the release, or do they go on whatever serves?

    ``buckets`` reach from before the release to the rollback, ``baseline`` ends where the release
    began, ``before`` is the error rate under the bad release, ``now`` what was judged after it.
    """
    likely, unlikely = [], []
    if baseline is not None and limit is not None:
        began = onset(buckets, limit)
        if began is not None and began < baseline.end:
            likely.append(
                f"Errors were above the limit of {limit:.2%} from {began:%H:%M} UTC on; the "
                f"release began to serve at {baseline.end:%H:%M} UTC."
            )
        elif began is not None:
            unlikely.append(
                f"Errors began at {began:%H:%M} UTC, after the release at {baseline.end:%H:%M} UTC."
            )
    rate, bound = now.error_rate, now.lower
    if before and rate is not None and limit is not None and (bound or 0.0) > limit:
        if rate >= before * _UNCHANGED:
            likely.append(
                f"The error rate is {rate:.2%} after the rollback and was {before:.2%} before it: "
                "the errors go on whatever serves."
            )
        else:
            unlikely.append(f"The rollback brought the error rate from {before:.2%} to {rate:.2%}.")
    if likely:
        return _check(Cause.NOT_THE_RELEASE, CauseFinding.LIKELY, [*likely, *unlikely])
    if unlikely:
        return _check(Cause.NOT_THE_RELEASE, CauseFinding.UNLIKELY, unlikely)
    why = (
        "It is not known when the withdrawn release began to serve."
        if baseline is None
        else "What was measured does not show when the errors began."
    )
    return _check(Cause.NOT_THE_RELEASE, CauseFinding.UNKNOWN, [why])


def unknown(cause: Cause, why: str) -> CauseCheck:
    """A cause that could not be checked."""
    return _check(cause, CauseFinding.UNKNOWN, [why])


def _check(cause: Cause, finding: CauseFinding, evidence: Sequence[str]) -> CauseCheck:
    return CauseCheck(cause=cause, finding=finding, evidence=tuple(evidence))
