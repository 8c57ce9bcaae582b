"""What couriers over HTTP share: the catalog's entry of a delivery, and answers as errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

from bot.catalog.catalog import Catalog
from bot.catalog.destination import Destination
from bot.clouds.outside import Http, HttpAnswer, Method, Secrets
from bot.core.clock import Clock
from bot.core.errors import (
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
)
from bot.core.findings import Finding
from bot.incident.external import DESTINATIONS
from bot.store.delivery import Courier, Delivery
from bot.store.values import Attachment

# What a kind of destination is made of.

Load = Callable[[str, str], Awaitable[Attachment | None]]
"""Reads a file that is kept with an incident, by the incident's id and the file's name."""


@dataclass(frozen=True, kw_only=True)
class CourierAccess:
    """What couriers reach destinations with."""

    slack: Courier
    """Carries to Slack's channels, the incidents' own among them."""
    http: Http
    secrets: Secrets
    clock: Clock
    load: Load


@dataclass(frozen=True, kw_only=True)
class DestinationKind:
    """A kind of destination. Registered in pyproject.toml, under ``rollback_bot.destinations``."""

    name: str
    settings: type[Destination]
    noun: str
    """What people call one, in front of its name; empty where the name is enough."""
    courier: Callable[[Mapping[str, Any], CourierAccess], Courier]
    """Carries to all destinations of this kind; they come with their settings by their names."""
    check: Callable[[str, Any, str, Http, Secrets], Awaitable[Finding]]
    """How far one gets without a message to the destination of this name and these settings; the
    finding has the given subject. Raises what the courier would."""


D = TypeVar("D")

CALL_SECONDS = 12.0
"""Four calls in a row end before the outbox takes a delivery for lost and tries anew."""
LONGEST_PAUSE = 3600.0
"""A destination that asks for more than an hour is asked again sooner."""


def entry_of(delivery: Delivery, known: Mapping[str, D]) -> tuple[str, D]:
    """The name and the catalog's entry that a delivery goes to.

    Raises PermanentError when the catalog no longer has it.
    """
    name = delivery.destination.partition(":")[2]
    if name not in known:
        raise PermanentError(
            f"The catalog has no destination “{name}” any more.",
            "Put it back under “destinations”, or tell its readers by hand.",
        )
    return name, known[name]


@dataclass(frozen=True)
class OutwardCourier(Generic[D]):
    """What a courier over HTTP has: the catalog's entries by their names, and how to reach them."""

    destinations: Mapping[str, D]
    _: KW_ONLY
    http: Http
    secrets: Secrets

    def entry_of(self, delivery: Delivery) -> tuple[str, D]:
        """As the function of this name."""
        return entry_of(delivery, self.destinations)


async def call(http: Http, method: Method, url: str, *, subject: str, **options: Any) -> HttpAnswer:
    """One request; any status is an answer.

    Raises what the client raises, but without the address: it may contain a secret.
    """
    try:
        return await http.request(method, url, timeout_seconds=CALL_SECONDS, **options)
    except OutcomeUnknownError:
        raise OutcomeUnknownError(f"{subject} did not answer.") from None
    except TemporaryError as error:
        raise TemporaryError(f"{subject} cannot be reached.", error.remedy) from None
    except PermanentError:
        raise PermanentError(
            f"{subject} cannot be asked: its address or a secret is not allowed.",
            "Look for line breaks in the variables that it names in rollback.yml.",
        ) from None


def error_of(
    answer: HttpAnswer, *, subject: str, said: str, remedies: Mapping[int, str]
) -> RollbackBotError:
    """The error that a status of 300 and more is; ``said`` is the other side's own explanation."""
    status = answer.status
    why = f" ({said})" if said else ""
    what = f"{subject} answered HTTP {status}{why}."
    remedy = remedies.get(status, "")
    # 409: the same delivery is being taken in at this very moment (Idempotency-Key).
    if status in {408, 409, 420, 425, 429}:
        return TemporaryError(what, retry_after=_pause(answer))
    if status >= 500:
        return OutcomeUnknownError(what)
    if status in {401, 403}:
        return ForbiddenError(what, remedy)
    if status in {404, 410}:
        return NotFoundError(what, remedy)
    return PermanentError(what, remedy)


def _pause(answer: HttpAnswer) -> float | None:
    """Seconds of ``Retry-After``; a date or nothing leaves the pause to the outbox."""
    stated = answer.headers.get("retry-after", "")
    if not stated.isdecimal():
        return None
    return min(max(1.0, float(stated)), LONGEST_PAUSE)


# The couriers to all kinds of destination.


def couriers_of(catalog: Catalog, access: CourierAccess) -> dict[str, Courier]:
    """One courier a kind, by what stands before the colon in a delivery's address."""
    return {
        kind.name: kind.courier(
            {name: one for name, one in catalog.destinations.items() if one.kind == kind.name},
            access,
        )
        for kind in DESTINATIONS
    }
