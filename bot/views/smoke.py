"""Smoke tests in words: which of users' tasks work."""

from __future__ import annotations

from bot.domain.events import Role
from bot.domain.incident import Incident
from bot.domain.values import spoken
from bot.views.labels import VERIFY_AGAIN
from bot.views.markup import inline
from bot.views.team import called

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
