"""Messages of a watch: nothing is declared, and the bot comes back to whoever asked."""

from __future__ import annotations

from bot.domain.assessment import Figures, Verdict
from bot.domain.values import Instant
from bot.views import figures as words
from bot.views import ids, labels
from bot.views.kit import actions, button, compose, context, header, listing, section
from bot.views.markup import escape, inline, moment, plain
from bot.views.message import Message
from bot.views.verdicts import ADVICE, LABELS


def worsened(service: str, verdict: Verdict, figures: Figures, *, since: Instant) -> Message:
    """A watched service got worse: what the procedure says now, and a button to assess it."""
    name = plain(service, 40)
    said = f"⚠️ {name} got worse: {LABELS[verdict.kind]}"
    blocks = [
        header(said),
        section(f"You asked for a watch at {moment(since)}. {ADVICE[verdict.kind]}"),
        *listing("Why", words.reasons(verdict)),
        *listing("Figures", _figures(figures)),
        context("Nothing is declared yet: the assessment opens with these figures."),
        *actions([button(labels.ASSESS, ids.ASSESS, service, style="primary")]),
    ]
    reasons = "; ".join(inline(reason.text, 150) for reason in verdict.reasons[:5])
    return compose(f"⚠️ {inline(service, 80)} got worse. {reasons}. Assess it now.", blocks)


def still_fine(service: str, figures: Figures) -> Message:
    """A watch ended quietly."""
    name = inline(service, 80)
    said = f"✅ The watch of {name} has ended: nothing got worse."
    blocks = [
        section(f"*{said}*"),
        *listing("Figures", _figures(figures)),
        context("Nothing was declared. If something looks wrong, assess it again."),
        *actions([button(labels.ASSESS, ids.ASSESS, service)]),
    ]
    return compose(f"{said} If something looks wrong, assess it again.", blocks)


def came_back(service: str, release: str, incident_id: str, *, seen: str) -> Message:
    """The release that an incident withdrew is live again."""
    name, withdrawn = plain(service, 40), plain(release, 60)
    said = f"⚠️ {name}: the withdrawn release {withdrawn} is live again"
    blocks = [
        header(said),
        section(
            f"It was withdrawn in {incident_id}. If somebody released it on purpose, with a fix "
            "under the same name, nothing needs to be done. If not, assess it now: perhaps a "
            "pipeline or a GitOps tool brought it back."
        ),
        context(f"Seen: {inline(seen, 300)}"),
        *actions([button(labels.ASSESS, ids.ASSESS, service, style="primary")]),
    ]
    return compose(f"{escape(said)}. Assess it now, or ignore this if it was on purpose.", blocks)


def _figures(figures: Figures) -> tuple[str, ...]:
    return (
        f"• Error rate: {words.error_rate(figures)}",
        f"• Response time: {words.latency(figures)}",
        f"• Release: {words.releases(figures)}",
        *words.gaps(figures),
    )
