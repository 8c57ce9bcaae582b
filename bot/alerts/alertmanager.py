"""The body of Alertmanager's webhook, version 4, and of Grafana's that is like it.

Sources: Alertmanager's ``webhook_config``, and the webhook contact point of Grafana Alerting.
Everything in it was written by strangers: it is cut here, and escaped where it is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.alerts.source import AlertSource, Notification
from bot.core.errors import RefusedError
from bot.core.values import Instant
from bot.incident.alerts import Alert, digest

NAME, SUMMARY, VALUES = 120, 400, 200
"""Characters kept of an alert's name, summary and values."""
LINK = 1_000
"""Characters of an address; Prometheus puts the whole expression into it."""
MOST_PROBLEMS = 3
_SUMMARIES = ("summary", "description", "message")
"""Annotations in which people say what is wrong, the best first."""


_SOURCES = {"4": "Alertmanager", "1": "Grafana"}
"""By the version of the body."""
# Without credentials: an address goes into reports.
_ADDRESS = re.compile(r"https?://[^/?#@\s]+(?:[/?#]\S*)?")


class _Wire(BaseModel):
    """What a sender writes; fields that are not read are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _WireAlert(_Wire):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: Instant = Field(alias="startsAt")
    ends_at: Instant | None = Field(default=None, alias="endsAt")
    fingerprint: str = ""
    values: dict[str, float | None] = Field(default_factory=dict)
    """Grafana's; Alertmanager sends none."""
    panel_url: Any = Field(default="", alias="panelURL")
    dashboard_url: Any = Field(default="", alias="dashboardURL")
    """Grafana's, and empty where the rule has none."""
    generator_url: Any = Field(default="", alias="generatorURL")

    @field_validator("labels", "annotations", "values", mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class _WireNotification(_Wire):
    version: Literal["4", "1"]
    """4 is Alertmanager's, 1 is Grafana's."""
    group_key: str = Field(alias="groupKey", min_length=1)
    alerts: tuple[_WireAlert, ...]


def parse(body: bytes) -> Notification:
    """Read a request's body; raises RefusedError that says where it is wrong."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError("The body is not JSON.", "Send Alertmanager's webhook body.") from error
    try:
        wire = _WireNotification.model_validate(content)
    except ValidationError as error:
        raise RefusedError(
            f"The body is no notification: {_problems(error)}.",
            "Send Alertmanager's webhook body, version 4.",
        ) from None
    source = _SOURCES[wire.version]
    alerts = tuple((dict(item.labels), _alert(item, source)) for item in wire.alerts)
    return Notification(group=wire.group_key, alerts=alerts)


ALERTMANAGER = AlertSource(name="alertmanager", parse=parse)


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(str(part) for part in item['loc'])[:80] or 'the body'}: {item['msg'][:120]}"
        for item in found[:MOST_PROBLEMS]
    ]
    return "; ".join(told) + (f"; and {len(found) - len(told)} more" if len(found) > 3 else "")


def _alert(wire: _WireAlert, source: str) -> Alert:
    annotations = wire.annotations
    summary = next((annotations[key] for key in _SUMMARIES if annotations.get(key)), "")
    return Alert(
        # Old senders have none; the labels are what it is made of.
        fingerprint=wire.fingerprint[:64] or digest(json.dumps(sorted(wire.labels.items()))),
        name=wire.labels.get("alertname", "")[:NAME],
        severity=wire.labels.get("severity", "")[:NAME],
        summary=summary[:SUMMARY],
        values=_values(wire)[:VALUES],
        source=source,
        link=_link(wire),
        error_rate=_share(annotations.get("error_rate", "")),
        latency_ms=_amount(annotations.get("latency_ms", "")),
        started_at=wire.starts_at,
        ended_at=(wire.ends_at or wire.starts_at) if wire.status == "resolved" else None,
    )


def _values(wire: _WireAlert) -> str:
    told: Sequence[str] = [
        f"{name} = {value:g}" for name, value in wire.values.items() if value is not None
    ]
    return ", ".join(told) or wire.annotations.get("value", "")


def _link(wire: _WireAlert) -> str:
    """Where the alert is shown; an address that is cut would lead nowhere, so it is left out."""
    for url in (wire.panel_url, wire.dashboard_url, wire.generator_url):
        if isinstance(url, str) and len(url) <= LINK and _ADDRESS.fullmatch(url):
            return url
    return ""


def _share(text: str) -> float | None:
    """``12.5%`` or ``0.125``; nothing for anything that is no share."""
    amount = _amount(text.strip().removesuffix("%"))
    if amount is None:
        return None
    share = amount / 100 if text.strip().endswith("%") else amount
    return share if share <= 1 else None


def _amount(text: str) -> float | None:
    try:
        amount = float(text)
    except ValueError:
        return None
    return amount if 0 <= amount < float("inf") else None
