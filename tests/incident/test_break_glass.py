"""Who may be named at a terminal, and who counts as one person."""

from __future__ import annotations

import pytest

from bot.core.values import Actor
from bot.incident.approval import Right, at_terminal, may_be_same, named

MANAGERS = ("ben@example.com", "U0ANA")
LEADS = ("carla@example.com",)


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("ben@example.com", Right.RELEASE_MANAGER),
        (" BEN@Example.com ", Right.RELEASE_MANAGER),
        ("u0ana", Right.RELEASE_MANAGER),
        ("carla@example.com", Right.ON_CALL_LEAD),
    ],
)
def test_a_person_has_the_right_that_the_catalog_gives_to_the_name(
    typed: str, right: Right
) -> None:
    found = named(typed, managers=MANAGERS, leads=LEADS)
    assert found is not None
    assert found.rights == {right}


@pytest.mark.parametrize("typed", ["", "  ", "mallory", "ben", "cli:"])
def test_a_name_that_the_catalog_does_not_have_is_nobody(typed: str) -> None:
    assert named(typed, managers=MANAGERS, leads=LEADS) is None


def test_members_of_a_group_cannot_be_told_from_others_and_the_record_says_so() -> None:
    found = named("Dan", managers=("S0614TZR7",), leads=LEADS)
    assert found is not None
    assert found.rights == {Right.RELEASE_MANAGER}
    assert "S0614TZR7, which only Slack can tell" in found.standing
    assert named("S0614TZR7", managers=("S0614TZR7",), leads=()) != named(
        "S0614TZR7", managers=(), leads=()
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (at_terminal("ana"), Actor(id="ana@example.com", name="ana@example.com"), True),
        (Actor(id="U0ANA", name="Ana"), at_terminal("ANA@example.com"), True),
        (Actor(id="U0ANA", name="Ana"), Actor(id="U0ANA", name="U0ANA"), True),
        (at_terminal("ana"), Actor(id="ben@example.com", name="ben@example.com"), False),
        (at_terminal("ana"), at_terminal("anabel"), False),
    ],
)
def test_one_person_under_two_names_does_not_count_twice(
    one: Actor, other: Actor, same: bool
) -> None:
    assert may_be_same(one, other) is same
    assert may_be_same(other, one) is same
