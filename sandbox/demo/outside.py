"""What people outside the company read: the status page and their mail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

from sandbox.neighbours import BOARD, CUSTOMERS, Neighbours


@dataclass(frozen=True, kw_only=True)
class Read:
    """One thing that somebody read."""

    where: str
    text: str


class Readers:
    """Knows what was read already."""

    def __init__(self, around: Neighbours) -> None:
        self._around = around
        self._updates = 0
        self._letters = 0

    def news(self) -> Iterator[Read]:
        """What is new since the last time, oldest first."""
        yield from self._page()
        letters = self._around.mail.letters
        for letter in letters[self._letters :]:
            yield self._mail(letter.recipients, letter.message)
        self._letters = len(letters)

    def _page(self) -> Iterator[Read]:
        page = self._around.status_page.page
        told = [
            Read(
                where="customers read on the status page",
                text=f"*{incident['name']}* — *{update['status']}*\n{update['body']}",
            )
            for incident in page.incidents.values()
            for update in reversed(incident["incident_updates"])
        ]
        yield from told[self._updates :]
        self._updates = len(told)

    def _mail(self, recipients: list[str], mail: EmailMessage) -> Read:
        body = mail.get_body(preferencelist=("plain",))
        text = str(body.get_content()).strip() if body else ""
        calendars = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        attached = ["📅 with the invitation for calendars"] if calendars else []
        return Read(
            where=f"mail to {', '.join(_known(address) for address in recipients)}",
            text="\n".join([f"*{mail['Subject']}*", text, *attached]),
        )


def _known(address: str) -> str:
    named = {CUSTOMERS: "customers", BOARD: "the board"}
    return named.get(address, address.partition("@")[0])
