"""What is known about a restore before it is a plan."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bot.config.targets.rds import RdsTarget
from bot.domain.values import Facts
from strategies.planning.rds.comparing import SqlComparison
from strategies.planning.rds.instances import Description, Instances, Which, identity_of, tags_of
from strategies.planning.rds.points import Point, Points, shown
from strategies.planning.rds.settings import settings_of
from strategies.preflights.writers import RecordedWriter

_LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class RdsChange:
    """From the live instance to one restored from a point."""

    target: RdsTarget
    live: Description
    found: Instances
    points: Points
    point: Point
    writers: tuple[RecordedWriter, ...]

    @property
    def source(self) -> Which:
        """The live instance, whatever it is called later."""
        return identity_of(self.live)

    @property
    def token(self) -> str:
        """The same for the same instance and point, so that a broken-off restore is found."""
        text = f"{self.source.model_dump_json()} {self.point.key}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def new(self) -> str:
        """Name of the instance that is restored into."""
        return beside(self.target.instance, f"restored-{self.token[:8]}")

    @property
    def aside(self) -> str:
        """Name under which the old instance is kept."""
        return beside(self.target.instance, f"before-{self.token[:8]}")

    @property
    def settings(self) -> Facts:
        """What the restored instance must be like."""
        return settings_of(self.live)

    @property
    def tags(self) -> dict[str, str]:
        """Of the live instance."""
        return tags_of(self.live)

    @property
    def engine(self) -> str:
        """Engine and version of the live instance."""
        return f"{self.live.get('Engine')} {self.live.get('EngineVersion')}"

    @property
    def sql(self) -> SqlComparison | None:
        """What is asked of the data, if the catalog says how."""
        sql = self.target.sql
        if sql is None:
            return None
        return SqlComparison(
            database=sql.database,
            connection=sql.connection,
            checks=sql.checks,
            minimum_share=sql.minimum_share,
        )


def live_release(live: Description) -> str:
    """The live data as a release: an instance is made anew by every restore."""
    created = identity_of(live).created
    return f"{live['DBInstanceIdentifier']} of {shown(created) if created else 'unknown'}"


def beside(instance: str, suffix: str) -> str:
    """A name that RDS accepts: 63 characters, no hyphen at the end and no two in a row."""
    return f"{instance[: _LONGEST_NAME - len(suffix) - 1].rstrip('-')}-{suffix}"
