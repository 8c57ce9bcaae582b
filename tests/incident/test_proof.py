"""Good counts alone prove nothing: every replica has its say."""

from __future__ import annotations

import pytest

from bot.incident.duties import replica_problems, weigh
from bot.incident.events import InstanceCheck, InstancesChecked
from bot.judge.counts import Judgement, RecoveryVerdict

RECOVERED = Judgement(
    verdict=RecoveryVerdict.RECOVERED, reasons=("at most 0.3 %",), requests=900, errors=1
)


def _checked(*instances: InstanceCheck, **more: object) -> InstancesChecked:
    given = {"health_ok": True, "version": "v2.0.0", **more}
    return InstancesChecked.model_validate({"instances": instances, **given})


def _replica(
    version: str | None = "v2.0.0", *, ready: bool = True, askable: bool = True
) -> InstanceCheck:
    return InstanceCheck(name="pod-1", ready=ready, version=version, askable=askable)


def test_replicas_that_all_run_the_target_leave_no_doubt() -> None:
    checked = _checked(_replica(), _replica("2.0.0"))
    assert replica_problems(checked, "v2.0.0", versions_known=True) == []


@pytest.mark.parametrize(
    ("checked", "said"),
    [
        (None, "have not been checked"),
        (_checked(), "no replica"),
        (_checked(_replica(ready=False)), "is not ready"),
        (_checked(_replica("v2.1.0")), "serves v2.1.0, not v2.0.0"),
        (_checked(_replica(None)), "does not tell its version"),
        (_checked(_replica(), health_ok=False), "health check fails"),
        (_checked(_replica(), version="v2.1.0"), "answers as v2.1.0"),
        (_checked(_replica(), problems=("the service is silent",)), "the service is silent"),
    ],
)
def test_whatever_is_not_proven_is_named(checked: InstancesChecked | None, said: str) -> None:
    (doubt,) = replica_problems(checked, "v2.0.0", versions_known=True)
    assert said in doubt


def test_a_target_that_cannot_be_asked_owes_no_version() -> None:
    checked = _checked(_replica(None, askable=False))
    assert replica_problems(checked, "v2.0.0", versions_known=True) == []


def test_a_flag_changes_no_version_but_replicas_must_be_ready() -> None:
    running = _checked(_replica("v2.1.0"), version="v2.1.0")
    assert replica_problems(running, "", versions_known=True) == []
    broken = _checked(_replica("v2.1.0", ready=False), version="v2.1.0")
    assert len(replica_problems(broken, "", versions_known=True)) == 1


def test_a_doubt_turns_recovered_into_inconclusive_and_leaves_the_rest() -> None:
    judged = weigh(RECOVERED, ["pod-1 is not ready"])
    assert judged.verdict is RecoveryVerdict.INCONCLUSIVE
    assert judged.reasons == ("pod-1 is not ready", "at most 0.3 %")
    assert weigh(RECOVERED, []) == RECOVERED
