"""What the demo measured from outside the bot: moments, and how the customers' requests ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.cluster.base.resources import SERVICES
from sandbox.company import Company


@dataclass(kw_only=True)
class Moments:
    """When things happened, seen by the people and in the cluster."""

    released: datetime
    asked: datetime | None = None
    declared: datetime | None = None
    approved: datetime | None = None
    switched: datetime | None = None
    judged: datetime | None = None
    resolved: datetime | None = None
    proven: bool = False

    def saw_switch(self, company: Company) -> bool:
        """Whether the Service sends customers to blue; remembers when that was first seen."""
        service = company.cluster.store.get(SERVICES, "shop", "checkout")
        if service["spec"]["selector"].get("version") != "blue":
            return False
        self.switched = self.switched or datetime.now(UTC)
        return True


def summary(company: Company, moments: Moments) -> list[tuple[str, str]]:
    """The rows of the closing table."""
    spans = [
        ("Decide: from the command to the incident", moments.asked, moments.declared),
        ("Approve: from the incident to the click", moments.declared, moments.approved),
        ("Switch: from the click to traffic on v2.0.0", moments.approved, moments.switched),
        ("Recovered: from the switch to the proof", moments.switched, moments.judged),
        ("Bad release live, from release to switch", moments.released, moments.switched),
    ]
    rows = [(name, _seconds(start, end)) for name, start, end in spans]
    phases = [
        ("Requests before the bad release", None, moments.released),
        ("Requests while it was live", moments.released, moments.switched),
        ("Requests after the switch", moments.switched, None),
    ]
    for name, start, end in phases:
        counts = company.load.counts(start, end)
        rows.append((name, f"{counts.total}, failed {counts.failed} ({counts.error_rate:.2%})"))
    return rows


def _seconds(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "did not happen"
    return f"{(end - start).total_seconds():.1f} s"
