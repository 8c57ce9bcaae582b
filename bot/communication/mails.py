"""Carries messages to mailboxes by SMTP, with the standard library in a thread.

A mail server cannot be asked whether it took a mail. When the answer to a whole mail is lost it is
sent again with the same Message-ID: a doubled mail is better than a lost one, and mail systems
recognise the doublet by that id.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.communication.frame import Frame
from bot.communication.template_values import Public, Variables, by_mail, for_customers
from bot.communication.texts import Texts
from bot.core.values import Instant
from bot.incident.events import ExternalMessage, WordsAdded
from bot.incident.state import Incident
from bot.store.delivery import Mail

# Mails: what customers and stakeholders are written, from the same templates for text and HTML.


def stakeholder_mail(
    incident: Incident,
    frame: Frame,
    texts: Texts,
    *,
    kind: str,
    number: int = 0,
    words: Sequence[WordsAdded] = (),
) -> Mail:
    """What the company's own people read; ``kind`` as for ``by_mail``."""
    variables = by_mail(incident, frame, kind=kind, number=number, words=words)
    return _mail("stakeholder_mail", variables, texts)


def customer_mail(
    incident: Incident, public: Public, texts: Texts, now: Instant, *, words: str = ""
) -> Mail:
    """What customers read once recovery is proven; ``words`` are a person's own."""
    message = ExternalMessage.RESOLVED
    variables = for_customers(incident, public, now, message=message, words=words)
    return _mail("customer_mail", variables, texts)


def _mail(name: str, variables: Variables, texts: Texts) -> Mail:
    return Mail(
        subject=" ".join(texts.render(f"{name}_subject.txt.j2", variables).text.split()),
        text=texts.render(f"{name}.txt.j2", variables).text + "\n",
        html=texts.render(f"{name}.html.j2", variables).text + "\n",
    )
