"""Why a service may still be unwell after a rollback, and what to do about each.

Source: the emergency-rollback procedure, "Error rate still high after rollback".
"""

from __future__ import annotations

from bot.domain.events import Role
from bot.domain.incident import Incident
from bot.views import figures
from bot.views.labels import PLAN_AGAIN
from bot.views.markup import inline
from bot.views.team import called


def possible_causes(incident: Incident) -> tuple[str, ...]:
    """The known causes, with what the bot itself can say about each."""
    administrator = called(incident, Role.DATABASE_ADMINISTRATOR)
    bad = figures.release(incident.bad_release)
    told = {
        "The target release does not serve everywhere": _deployed(incident),
        "The database no longer fits it": (
            f"{_database(incident)} {administrator}: check whether the schema and the data that "
            "the bad release left behind still work with this release."
        ),
        "Something outside fails, a dependency or a provider": (
            "Deployment Lead: look at its status page and at time-outs in the logs."
        ),
        "Other services were pulled along, or were the origin": (
            "Monitoring Observer: compare when their errors began; use `/rollback` for them too "
            "if needed."
        ),
        f"{bad} was not the cause": (
            "Incident Commander: list what else changed when the errors began: configuration, "
            f"flags, traffic, infrastructure. “{PLAN_AGAIN}” goes to an older release."
        ),
    }
    return tuple(
        f"{number}. *{cause}.* {action}"
        for number, (cause, action) in enumerate(told.items(), start=1)
    )


def _deployed(incident: Incident) -> str:
    checked, target = incident.instances, incident.plan.expected_version if incident.plan else None
    if checked is None or not checked.instances:
        return "The bot could not ask the replicas: check by hand which release they run."
    if not target:
        return "This rollback changes no version: the steps' findings say what took effect."
    right = sum(i.ready and i.version == target for i in checked.instances)
    count = len(checked.instances)
    if right == count:
        return f"Checked by the bot: all {count} replicas run {figures.release(target)}, so no."
    return (
        f"Checked by the bot: only {right} of {count} replicas are ready and say that they run "
        f"{figures.release(target)}. Mend the others first."
    )


def _database(incident: Incident) -> str:
    stays = incident.plan.not_restored if incident.plan else ()
    if not stays:
        return "The plan names nothing about the database."
    more = f" (and {len(stays) - 1} more on the plan card)" if len(stays) > 1 else ""
    return f"Left as it was: {inline(stays[0], 200)}{more}."
