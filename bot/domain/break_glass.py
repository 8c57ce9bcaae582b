"""Approvals that are typed at a terminal: who may be named, and who counts as one person.

Without Slack nobody is proven to be who they say, so the rule is about names and is recorded as
break-glass; docs/decisions/011 has it in full.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.approval import Right
from bot.domain.values import Actor, Value

TERMINAL = "cli:"
"""Before the login or the typed name, in the id of somebody who was at a terminal."""


class Witness(Value):
    """Somebody whose approval may be taken at the terminal."""

    actor: Actor
    rights: frozenset[Right]
    standing: str
    """Why their approval counts, in a clause."""


def named(name: str, *, managers: Sequence[str], leads: Sequence[str]) -> Witness | None:
    """The person whom the catalog knows by this reference; None when it knows nobody by it.

    Members of a user group are known to Slack alone: where the catalog names groups, any name is
    taken for a member's, and the record says so.
    """
    wanted = name.strip().removeprefix(TERMINAL).casefold()
    if not wanted:
        return None
    lists = (
        (managers, Right.RELEASE_MANAGER, "release manager"),
        (leads, Right.ON_CALL_LEAD, "on-call lead"),
    )
    for references, right, title in lists:
        for reference in references:
            if reference.casefold() == wanted and not is_group(reference):
                actor = Actor(id=reference, name=reference)
                return Witness(actor=actor, rights=frozenset({right}), standing=title)
    for references, right, title in lists:
        group = next(filter(is_group, references), None)
        if group is not None:
            return Witness(
                actor=at_terminal(name),
                rights=frozenset({right}),
                standing=f"{title} if a member of {group}, which only Slack can tell",
            )
    return None


def is_group(reference: str) -> bool:
    """Whether a reference of the catalog is a Slack user group."""
    return reference.startswith("S") and "@" not in reference


def at_terminal(name: str) -> Actor:
    """Somebody known by a login or a typed name only."""
    known = " ".join(name.split())
    return Actor(id=f"{TERMINAL}{known.casefold()}", name=known)


def may_be_same(one: Actor, other: Actor) -> bool:
    """Whether two names may be one person's: a login, an e-mail address before the @, an id.

    Errs to yes: one person under two names must not count as two.
    """
    return bool(_names(one) & _names(other))


def _names(actor: Actor) -> set[str]:
    texts = (actor.id.removeprefix(TERMINAL), actor.name)
    return {part for text in texts for part in (text.casefold(), text.casefold().partition("@")[0])}
