"""Who may approve what, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.incident.approval import (
    Approval,
    ApprovalPolicy,
    Refusal,
    Right,
    check_approval,
    escalates_at,
    expires_at,
    is_approved,
)
from bot.incident.plan import Preflight, PreflightVerdict
from tests.incident.story import ALICE, BOB, NOON, PLAN

POLICY = ApprovalPolicy()
MANAGER = frozenset({Right.RELEASE_MANAGER})
ON_CALL = frozenset({Right.ON_CALL_LEAD})
BLOCKED = PLAN.model_copy(
    update={
        "preflights": (
            Preflight(name="capacity", verdict=PreflightVerdict.BLOCK, sentence="No pods."),
        )
    }
)


def approval(by: Any = BOB, plan_hash: str = PLAN.hash) -> Approval:
    return Approval(plan_hash=plan_hash, by=by, at=NOON)


def refusal(
    policy: ApprovalPolicy = POLICY, *, after: float = 60, **changes: Any
) -> Refusal | None:
    """What Bob hears when he approves Alice's plan so many seconds after it was proposed."""
    asked: dict[str, Any] = {
        "plan": PLAN,
        "plan_hash": PLAN.hash,
        "proposed_at": NOON,
        "requested_by": (ALICE,),
        "approvals": (),
        "actor": BOB,
        "rights": MANAGER,
        "now": NOON + timedelta(seconds=after),
    }
    return check_approval(policy, **{**asked, **changes})


def test_a_release_manager_may_approve_at_once() -> None:
    assert refusal(after=0) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"plan_hash": "0" * 64}, Refusal.OUTDATED),
        ({"plan": BLOCKED, "plan_hash": BLOCKED.hash}, Refusal.UNSAFE),
        ({"after": 1800}, Refusal.EXPIRED),
        ({"rights": frozenset()}, Refusal.NO_RIGHT),
        ({"rights": ON_CALL, "after": 299}, Refusal.NOT_YET),
        ({"actor": ALICE}, Refusal.OWN_REQUEST),
        ({"approvals": (approval(),)}, Refusal.TWICE),
    ],
)
def test_each_reason_for_refusing(changes: dict[str, Any], expected: Refusal) -> None:
    assert refusal(**changes) is expected


def test_the_on_call_lead_may_approve_once_the_manager_had_time_to_answer() -> None:
    assert refusal(rights=ON_CALL, after=300) is None
    assert escalates_at(POLICY, NOON) == NOON + timedelta(minutes=5)


def test_a_manager_who_is_also_on_call_need_not_wait() -> None:
    assert refusal(rights=MANAGER | ON_CALL, after=1) is None


def test_an_approval_holds_until_the_last_moment_before_the_plan_expires() -> None:
    assert refusal(after=1799.9) is None
    assert expires_at(POLICY, NOON) == NOON + timedelta(minutes=30)


def test_self_approval_is_possible_only_where_the_policy_allows_it() -> None:
    assert refusal(ApprovalPolicy(self_approval=True), actor=ALICE) is None


def test_approving_an_older_plan_does_not_count_as_approving_this_one_twice() -> None:
    assert refusal(approvals=(approval(plan_hash="1" * 64),)) is None


def test_a_quorum_counts_people_not_clicks() -> None:
    two = ApprovalPolicy(quorum=2)
    assert not is_approved(two, PLAN, [approval(), approval()])
    assert is_approved(two, PLAN, [approval(), approval(by=ALICE)])


def test_approvals_of_another_plan_do_not_count() -> None:
    assert not is_approved(POLICY, PLAN, [approval(plan_hash="2" * 64)])
    assert is_approved(POLICY, PLAN, [approval()])
