"""Whether the service is recovered, and stays so."""

from __future__ import annotations

from datetime import datetime

from bot.domain import events as e
from bot.domain.changes.base import FRESH_VERIFICATION, Changes, Table
from bot.domain.incident import Incident, Phase, Relapse, Sample
from bot.domain.recovery import RecoveryVerdict


def _sampled(incident: Incident, event: e.SampleTaken, at: datetime) -> Changes:
    sample = Sample(at=at, **event.model_dump(exclude={"kind"}))
    return {"samples": (*incident.samples, sample)}


_PHASE_OF_VERDICT = {
    RecoveryVerdict.RECOVERED: Phase.RECOVERED,
    RecoveryVerdict.NOT_RECOVERED: Phase.NOT_RECOVERED,
    RecoveryVerdict.INCONCLUSIVE: Phase.INCONCLUSIVE,
}


def _judged(incident: Incident, event: e.Judged, at: datetime) -> Changes:
    phase = _PHASE_OF_VERDICT[event.judgement.verdict]
    return {"phase": phase, "judged": event, "judged_at": at}


def _relapsed(incident: Incident, event: e.Relapsed, at: datetime) -> Changes:
    return {
        "phase": Phase.NOT_RECOVERED,
        # They are looked for anew: what was found before the recovery is over.
        "causes": None,
        "relapses": (*incident.relapses, Relapse(at=at, event=event)),
        # What was concluded and reported before stays in the events; it is to be done anew.
        "conclusion": None,
        "resolved_by": None,
        "resolved_at": None,
        "report": None,
        "release_plan": None,
    }


CHANGES: Table = {
    e.VerificationStarted: lambda i, ev, at: {"verification": ev},
    e.InstancesChecked: lambda i, ev, at: {"instances": ev},
    e.SampleTaken: _sampled,
    e.VerificationExtended: lambda i, ev, at: {"extended": ev},
    e.Judged: _judged,
    e.VerificationRequested: lambda i, ev, at: {
        **FRESH_VERIFICATION,
        "phase": Phase.VERIFYING,
        "evidence_from": at,
    },
    e.SmokeTested: lambda i, ev, at: {"smoke": ev},
    e.CausesChecked: lambda i, ev, at: {"causes": ev},
    e.Relapsed: _relapsed,
}
