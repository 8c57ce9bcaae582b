"""Several plans as one: their order, and what the whole says and demands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from bot.domain.plan import Plan, PlanPart, Preflight, Step


class Placed(Protocol):
    """What has a place in the order."""

    @property
    def service(self) -> str:
        """Whose it is."""

    @property
    def cost(self) -> int:
        """Of its strategy; only compared."""

    @property
    def needs(self) -> frozenset[str]:
        """Every service that the service relies on, directly or not."""


P = TypeVar("P", bound=Placed)


def ordered(pieces: Sequence[P]) -> list[P]:
    """By cost, and among equals whoever needs the others first; else as given.

    A release is put out the other way round: first what is needed, then who needs it. So the
    older release of a caller is known to work with the newer release of what it calls, while the
    newer caller may need what the older callee does not have.
    """
    return sorted(pieces, key=lambda piece: (piece.cost, _above(piece, pieces)))


def _above(piece: Placed, pieces: Sequence[Placed]) -> int:
    """How many of the other services need this one and not the reverse (a circle is a tie)."""
    return len(
        {
            other.service
            for other in pieces
            if piece.service in other.needs and other.service not in piece.needs
        }
    )


def joined(service: str, plans: Sequence[Plan], notes: Sequence[Preflight]) -> Plan:
    """One plan for ``service``; what loses data or needs a second person does so in the whole.

    ``plans`` come in their order. The service's own part that moves users is the main one: its
    releases are those of the whole.
    """
    several = any(plan.service != service for plan in plans)
    main = _main(service, plans)
    return Plan(
        service=service,
        strategy="composed",
        from_release=_release(service, main, main.from_release),
        to_release=_release(service, main, main.to_release),
        steps=tuple(_named(step, plan, several) for plan in plans for step in plan.steps),
        preflights=(*notes, *(p for plan in plans for p in _preflights(plan, several))),
        not_reversible=_each(_said_of(plan, plan.not_reversible, several) for plan in plans),
        not_restored=_each(_said_of(plan, plan.not_restored, several) for plan in plans),
        data_loss=_told(((plan, plan.data_loss) for plan in plans), several),
        downtime=_told(((plan, plan.downtime) for plan in plans), several),
        candidates=main.candidates if main.service == service else (),
        version_after=_version_after(service, main),
        approvers=max(plan.approvers for plan in plans),
        typed_confirmation=" ".join(
            dict.fromkeys(plan.typed_confirmation for plan in plans if plan.typed_confirmation)
        ),
        parts=tuple(_part(plan) for plan in plans) if several else (),
        observed={_key(plan, several): plan.observed for plan in plans},
        observed_at=min(plan.observed_at for plan in plans),
    )


def _main(service: str, plans: Sequence[Plan]) -> Plan:
    """The first that moves users, the service's own before another's; the first if none does."""

    def place(plan: Plan) -> tuple[bool, bool]:
        return plan.service != service, not _part(plan).moves_users

    return min(plans, key=place)


def _release(service: str, main: Plan, release: str) -> str:
    return release if main.service == service else f"{main.service} {release}"


def _version_after(service: str, main: Plan) -> str | None:
    """The service's own version tells nothing where it is not rolled back itself."""
    return main.version_after if main.service == service else ""


def _part(plan: Plan) -> PlanPart:
    return PlanPart(
        service=plan.service,
        strategy=plan.strategy,
        from_release=plan.from_release,
        to_release=plan.to_release,
        version_after=plan.version_after,
    )


def _named(step: Step, plan: Plan, several: bool) -> Step:
    if not several:
        return step
    return step.model_copy(
        update={"title": f"{plan.service}: {step.title}", "service": plan.service}
    )


def _preflights(plan: Plan, several: bool) -> Iterable[Preflight]:
    whose = f"{plan.service}, {plan.strategy}" if several else plan.strategy
    return (one.model_copy(update={"name": f"{whose}: {one.name}"}) for one in plan.preflights)


def _key(plan: Plan, several: bool) -> str:
    return f"{plan.service}/{plan.strategy}" if several else plan.strategy


def _said_of(plan: Plan, texts: Sequence[str], several: bool) -> tuple[str, ...]:
    return tuple(f"{plan.service}: {text}" for text in texts) if several else tuple(texts)


def _each(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for group in groups for text in group))


def _told(pairs: Iterable[tuple[Plan, str]], several: bool) -> str:
    told = [
        f"{plan.service}: {text}" if several else text for plan, text in pairs if text != "None"
    ]
    return " ".join(dict.fromkeys(told)) or "None"
