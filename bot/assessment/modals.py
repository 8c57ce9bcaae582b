"""The assessment: from the command to what a person knows.

Inputs that handlers read (block_id and action_id are the same id):

- ``ASSESSMENT``: ``ERROR_RATE`` (per cent) and ``LATENCY`` (ms), each only when not measured;
  ``AFFECTED_USERS`` and ``BUSINESS_DROP`` (per cent); ``FINDINGS`` (checkboxes);
  ``DESCRIPTION`` (text). All optional. ``private_metadata`` is the draft's id.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from slack_sdk.models.blocks import Block

from bot.communication import figures as words
from bot.communication import forms, ids
from bot.communication.blocks import context, listing, section
from bot.communication.figures import ADVICE, LABELS, SYMBOLS
from bot.communication.markup import inline, lines, one_line, plain
from bot.core.values import spoken
from bot.incident.assessment import Assessment, Draft, Figures, Verdict, VerdictKind, percent

_FINDINGS = (
    forms.option("The service is completely down", ids.SERVICE_DOWN),
    forms.option("A core feature is completely broken", ids.CORE_BROKEN, "Log-in, payment, search"),
    forms.option("Data is being corrupted", ids.CORRUPTION),
    forms.option("A security breach is being exploited", ids.BREACH),
    forms.option("Several users complain", ids.COMPLAINTS),
)


def assessment_loading(service: str, draft_id: str = "") -> dict[str, Any]:
    """Opens at once, while the figures are looked up; it cannot be submitted."""
    return forms.modal(
        "Assess a release",
        [
            section(f"⏳ Looking up the live figures of *{inline(service, 80)}*…"),
            context("This form fills itself in a few seconds. A source that is silent is named."),
        ],
        callback_id=ids.ASSESSMENT_LOADING,
        private_metadata=draft_id,
    )


def assessment_form(draft: Draft, *, problem: str = "") -> dict[str, Any]:
    """What the bot measured, and what only a person can tell."""
    found = draft.figures or Figures()
    said = draft.assessment or Assessment(service=draft.service, figures=found)
    # What a person entered before is kept; at first the form shows what was measured.
    drop = said.business_drop if draft.assessment else found.business_shortfall
    blocks = [
        *([section(f"⚠️ {inline(problem, 800)}")] if problem else []),
        section(f"*{inline(draft.service, 80)}*, live figures"),
        section("\n".join(_figures(found))),
        *_missing(found, said),
        forms.number_input(
            ids.AFFECTED_USERS,
            "Affected users, in per cent",
            initial=_percents(said.affected_users),
            most=100,
            hint="More than 10 is significant. Leave it empty if you cannot tell.",
        ),
        forms.number_input(
            ids.BUSINESS_DROP,
            "Business metrics down, in per cent",
            initial=_percents(drop),
            most=100,
            hint=_business_hint(found),
        ),
        forms.checkboxes(ids.FINDINGS, "What do you see?", _FINDINGS, ticked=_ticked(said)),
        forms.text_input(
            ids.DESCRIPTION,
            "In your words",
            initial=said.description,
            placeholder="What happens to users, since when?",
            optional=True,
            multiline=True,
        ),
        context("Nothing is declared yet: the next page shows the verdict."),
    ]
    return forms.modal(
        "Assess a release",
        blocks,
        callback_id=ids.ASSESSMENT,
        submit="See the verdict",
        close="Cancel",
        private_metadata=draft.id,
    )


def _figures(found: Figures) -> list[str]:
    told = [
        f"• Error rate: {words.error_rate(found)}",
        f"• Response time: {words.latency(found)}",
        *words.more(found),
        f"• Release: {words.releases(found)} (now → last known good)",
        *words.origin(found),
        *words.unmeasured(found),
    ]
    if found.error_rate is None or found.latency_ms is None:
        told.append(f"{words.UNKNOWN_IS_NOT_HEALTHY} If you can read it elsewhere, enter it below.")
    return [lines(told, 2_800)]


def _business_hint(found: Figures) -> str:
    if found.business_shortfall is None:
        return "Orders, sign-ups, payments compared with normal."
    return plain(f"By {found.source}: {words.business(found)}. Correct it if you know better.", 300)


def _missing(found: Figures, said: Assessment) -> list[Block]:
    blocks = []
    if found.error_rate is None:
        blocks.append(
            forms.number_input(
                ids.ERROR_RATE,
                "Error rate, in per cent",
                initial=_percents(said.figures.error_rate),
                most=100,
                hint="More than 5 means: roll back now. From 1 on: discuss.",
            )
        )
    if found.latency_ms is None:
        blocks.append(
            forms.number_input(
                ids.LATENCY,
                "Response time, in milliseconds",
                initial=said.figures.latency_ms,
                hint="As your dashboard shows it.",
            )
        )
    return blocks


def _percents(share: float | None) -> float | None:
    return None if share is None else share * 100


def _ticked(said: Assessment) -> list[Any]:
    holds = {
        ids.SERVICE_DOWN: said.service_down,
        ids.CORE_BROKEN: said.core_feature_broken,
        ids.CORRUPTION: said.data_corruption,
        ids.BREACH: said.security_breach,
        ids.COMPLAINTS: said.many_complaints,
    }
    return [option for option in _FINDINGS if holds[option.value]]


# The verdict: a decision to declare, or a watch.
#
# Inputs that handlers read (block_id and action_id are the same id):
#
# - ``DECISION``: ``REASON``, ``AFFECTED_TEXT``, ``ALTERNATIVES`` (select; the value is the
# sentence
#   to record), ``RATIONALE``, ``TARGET`` (optional text). ``private_metadata`` is the draft's id.
# - ``WATCH``: no input. ``private_metadata`` is the draft's id.

_ALTERNATIVES = (
    forms.option("Hotfix", "Hotfix"),
    forms.option("Continue monitoring", "Continue monitoring"),
    forms.option("Both: hotfix and monitoring", "Hotfix and continued monitoring"),
    forms.option("None: there is no time", "None: there is no time for another way"),
)


def decision_form(draft: Draft) -> dict[str, Any]:
    """The verdict with its reasons, then the decision record (procedure 1.2).

    Raises ValueError for a draft that has no verdict.
    """
    verdict, said = _decided(draft)
    reasons = "\n".join(one_line(reason.text) for reason in verdict.reasons)
    blocks = [
        section(_verdict(verdict)),
        *listing("Why", words.reasons(verdict), limit=2_000),
        section(f"*Release:* {words.releases(said.figures)}"),
        forms.text_input(ids.REASON, "Reason", initial=reasons, multiline=True),
        forms.text_input(
            ids.AFFECTED_TEXT,
            "Affected users",
            initial=_affected(said),
            placeholder="An estimate: who, how many",
        ),
        forms.choice(
            ids.ALTERNATIVES,
            "Alternative considered",
            _ALTERNATIVES,
            initial=_ALTERNATIVES[-1] if verdict.kind is VerdictKind.IMMEDIATE else None,
            placeholder="What else could be done?",
        ),
        forms.text_input(
            ids.RATIONALE,
            "Why a rollback?",
            placeholder="Why it is better than the alternative",
            multiline=True,
        ),
        forms.text_input(
            ids.TARGET,
            "Roll back to",
            initial=_target(said.figures.previous_release or ""),
            hint="Leave it empty and the plan chooses the last known good release.",
            optional=True,
        ),
        context(
            "Declaring opens a channel and makes a plan. Nothing is changed before the plan is "
            "approved."
        ),
    ]
    return forms.modal(
        "Decide",
        blocks,
        callback_id=ids.DECISION,
        submit="Declare incident",
        close="Cancel",
        private_metadata=draft.id,
    )


def monitor_view(draft: Draft, *, watch_for: timedelta) -> dict[str, Any]:
    """The verdict MONITOR: nothing is declared, the bot offers to watch.

    Raises ValueError for a draft that has no verdict.
    """
    verdict, _ = _decided(draft)
    long = spoken(watch_for.total_seconds())
    blocks = [
        section(_verdict(verdict)),
        *listing("Why", words.reasons(verdict), limit=2_000),
        section(
            f"*Nothing is declared.* “Keep watching” looks at {inline(draft.service, 80)} for "
            f"{long} and writes to you if it gets worse, or when the time is up."
        ),
        context(
            "If you know more than the figures show, close this, type `/rollback` again and tick "
            "what you see."
        ),
    ]
    return forms.modal(
        "No rollback for now",
        blocks,
        callback_id=ids.WATCH,
        submit="Keep watching",
        private_metadata=draft.id,
    )


def _decided(draft: Draft) -> tuple[Verdict, Assessment]:
    if draft.verdict is None or draft.assessment is None:
        raise ValueError(f"draft {draft.id} has no verdict yet")
    return draft.verdict, draft.assessment


def _verdict(verdict: Verdict) -> str:
    severity = f"{verdict.severity.value} ({verdict.severity.priority})"
    title = f"{SYMBOLS[verdict.kind]} *Verdict: {LABELS[verdict.kind]}* — severity {severity}"
    return f"{title}\n{ADVICE[verdict.kind]}"


def _target(release: str) -> str:
    # A name that had to be cut would be submitted as another release.
    return release if len(release) <= forms.SHORT else ""


def _affected(said: Assessment) -> str:
    if said.service_down:
        return "All users"
    if said.affected_users is None:
        return ""
    return f"About {percent(said.affected_users)} of users"
