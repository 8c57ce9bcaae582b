"""The three verdicts of the decision matrix, in words."""

from __future__ import annotations

from bot.domain.assessment import VerdictKind

LABELS = {
    VerdictKind.IMMEDIATE: "roll back now",
    VerdictKind.DISCUSS: "discuss a rollback",
    VerdictKind.MONITOR: "keep watching",
}
SYMBOLS = {
    VerdictKind.IMMEDIATE: "🔴",
    VerdictKind.DISCUSS: "🟠",
    VerdictKind.MONITOR: "🟢",
}
ADVICE = {
    VerdictKind.IMMEDIATE: "The procedure says: roll back now, without discussion.",
    VerdictKind.DISCUSS: "The procedure leaves it to the team: decide now, with these facts.",
    VerdictKind.MONITOR: "The procedure says: no rollback, keep watching.",
}
