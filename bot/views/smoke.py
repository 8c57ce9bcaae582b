"""Smoke tests in words: which of users' tasks work."""

from __future__ import annotations

from bot.domain.events import Role
from bot.domain.incident import Incident
from bot.domain.values import spoken
from bot.views.labels import VERIFY_AGAIN
from bot.views.markup import inline
from bot.views.team import called

_MOST = 20


def smoke_lines(incident: Incident) -> tuple[str, ...]:
    """One line a test, the failed ones first with what to do; nothing where none was run."""
    if incident.smoke is None or not incident.smoke.results:
        return ()
    results = sorted(incident.smoke.results, key=lambda one: one.passed)
    told = [
        f"✅ {inline(one.name, 80)} ({spoken(round(one.seconds, 1))})"
        if one.passed
        else f"🔴 {inline(one.name, 80)}: {inline(one.what, 300)}"
        for one in results[:_MOST]
    ]
    if len(results) > _MOST:
        told.append(f"… and {len(results) - _MOST} more")
    if not results[0].passed:
        told.append(
            f"{called(incident, Role.DEPLOYMENT_LEAD)}: try it by hand and look at the logs of "
            f"that moment; once it works, press “{VERIFY_AGAIN}”."
        )
    return tuple(told)
