"""What customers read first, and what they read when a fix did not help."""

from __future__ import annotations

import pytest

from bot.communication.external import external_text
from bot.communication.template_values import Public
from bot.communication.texts import built_in
from bot.incident.events import ExternalMessage
from bot.incident.state import Phase
from tests.communication.examples import T0, incident_in

FIRST = ExternalMessage.INVESTIGATING
FIX = ExternalMessage.IDENTIFIED


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ((), "We are investigating a problem"),
        # The message is counted as sent before its words are made.
        ((FIRST,), "We are investigating a problem"),
        ((FIRST, FIX, FIRST), "Our first measures have not fully resolved"),
    ],
)
def test_only_who_was_told_of_a_fix_reads_that_it_failed(
    sent: tuple[ExternalMessage, ...], words: str
) -> None:
    incident = incident_in(Phase.PLANNING).model_copy(update={"external_sent": sent})
    public = Public(service="Checkout", company="Shop")
    assert words in external_text(incident, public, built_in(), T0, FIRST).text
