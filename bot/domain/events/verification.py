"""Whether the service is recovered, and stays so."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from bot.domain.events.base import Event
from bot.domain.probing import ProbeBucket
from bot.domain.recovery import Baseline, Bucket, Judgement
from bot.domain.values import Actor, Instant, Value


class InstanceCheck(Value):
    """One replica after the rollback."""

    name: str
    ready: bool
    version: str | None
    """What the replica itself reports; None when it did not answer."""
    askable: bool = True
    """Whether the replica can be asked at all; a target behind a load balancer cannot."""
    problem: str = ""


class VerificationStarted(Event):
    """Evidence is collected from this moment on, against this baseline."""

    kind: Literal["verification_started"] = "verification_started"
    since: Instant
    baseline: Baseline | None
    baseline_note: str = ""


class InstancesChecked(Event):
    """Every replica was asked for its health and version."""

    kind: Literal["instances_checked"] = "instances_checked"
    instances: tuple[InstanceCheck, ...]
    health_ok: bool | None
    """What the service's health endpoint says; None when there is none."""
    version: str | None
    """What the service's version endpoint says."""
    problems: tuple[str, ...] = ()


class SampleTaken(Event):
    """One row of the recovery table."""

    kind: Literal["sample_taken"] = "sample_taken"
    offset_seconds: float
    """Seconds since the verification began."""
    requests: int
    errors: int
    latency_ms: float | None = None
    problem: str = ""
    """Why nothing was measured, if so."""
    probes: int = 0
    """Synthetic requests of the bot's own in that time; the service may have counted them too."""
    failed_probes: int = 0


class VerificationExtended(Event):
    """Nothing was read for a while: it is measured on for as long before the judge decides."""

    kind: Literal["verification_extended"] = "verification_extended"
    until: Instant
    unread_seconds: float
    """For how long nothing was read."""


class Judged(Event):
    """The judge's result, with the buckets it was given."""

    kind: Literal["judged"] = "judged"
    judgement: Judgement
    buckets: tuple[Bucket, ...]
    probes: tuple[ProbeBucket, ...] = ()
    """The bot's own requests of the same time."""
    watched_until: Instant | None = None
    """So long after a proven recovery the bot looks for a relapse."""


class VerificationRequested(Event):
    """Somebody wants the recovery judged again on newer data."""

    kind: Literal["verification_requested"] = "verification_requested"
    by: Actor


class SmokeResult(Value):
    """One smoke test, as it ran."""

    name: str
    passed: bool
    what: str = ""
    """Which request failed, and what was expected of it; empty when it passed."""
    seconds: float = 0.0


class SmokeTested(Event):
    """The catalog's smoke tests were run against the service."""

    kind: Literal["smoke_tested"] = "smoke_tested"
    results: tuple[SmokeResult, ...]


class Cause(StrEnum):
    """Why errors may go on after a rollback (procedure, "Error rate still high")."""

    NOT_DEPLOYED = "not_deployed"
    """The old version does not really serve everywhere."""
    SCHEMA = "schema"
    """The database does not fit the old version."""
    DEPENDENCY = "dependency"
    """Something that the service needs fails."""
    OTHER_SERVICE = "other_service"
    """Another service fails too: the failure spreads."""
    NOT_THE_RELEASE = "not_the_release"
    """The errors began before the release, or go on whatever serves."""


class CauseFinding(StrEnum):
    """What the check of a cause says."""

    LIKELY = "likely"
    UNLIKELY = "unlikely"
    UNKNOWN = "unknown"
    """It could not be checked; the evidence says why."""


class CauseCheck(Value):
    """One cause, checked."""

    cause: Cause
    finding: CauseFinding
    evidence: tuple[str, ...]
    """What was seen, one sentence each; never empty."""
    services: tuple[str, ...] = ()
    """Other services of the catalog that the evidence points to."""


class CausesChecked(Event):
    """Recovery was not proven: the known causes were checked one by one."""

    kind: Literal["causes_checked"] = "causes_checked"
    checks: tuple[CauseCheck, ...]


class Relapsed(Event):
    """After a proven recovery the service got worse again: the incident is open once more."""

    kind: Literal["relapsed"] = "relapsed"
    judgement: Judgement
    since: Instant
    """From when on the errors were counted."""
    services: tuple[str, ...] = ()
    """What got worse, the incident's own before others; older bots watched nothing else, and
    wrote nothing here."""
