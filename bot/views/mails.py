"""Mails: what customers and stakeholders are written, from the same templates for text and HTML."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.events import ExternalMessage, WordsAdded
from bot.domain.incident import Incident
from bot.domain.values import Instant
from bot.ports.deliveries import Mail
from bot.views.frame import Frame
from bot.views.telling import Public, Variables, by_mail, for_customers
from bot.views.texts import Texts


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
