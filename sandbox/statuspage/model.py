"""A page's state: what visitors would read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]
COMPONENT_STATUSES = {
    "operational",
    "under_maintenance",
    "degraded_performance",
    "partial_outage",
    "major_outage",
}


@dataclass
class Page:
    """One page."""

    id: str = "y2h6z0xk5r3t"
    components: dict[str, str] = field(default_factory=lambda: {"8kbf7d35c070": "operational"})
    """Ids and statuses."""
    incidents: dict[str, JSON] = field(default_factory=dict)
    """By their ids, oldest first."""
    notified: int = 0
    """How often the subscribers got a message."""

    def newest(self) -> list[JSON]:
        """All incidents, newest first."""
        return list(self.incidents.values())[::-1]

    def create(self, wanted: JSON) -> JSON:
        """Open an incident with its first update."""
        number = len(self.incidents) + 1
        incident: JSON = {
            "id": f"inc{number:09d}",
            "page_id": self.id,
            "created_at": _now(),
            "shortlink": f"https://stspg.io/{number}",
            "incident_updates": [],
            "metadata": {},
        }
        self.incidents[incident["id"]] = incident
        return self.update(incident, {"status": "investigating", **wanted})

    def update(self, incident: JSON, wanted: JSON) -> JSON:
        """Change an incident and its components; a body is one more update that people read."""
        for name in ("name", "status", "metadata"):
            if name in wanted:
                incident[name] = wanted[name]
        if "impact_override" in wanted:
            incident["impact"] = incident["impact_override"] = wanted["impact_override"]
        self.components.update(wanted.get("components") or {})
        incident["updated_at"] = _now()
        if incident.get("status") == "resolved":
            incident["resolved_at"] = _now()
        if wanted.get("body"):
            incident["incident_updates"].insert(
                0, {"status": incident["status"], "body": wanted["body"], "created_at": _now()}
            )
        if wanted.get("deliver_notifications", True):
            self.notified += 1
        return incident

    def said(self) -> list[tuple[str, list[str]]]:
        """Every incident's id with the statuses of its updates, oldest first."""
        return [
            (key, [update["status"] for update in reversed(incident["incident_updates"])])
            for key, incident in self.incidents.items()
        ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
