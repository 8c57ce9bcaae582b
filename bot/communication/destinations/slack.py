"""One more channel of Slack as a destination of the catalog."""

from __future__ import annotations

from typing import Literal

from bot.catalog.destination import Audience, Destination
from bot.catalog.types import ChannelRef
from bot.clouds.outside import Http, Secrets
from bot.communication.destinations.base import DestinationKind
from bot.core.findings import Finding, passed


class SlackDestination(Destination):
    """One more channel that gets what the stakeholders' channels get."""

    kind: Literal["slack"]
    channel: ChannelRef
    """The channel's id or name."""

    @property
    def read_by(self) -> Audience:
        """The company's own people."""
        return Audience.STAKEHOLDERS

    @property
    def slack_channels(self) -> tuple[str, ...]:
        """This one."""
        return (self.channel,)

    def address(self, name: str) -> str:
        """The channel's own, as of every other."""
        return f"{self.kind}:{self.channel}"


async def _check(
    _name: str, entry: SlackDestination, subject: str, _http: Http, _secrets: Secrets
) -> Finding:
    return passed(subject, f"It is the channel {entry.channel}, see “Slack channels”.")


SLACK = DestinationKind(
    name="slack",
    settings=SlackDestination,
    noun="",
    courier=lambda _, access: access.slack,
    check=_check,
)
