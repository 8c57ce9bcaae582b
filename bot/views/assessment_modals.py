"""The assessment: from the command to what a person knows.

Inputs that handlers read (block_id and action_id are the same id):

- ``ASSESSMENT``: ``ERROR_RATE`` (per cent) and ``LATENCY`` (ms), each only when not measured;
  ``AFFECTED_USERS`` and ``BUSINESS_DROP`` (per cent); ``FINDINGS`` (checkboxes);
  ``DESCRIPTION`` (text). All optional. ``private_metadata`` is the draft's id.
"""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import Block

from bot.domain.assessment import Assessment, Figures
from bot.domain.draft import Draft
from bot.views import figures as words
from bot.views import forms, ids
from bot.views.kit import context, section
from bot.views.markup import inline, lines, plain

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
        *words.gaps(found),
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
