"""The proof, or what is missing for it: replicas, table, judgement, and what to try next."""

from __future__ import annotations

from slack_sdk.models.blocks import Block, ButtonElement

from bot.communication import buttons, figures, ids
from bot.communication.blocks import (
    Message,
    actions,
    button,
    compose,
    context,
    header,
    listing,
    section,
)
from bot.communication.figures import baseline_of, judgement_lines, limit_of, replicas, table
from bot.communication.frame import Frame
from bot.communication.markup import (
    PLAN_AGAIN,
    UNDO,
    VERIFY_AGAIN,
    code_block,
    escape,
    inline,
    moment,
)
from bot.communication.next_action import next_action
from bot.communication.state import called, headline
from bot.core.values import spoken
from bot.incident.events import Cause, CauseCheck, CauseFinding, Relapsed, Role
from bot.incident.state import Incident, Phase

# Why a service may still be unwell after a rollback, and what to do about each.
#
# Source: the emergency-rollback procedure, "Error rate still high after rollback".

_FINDINGS = {
    CauseFinding.LIKELY: "🔴 likely",
    CauseFinding.UNLIKELY: "🟢 unlikely",
    CauseFinding.UNKNOWN: "⚪ unknown",
}
_MOST_EVIDENCE = 3
_MOST_SERVICES = 5


def possible_causes(incident: Incident) -> tuple[str, ...]:
    """The known causes: what was found about each, and who does what next."""
    checks = {check.cause: check for check in incident.causes.checks} if incident.causes else {}
    return tuple(
        f"{number}. {_cause(incident, cause, checks.get(cause))}"
        for number, cause in enumerate(Cause, start=1)
    )


def assess_others(incident: Incident) -> list[ButtonElement]:
    """A button for each other service that the evidence points to."""
    checks = incident.causes.checks if incident.causes else ()
    names = [name for check in checks for name in check.services]
    return [
        # Several buttons of one kind in one message are told apart by what follows “_”.
        button(f"Assess {name}", f"{ids.ASSESS}_{number}", name)
        for number, name in enumerate(list(dict.fromkeys(names))[:_MOST_SERVICES], start=1)
    ]


def _cause(incident: Incident, cause: Cause, check: CauseCheck | None) -> str:
    title = f"*{_title(incident, cause)}.*"
    if check is None:
        return f"{title} ⏳ is being checked. {_action(incident, cause, None)}"
    shown = " ".join(inline(one, 200) for one in check.evidence[:_MOST_EVIDENCE])
    more = len(check.evidence) - _MOST_EVIDENCE
    rest = f" … and {more} more findings." if more > 0 else ""
    action = _action(incident, cause, check.finding)
    return f"{title} {_FINDINGS[check.finding]}: {shown}{rest}{f' {action}' if action else ''}"


def _title(incident: Incident, cause: Cause) -> str:
    return {
        Cause.NOT_DEPLOYED: "The target release does not serve everywhere",
        Cause.SCHEMA: "The database no longer fits it",
        Cause.DEPENDENCY: "Something that the service needs fails",
        Cause.OTHER_SERVICE: "Other services were pulled along, or were the origin",
        Cause.NOT_THE_RELEASE: f"{figures.release(incident.bad_release)} was not the cause",
    }[cause]


def _action(incident: Incident, cause: Cause, finding: CauseFinding | None) -> str:
    """Who does what next; nothing where the cause was ruled out."""
    if finding is CauseFinding.UNLIKELY:
        return ""
    return {
        Cause.NOT_DEPLOYED: (
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: mend the replicas that are not as they "
            f"should be, then press “{VERIFY_AGAIN}”."
        ),
        Cause.SCHEMA: (
            f"{called(incident, Role.DATABASE_ADMINISTRATOR)}: check whether the schema and the "
            f"data that the bad release left behind still work with this release. {_left(incident)}"
        ),
        Cause.DEPENDENCY: (
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: look at its status page and at time-outs "
            f"in the logs; once it is well, press “{VERIFY_AGAIN}”."
        ),
        Cause.OTHER_SERVICE: (
            f"{called(incident, Role.MONITORING_OBSERVER)}: compare when their errors began, and "
            "assess the one that began first."
        ),
        Cause.NOT_THE_RELEASE: (
            f"{called(incident, Role.INCIDENT_COMMANDER)}: list what else changed when the errors "
            "began: configuration, flags, traffic, infrastructure. "
            f"“{PLAN_AGAIN}” goes to an older release, “{UNDO}” plans the way back."
        ),
    }[cause]


def _left(incident: Incident) -> str:
    stays = incident.plan.not_restored if incident.plan else ()
    if not stays:
        return "The plan names nothing about the database."
    more = f" (and {len(stays) - 1} more on the plan card)" if len(stays) > 1 else ""
    return f"Left as it was: {inline(stays[0], 200)}{more}."


# Smoke tests in words: which of users' tasks work.

_FIRST = 4
"""After so many failures at the latest it is said what to do: the list may be cut."""


def smoke_lines(incident: Incident) -> tuple[str, ...]:
    """One line a test, the failed ones first with what to do; nothing where none was run."""
    if incident.smoke is None or not incident.smoke.results:
        return ()
    failed = [one for one in incident.smoke.results if not one.passed]
    told = [f"🔴 {inline(one.name, 80)}: {inline(one.what, 300)}" for one in failed]
    if failed:
        told.insert(
            min(len(told), _FIRST),
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: try it by hand and look at the logs of "
            f"that moment; once it works, press “{VERIFY_AGAIN}”.",
        )
    told += [
        f"✅ {inline(one.name, 80)} ({spoken(round(one.seconds, 1))})"
        for one in incident.smoke.results
        if one.passed
    ]
    return tuple(told)


def relapse_lines(event: Relapsed) -> tuple[str, ...]:
    """The figures of a relapse, as a list."""
    judgement = event.judgement
    told = [f"• {inline(reason, 300)}" for reason in judgement.reasons[:4]]
    if judgement.error_rate is not None and judgement.limit is not None:
        told.append(
            f"• Error rate{_of(event)} since {moment(event.since)}: "
            f"{figures.rate_text(judgement.error_rate)}, "
            f"limit {figures.rate_text(judgement.limit)}"
        )
    return tuple(told)


def _of(event: Relapsed) -> str:
    """Whose figures they are, where it could be asked."""
    return f" of {inline(event.services[0], 40)}" if event.services else ""


_UNPROVEN = frozenset({Phase.NOT_RECOVERED, Phase.INCONCLUSIVE})


def recovery_card(incident: Incident, frame: Frame) -> Message:
    """Whether the service is recovered, and on what evidence."""
    said = headline(incident)
    blocks = [
        header(said),
        section(f"*Next:* {next_action(incident, frame)}"),
        *listing("Service and replicas", replicas(incident), limit=2_400),
        *listing("Users' tasks (smoke tests)", smoke_lines(incident), limit=2_000),
        section(f"*Error rate since the rollback*\n{code_block(table(incident, frame), 2_700)}"),
        *_extended(incident),
        *_judgement(incident, frame),
        *_relapse(incident),
        *_causes(incident),
        context(_small_print(incident, frame)),
        *actions(buttons.after_the_fact(incident)),
    ]
    table_text = escape(table(incident, frame, limit=900))
    return compose(f"{incident.id}: {escape(said)}\n{table_text}", blocks)


def _extended(incident: Incident) -> list[Block]:
    """Why the verdict comes later than planned."""
    event = incident.extended
    if event is None:
        return []
    goes_on = "measured" if incident.judged else "measures"
    return [
        section(
            f"⏱️ For {spoken(event.unread_seconds)} nothing could be read, so the bot {goes_on} on "
            f"until {moment(event.until)} before judging."
        )
    ]


def _relapse(incident: Incident) -> list[Block]:
    """The newest relapse; the judgement above it is older."""
    if not incident.relapses or incident.phase not in _UNPROVEN:
        return []
    newest = incident.relapses[-1]
    if incident.judged_at is None or newest.at < incident.judged_at:
        return []
    return listing(f"🔴 Worse again at {moment(newest.at)}", relapse_lines(newest.event))


def _judgement(incident: Incident, frame: Frame) -> list[Block]:
    if incident.judged is None:
        return [section("*Judgement*\nFollows after the last row. Until then nothing is proven.")]
    told = list(judgement_lines(incident.judged.judgement))
    if incident.judged.watched_until and incident.phase is Phase.RECOVERED:
        until = moment(incident.judged.watched_until)
        told.append(f"• The bot watches until {until} and opens the incident again if it relapses")
    return listing("Judgement", told)


def _causes(incident: Incident) -> list[Block]:
    if incident.phase not in _UNPROVEN:
        return []
    causes = listing("Possible causes, and what to do", possible_causes(incident), most=2)
    return [*causes, *actions(assess_others(incident))]


def _small_print(incident: Incident, frame: Frame) -> str:
    limit, baseline = limit_of(incident, frame), baseline_of(incident)
    note = incident.verification.baseline_note if incident.verification else incident.baseline_note
    said = inline(note, 200, empty="")
    if limit is None or baseline is None or baseline.error_rate is None:
        return f"{incident.id} · no baseline, so no limit: recovery cannot be proven · {said}"
    return (
        f"{incident.id} · normal {figures.rate_text(baseline.error_rate)} "
        f"· limit {figures.rate_text(limit)} · {said}"
    )
