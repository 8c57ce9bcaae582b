"""Why a service may still be unwell after a rollback, and what to do about each.

Source: the emergency-rollback procedure, "Error rate still high after rollback".
"""

from __future__ import annotations

from slack_sdk.models.blocks import ButtonElement

from bot.domain.events import Cause, CauseCheck, CauseFinding, Role
from bot.domain.incident import Incident
from bot.views import figures, ids
from bot.views.kit import button
from bot.views.labels import PLAN_AGAIN, UNDO, VERIFY_AGAIN
from bot.views.markup import inline
from bot.views.team import called

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
