"""The verdict: a decision to declare, or a watch.

Inputs that handlers read (block_id and action_id are the same id):

- ``DECISION``: ``REASON``, ``AFFECTED_TEXT``, ``ALTERNATIVES`` (select; the value is the sentence
  to record), ``RATIONALE``, ``TARGET`` (optional text). ``private_metadata`` is the draft's id.
- ``WATCH``: no input. ``private_metadata`` is the draft's id.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.assessment import Assessment, Verdict, VerdictKind, percent
from bot.domain.draft import Draft
from bot.domain.values import spoken
from bot.views import figures as words
from bot.views import forms, ids
from bot.views.kit import context, listing, section
from bot.views.markup import inline, one_line
from bot.views.verdicts import ADVICE, LABELS, SYMBOLS

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
