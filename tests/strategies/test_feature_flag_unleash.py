"""What only the real ``unleash-server`` can tell; ``make test-unleash`` runs this.

The contract of all flag services runs against it as well, in test_feature_flag_contract.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.core.errors import ForbiddenError, NotFoundError, PermanentError, RefusedError
from bot.incident.plan import PreflightVerdict
from strategies.registry import strategy
from tests.strategies import subjects
from tests.strategies.flag_services.fixtures import opened
from tests.strategies.flag_services.real_unleash import (
    ALICE,
    ENVIRONMENT,
    FLAG,
    HOME,
    RealUnleash,
    UnleashProcess,
)
from tests.strategies.flag_services.shop import FlagShop
from tests.strategies.subjects import Subject
from tests.strategies.test_every_strategy import (
    test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once,
    test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan,
    test_undo_restores_what_was_recorded,
)

__all__ = [
    "test_killed_before_and_after_every_effect_it_ends_alike_and_twice_is_once",
    "test_planning_changes_nothing_and_a_world_that_moves_stops_the_plan",
    "test_undo_restores_what_was_recorded",
]

pytestmark = pytest.mark.skipif(not HOME, reason="UNLEASH_HOME is not set: make test-unleash")


@pytest.fixture
async def shop(
    unleash_process: UnleashProcess, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FlagShop]:
    async with opened(RealUnleash(unleash_process), monkeypatch) as found:
        yield found


async def test_the_flag_goes_off_keeps_its_strategies_and_comes_back_with_them(
    shop: FlagShop,
) -> None:
    before = shop.flags.state
    plan = await shop.plan()
    assert plan.is_safe, plan.blocks
    assert plan.not_reversible == ()
    await shop.run_all(plan)
    assert shop.flags.state == (False, before[1])
    await shop.undo(plan)
    assert shop.flags.state == before


async def test_who_changed_it_last_is_told_by_the_newest_event(shop: FlagShop) -> None:
    shop.flags.turn(on=False)
    shop.flags.turn(on=True)
    plan = await shop.plan()
    [saved] = await strategy("feature-flag").evidence(
        shop.service, shop.world, release="oauth_auth on"
    )
    assert '"enabled": true' in saved.text
    step = plan.steps[0]
    who = shop.flags.edit()
    assert who == ALICE["username"]
    with pytest.raises(PermanentError, match="alice@example"):
        await shop.run(step)


async def test_a_wrong_token_is_named_by_its_variable_and_not_told(
    shop: FlagShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAG_TOKEN", "*:*.wrong-secret-8")
    with pytest.raises(PermanentError, match=r"does not accept the token.*FLAG_TOKEN") as caught:
        await shop.plan()
    assert "wrong-secret-8" not in str(caught.value)


async def test_a_client_token_may_not_even_look_and_the_right_is_named(
    shop: FlagShop, unleash_process: UnleashProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAG_TOKEN", unleash_process.client_token())
    with pytest.raises(ForbiddenError, match="toggle flags in production"):
        await shop.plan()


@pytest.mark.parametrize(
    "wrong", [{"flag": "no_such_flag"}, {"environment": "nowhere"}, {"project": "nowhere"}]
)
async def test_what_unleash_does_not_know_is_refused_before_anything_is_changed(
    shop: FlagShop, wrong: dict[str, str]
) -> None:
    with pytest.raises(NotFoundError, match="404"):
        await shop.with_target(**wrong).plan()
    assert shop.flags.is_on


async def test_a_flag_whose_only_strategy_was_disabled_is_off_already(
    shop: FlagShop, unleash_process: UnleashProcess
) -> None:
    [active] = shop.flags.state[1]
    disabled = [{"op": "replace", "path": "/disabled", "value": True}]
    unleash_process.call("PATCH", f"{ENVIRONMENT}/strategies/{active['id']}", disabled)
    with pytest.raises(RefusedError, match="off already"):
        await shop.plan()
    unleash_process.call("POST", f"{ENVIRONMENT}/on")
    assert len(shop.flags.state[1]) == 2  # Unleash has added a default one


async def test_an_archived_flag_is_not_there(
    shop: FlagShop, unleash_process: UnleashProcess
) -> None:
    unleash_process.call("DELETE", FLAG)
    with pytest.raises(NotFoundError):
        await shop.plan()


async def test_the_rights_of_the_token_are_read(shop: FlagShop) -> None:
    found = next(one for one in (await shop.plan()).preflights if one.name == "Rights")
    assert found.verdict is PreflightVerdict.PASS


@pytest.fixture
def subject(shop: FlagShop) -> Subject:
    return subjects.flag(shop)
