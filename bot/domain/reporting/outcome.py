"""How it ended, and what is not over yet."""

from __future__ import annotations

from enum import StrEnum

from bot.domain.events import ExecutionOutcome
from bot.domain.incident import Incident
from bot.domain.recovery import RecoveryVerdict
from bot.domain.reporting.document import clock_time, sentence
from bot.domain.timings import relapsed_at


class Outcome(StrEnum):
    """How it ended, in one word for programs."""

    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    INCONCLUSIVE = "inconclusive"
    RELAPSED = "relapsed"
    """Recovery was proven, and the service got worse again."""
    NOT_JUDGED = "not_judged"
    STOPPED = "stopped"
    """The rollback ended before its last step."""
    NOT_EXECUTED = "not_executed"


def outcome_of(incident: Incident) -> Outcome:
    """How it ended, as far as it has."""
    if incident.execution is None:
        return Outcome.NOT_EXECUTED
    if incident.execution.outcome is not ExecutionOutcome.SUCCEEDED:
        return Outcome.STOPPED
    if incident.judged is None:
        return Outcome.NOT_JUDGED
    if relapsed_at(incident):
        return Outcome.RELAPSED
    return {
        RecoveryVerdict.RECOVERED: Outcome.RECOVERED,
        RecoveryVerdict.NOT_RECOVERED: Outcome.NOT_RECOVERED,
        RecoveryVerdict.INCONCLUSIVE: Outcome.INCONCLUSIVE,
    }[incident.judged.judgement.verdict]


def outcome(incident: Incident) -> str:
    """How it ended, in a sentence or two."""
    plan, execution, judged = incident.plan, incident.execution, incident.judged
    if plan is None:
        return "No rollback was carried out, because no plan could be made."
    if execution is None:
        if incident.rejection:
            return f"The plan was rejected by {incident.rejection.by.name}; nothing was changed."
        return "No plan was carried out; nothing was changed."
    if execution.outcome is not ExecutionOutcome.SUCCEEDED:
        return (
            f"The rollback to {plan.to_release} ended before its last step "
            f"({execution.outcome.value}): {sentence(execution.what)}"
        )
    done = f"The rollback to {plan.to_release} ({plan.strategy}) was carried out."
    if judged is None:
        return f"{done} Whether the service recovered was not judged."
    if relapsed := relapsed_at(incident):
        return (
            f"{done} Recovery was proven at {clock_time(incident.judged_at)} and did not last: the "
            f"service got worse again at {clock_time(relapsed)}."
        )
    words = {
        RecoveryVerdict.RECOVERED: "Recovery is proven",
        RecoveryVerdict.NOT_RECOVERED: "The service did not recover",
        RecoveryVerdict.INCONCLUSIVE: "Recovery could not be proven",
    }
    reasons = "; ".join(judged.judgement.reasons)
    return f"{done} {sentence(f'{words[judged.judgement.verdict]}: {reasons}')}"


def ongoing(incident: Incident) -> list[str]:
    """What a reader must not think finished."""
    left = []
    if outcome_of(incident) is not Outcome.RECOVERED:
        left.append("Recovery is not proven.")
    left += [
        f"Break-glass: have {used.approver.name} confirm that they approved plan "
        f"{used.plan_hash[:12]} at the terminal of {used.by.name}; it is not proven."
        for used in incident.break_glass
    ]
    if incident.execution and incident.execution.remedy:
        left.append(sentence(incident.execution.remedy))
    if incident.plan and incident.execution:
        left += [f"Not restored: {sentence(text)}" for text in incident.plan.not_restored]
    if incident.conclusion:
        when = incident.conclusion.follow_up_timeline or "no date was given"
        left.append(f"{incident.bad_release}: {incident.conclusion.follow_up.value} ({when}).")
        undone = [
            action
            for index, action in enumerate(incident.conclusion.corrective_actions)
            if index not in incident.actions or not incident.actions[index].done_at
        ]
        if undone:
            left.append(f"Corrective actions to be done: {len(undone)} (4.3).")
    if incident.freeze:
        ends = [clock_time(freeze.until) for freeze in incident.freeze.freezes[:1]]
        until = " or until ".join([*ends, "somebody lifts the freeze"])
        left.append(f"Deploys are frozen until {until} (4.3).")
    left += [
        f"A message to customers waits for a person: {message.value}."
        for message in incident.external_drafts
    ]
    return left + [f"{n.subject}: {sentence(n.what)} {n.remedy}".strip() for n in incident.notes]
