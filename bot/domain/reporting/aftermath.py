"""What follows an execution, in words: proof, relapses, messages to customers, paperwork."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.domain import events as e
from bot.domain.destinations import label_of
from bot.domain.plan import Plan
from bot.domain.reporting import figures
from bot.domain.reporting.document import clock_time, sentence
from bot.domain.values import spoken

CAUSES = {
    e.Cause.NOT_DEPLOYED: "The old version does not serve everywhere",
    e.Cause.SCHEMA: "The database does not fit the old version",
    e.Cause.DEPENDENCY: "Something that the service needs fails",
    e.Cause.OTHER_SERVICE: "Another service fails too",
    e.Cause.NOT_THE_RELEASE: "The release is not the cause",
}


def _extended(event: e.VerificationExtended, plan: Plan | None) -> str:
    return (
        f"Nothing was read for {spoken(event.unread_seconds)}, so it is measured on until "
        f"{clock_time(event.until)}"
    )


def _smoke(event: e.SmokeTested, plan: Plan | None) -> str:
    failed = [result for result in event.results if not result.passed]
    passed = len(event.results) - len(failed)
    what = "; ".join(f"{result.name}: {result.what}" for result in failed)
    return f"Smoke tests: {passed} of {len(event.results)} passed. {sentence(what)}"


def _causes(event: e.CausesChecked, plan: Plan | None) -> str:
    found = "; ".join(f"{CAUSES[check.cause]}: {check.finding.value}" for check in event.checks)
    return f"Known causes checked: {found}"


def _relapsed(event: e.Relapsed, plan: Plan | None) -> str:
    counted = event.judgement
    worse = ", ".join(event.services) or "the service"
    return (
        f"RELAPSE: {worse} got worse again, {counted.errors} of {counted.requests} requests "
        f"failed since {clock_time(event.since)}: {'; '.join(counted.reasons)}"
    )


def _sent(event: e.ExternalSent, plan: Plan | None) -> str:
    words = f": {event.text}" if event.text else ", in the template's words"
    return f"Message to customers “{event.message.value}” sent{words}"


def _compared(event: e.ChangesCompared, plan: Plan | None) -> str:
    return (
        f"Changes of {event.head} since {event.base} looked up: {figures.changed(event)} "
        f"({event.url})"
    )


def _scheduled(event: e.PostMortemScheduled, plan: Plan | None) -> str:
    people = ", ".join(person.name for person in event.people) or "nobody"
    return (
        f"Post-mortem scheduled for {clock_time(event.start)}, {spoken(event.minutes * 60)}, "
        f"with {people}"
    )


def _frozen(event: e.FreezeSet, plan: Plan | None) -> str:
    where = ", ".join(event.marks) or "nothing"
    return f"Deploy freeze set on {where}. {sentence('; '.join(event.problems))}"


AFTERMATH: dict[type[e.Event], Callable[[Any, Plan | None], str]] = {
    e.VerificationExtended: _extended,
    e.SmokeTested: _smoke,
    e.CausesChecked: _causes,
    e.Relapsed: _relapsed,
    e.ExternalHeld: lambda ev, plan: "Messages to customers wait for a person from now on",
    e.ExternalFreed: lambda ev, plan: "Messages to customers go out by themselves again",
    e.ExternalDrafted: lambda ev, plan: (
        f"Message to customers “{ev.message.value}” drafted: {ev.text}"
    ),
    e.ExternalSent: _sent,
    e.ExternalDiscarded: lambda ev, plan: f"Message to customers “{ev.message.value}” discarded",
    e.Told: lambda ev, plan: (
        f"{label_of(ev.destination)} took “{ev.what}”{f' ({ev.reference})' if ev.reference else ''}"
    ),
    e.ChangesCompared: _compared,
    e.PostMortemScheduled: _scheduled,
    e.PostMortemReminded: lambda ev, plan: "The channel was reminded of the post-mortem",
    e.ActionFiled: lambda ev, plan: f"Corrective action {ev.index + 1} filed: {ev.url}",
    e.ActionAsked: lambda ev, plan: f"Asked how corrective action {ev.index + 1} stands",
    e.ActionDone: lambda ev, plan: f"Corrective action {ev.index + 1} is done",
    e.IssueGone: lambda ev, plan: (
        f"Corrective action {ev.index + 1}: its issue {ev.url} "
        + ("was deleted; it is taken for dropped" if ev.deleted else "is not to be seen any more")
    ),
    e.ReleasePlanUpdated: lambda ev, plan: f"Rollback summary written to {ev.where}",
    e.FreezeSet: _frozen,
    e.FreezeLifted: lambda ev, plan: "Deploy freeze lifted",
}
