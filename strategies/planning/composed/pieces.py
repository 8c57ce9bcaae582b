"""The parts of a composed rollback, with everything that planning each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.targets.base import ComposedPart
from bot.errors import ConfigurationError, RefusedError
from bot.ports.world import Peer, Strategy


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part with everything that planning it takes."""

    part: ComposedPart
    service: str
    own: bool
    strategy: Strategy
    peer: Peer

    @property
    def cost(self) -> int:
        """Of its strategy."""
        return self.strategy.cost

    @property
    def needs(self) -> frozenset[str]:
        """Every service that it relies on, directly or not."""
        return self.peer.needs

    @property
    def moves(self) -> bool:
        """Whether it decides which release users reach."""
        return self.strategy.moves_users


def chosen(name: str, pieces: list[Piece], only: Sequence[str]) -> list[Piece]:
    """Those that were asked for; raises RefusedError for one that is not a part."""
    names = {_key(piece): {_key(piece), piece.service, str(piece.part)} for piece in pieces}
    for wanted in only:
        if not any(wanted in known for known in names.values()):
            known_parts = ", ".join(str(piece.part) for piece in pieces)
            raise RefusedError(
                f"The composed rollback of {name} has no part “{wanted}”.",
                f"Its parts: {known_parts}. A service's name stands for all of its parts.",
            )
    if not only:
        return pieces
    return [piece for piece in pieces if names[_key(piece)] & set(only)]


def _key(piece: Piece) -> str:
    return f"{piece.service}/{piece.part.strategy}"


def main_of(pieces: Sequence[Piece]) -> Piece:
    """The one that decides which release users of the service itself reach."""
    return min(pieces, key=lambda piece: (not piece.own, not piece.moves))


def check_described(piece: Piece) -> None:
    """Raises ConfigurationError for a part that its service does not describe."""
    beside = {target.strategy for target in piece.peer.entry.rollback}
    if piece.part.strategy not in beside:
        whose = f"{piece.service}'s" if not piece.own else "the service's"
        raise ConfigurationError(
            f"The composed rollback names the part “{piece.part}”, which {whose} rollback "
            "does not describe.",
            f"Describe it beside “composed” in the catalog; there are: {sorted(beside)}.",
        )
