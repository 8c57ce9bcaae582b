"""What CloudWatch answered, over all pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.adapters.metrics.grid import Grid, added_up
from bot.config.metrics.cloudwatch import CloudWatchQuery
from bot.errors import ForbiddenError, PermanentError, RollbackBotError, TemporaryError

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


def key_of(query: CloudWatchQuery) -> Key:
    """What makes two queries the same question."""
    dimensions = tuple(sorted(query.dimensions.items()))
    return query.namespace, query.metric, query.statistic, dimensions


@dataclass(kw_only=True)
class Answers:
    """What came back, over all pages."""

    grid: Grid
    identities: dict[Key, str]
    """Question → its id."""
    _points: dict[str, dict[float, float]] = field(default_factory=dict)

    def take(self, page: dict[str, Any]) -> None:
        """Add a page. Raises ForbiddenError or TemporaryError for what is not complete.

        PartialData on a page that others follow is normal; boto3 then asks for the rest.
        """
        for result in page.get("MetricDataResults", ()):
            status = result.get("StatusCode", "Complete")
            said = "; ".join(str(m.get("Value", "")) for m in result.get("Messages", ()))
            if status == "Forbidden":
                raise ForbiddenError(
                    f"CloudWatch does not let us read a metric: {said or status}.",
                    "Grant the bot's role cloudwatch:GetMetricData.",
                )
            if status == "InternalError" or (status == "PartialData" and not page.get("NextToken")):
                raise TemporaryError(
                    f"CloudWatch answers in part: {said or status}.", "Try again in a minute."
                )
            points = self._points.setdefault(result["Id"], {})
            points.update(
                (at.timestamp(), value)
                for at, value in zip(result["Timestamps"], result["Values"], strict=True)
                if value is not None
            )
        for message in page.get("Messages", ()):
            raise _not_all(message)

    def has(self, query: CloudWatchQuery) -> bool:
        """Whether there is any point."""
        return bool(self.values(query))

    def values(self, query: CloudWatchQuery) -> list[float]:
        """The points, scaled."""
        identity = self.identities[key_of(query)]
        return [value * query.scale for value in self._points.get(identity, {}).values()]

    def counts(self, queries: Sequence[CloudWatchQuery]) -> list[float | None]:
        """The sum of several counts, minute by minute."""
        found = []
        for query in queries:
            identity = self.identities[key_of(query)]
            points = self._points.get(identity, {})
            found.append(self.grid.filled({at: n * query.scale for at, n in points.items()}))
        return added_up(found, self.grid.number)


def _not_all(message: dict[str, Any]) -> RollbackBotError:
    code, said = message.get("Code", ""), message.get("Value", "")
    return PermanentError(
        f"CloudWatch does not answer everything: {code} {said}.".replace(" .", "."),
        "Name fewer metrics under metrics in rollback.yml.",
    )
