"""Several plans as one: who comes first, and what the whole says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.incident.plan import Plan, Preflight, PreflightVerdict
from bot.incident.state import Undoing
from bot.incident.transitions import undo_plan
from strategies.composed.strategy import joined, ordered
from tests.incident.story import NOON, PLAN, step


@dataclass(frozen=True, kw_only=True)
class Piece:
    service: str
    strategy: str = "rolling"
    cost: int = 50
    needs: frozenset[str] = field(default_factory=frozenset)


def _order(*pieces: Piece) -> list[str]:
    return [f"{one.service}/{one.strategy}" for one in ordered(pieces)]


def _plan(service: str, strategy: str = "rolling", **changes: Any) -> Plan:
    known = {
        "service": service,
        "strategy": strategy,
        "from_release": f"{service} new",
        "to_release": f"{service} old",
        "steps": (step(f"Do {strategy}"),),
        "preflights": (Preflight(name="Rights", verdict=PreflightVerdict.PASS, sentence="Yes."),),
        "observed_at": NOON,
    }
    return Plan.model_validate({**known, **changes})


def test_who_calls_goes_back_before_what_it_calls_also_over_a_third() -> None:
    shop = Piece(service="shop", needs=frozenset({"orders", "ledger"}))
    orders = Piece(service="orders", needs=frozenset({"ledger"}))
    ledger = Piece(service="ledger")
    assert _order(ledger, orders, shop) == ["shop/rolling", "orders/rolling", "ledger/rolling"]
    assert _order(ledger, shop) == ["shop/rolling", "ledger/rolling"]


def test_cost_comes_before_dependencies_and_a_circle_keeps_the_given_order() -> None:
    shop = Piece(service="shop", strategy="database", cost=100, needs=frozenset({"ledger"}))
    flag = Piece(service="ledger", strategy="feature-flag", cost=10)
    assert _order(shop, flag) == ["ledger/feature-flag", "shop/database"]
    one = Piece(service="one", needs=frozenset({"two"}))
    two = Piece(service="two", needs=frozenset({"one"}))
    assert _order(two, one) == ["two/rolling", "one/rolling"]


def test_a_plan_over_several_names_each_service_wherever_it_speaks_of_one() -> None:
    losing: dict[str, Any] = {
        "data_loss": "7 rows.",
        "approvers": 2,
        "typed_confirmation": "ledger",
    }
    plans = [_plan("shop"), _plan("ledger", **losing), _plan("shop", "database")]
    plan = joined("shop", plans, ())
    assert [one.title for one in plan.steps] == [
        "shop: Do rolling",
        "ledger: Do rolling",
        "shop: Do database",
    ]
    assert [one.service for one in plan.steps] == ["shop", "ledger", "shop"]
    assert plan.preflights[1].name == "ledger, rolling: Rights"
    assert (plan.from_release, plan.to_release) == ("shop new", "shop old")
    assert (plan.data_loss, plan.approvers) == ("ledger: 7 rows.", 2)
    assert plan.typed_confirmation == "ledger"
    assert plan.services == ("shop", "ledger")
    assert [(one.service, one.from_release) for one in plan.moved] == [
        ("shop", "shop new"),
        ("ledger", "ledger new"),
    ]


def test_a_part_of_another_service_alone_says_nothing_about_the_own_version() -> None:
    plan = joined("shop", [_plan("ledger")], ())
    assert plan.service == "shop"
    assert (plan.from_release, plan.to_release) == ("ledger ledger new", "ledger ledger old")
    assert plan.expected_version == ""
    assert [part.expected_version for part in plan.moved] == ["ledger old"]


def test_the_hash_covers_every_part() -> None:
    whole = joined("shop", [_plan("shop"), _plan("ledger")], ())
    other = joined("shop", [_plan("shop"), _plan("ledger", to_release="ledger older")], ())
    assert whole.hash != other.hash


def test_the_undo_goes_the_other_way_for_every_part() -> None:
    flag = _plan("ledger", "feature-flag", version_after="")
    before = joined("shop", [flag, _plan("shop")], ())
    plan = undo_plan(Undoing(plan=before, done=(0, 1)), (), (), observed_at=NOON)
    assert [(part.service, part.to_release) for part in plan.parts] == [
        ("shop", "shop new"),
        ("ledger", "ledger new"),
    ]
    assert [part.expected_version for part in plan.parts] == ["shop new", ""]


def test_a_plan_for_one_service_is_its_own_only_part() -> None:
    (part,) = PLAN.involved
    assert (part.service, part.strategy, part.to_release) == ("checkout", "blue-green", "v2.0.0")
    assert PLAN.services == ("checkout",)
