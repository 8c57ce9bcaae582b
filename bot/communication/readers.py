"""Who reads what beside the incident's channel: the catalog's destinations, as deliveries."""

from __future__ import annotations

from collections.abc import Iterator

from bot.catalog.catalog import Catalog
from bot.catalog.destination import Audience, Destination
from bot.communication.template_values import Public
from bot.core.values import Value
from bot.incident.assessment import Thresholds
from bot.incident.events import ExternalMessage
from bot.incident.external import is_significant, label_of
from bot.incident.state import Incident


class Readers(Value):
    """Everybody beside the incident's channel who is told about one incident."""

    channels: tuple[str, ...] = ()
    """Slack channels of the stakeholders, each once."""
    destinations: dict[str, Destination]
    """Those of the catalog that are for the incident's service and severity."""
    invitations: str = ""
    """The mailbox from which invitations to the post-mortem go out; empty for none."""
    public: Public

    def mailboxes(self, *, for_updates: bool = False) -> Iterator[str]:
        """Where stakeholders' mails go."""
        for name, entry in self.destinations.items():
            if entry.takes_mail and entry.read_by is Audience.STAKEHOLDERS:
                if for_updates and not entry.takes_updates:
                    continue
                yield entry.address(name)

    def customers(self, incident: Incident, message: ExternalMessage) -> dict[str, Destination]:
        """By their addresses: where customers are to read this message.

        They are written to only when it is over, and only when it has hit them hard enough.
        """
        mailed = message is ExternalMessage.RESOLVED and is_significant(
            incident, self.public.thresholds
        )
        return {
            entry.address(name): entry
            for name, entry in self.destinations.items()
            if entry.read_by is Audience.CUSTOMERS and (mailed or not entry.takes_mail)
        }

    def spoken(self, incident: Incident, message: ExternalMessage) -> tuple[str, ...]:
        """The destinations of a message to customers, as people know them."""
        return tuple(label_of(where) for where in self.customers(incident, message))


def readers_of(catalog: Catalog, incident: Incident) -> Readers:
    """Who is told about this incident."""
    declared = incident.declared
    found = catalog.destinations_of(declared.service, declared.verdict.severity)
    mailbox = catalog.destinations.get(catalog.post_mortem.email)
    entry = catalog.services.get(declared.service)
    own = entry.stakeholder_channels if entry else ()
    more = [channel for one in found.values() for channel in one.slack_channels]
    return Readers(
        channels=tuple(dict.fromkeys((*catalog.updates.channels, *own, *more))),
        destinations=found,
        invitations=mailbox.address(catalog.post_mortem.email) if mailbox else "",
        public=Public(
            service=catalog.public_name(declared.service),
            company=catalog.company,
            thresholds=entry.thresholds if entry else Thresholds(),
        ),
    )
