"""Whether counts, replicas and users' tasks together prove that the target release serves well."""

from __future__ import annotations

from bot.domain.events import InstancesChecked, SmokeTested
from bot.domain.incident import Incident, Phase
from bot.domain.recovery import Judgement, RecoveryVerdict
from bot.domain.releases import same_release


def doubts(checked: InstancesChecked | None, target: str, *, versions_known: bool) -> list[str]:
    """Why the replicas do not prove that ``target`` serves everywhere; empty when they do.

    ``versions_known`` says whether replicas have a version path at all. An empty ``target``
    means that the rollback changes no version, so that versions prove nothing.
    """
    if checked is None:
        return ["the replicas have not been checked"]
    found = list(checked.problems)
    if not checked.instances:
        found.append("no replica of the service was found")
    for instance in checked.instances:
        if not instance.ready:
            found.append(f"{instance.name} is not ready{_because(instance.problem)}")
        elif not target:
            continue
        elif instance.version is None and versions_known and instance.askable:
            found.append(f"{instance.name} does not tell its version{_because(instance.problem)}")
        elif instance.version is not None and not same_release(instance.version, target):
            found.append(f"{instance.name} serves {instance.version}, not {target}")
    if checked.health_ok is False:
        found.append("the service's health check fails")
    if target and checked.version is not None and not same_release(checked.version, target):
        found.append(f"the service answers as {checked.version}, not {target}")
    return found


def smoke_doubts(tested: SmokeTested | None) -> list[str]:
    """Which of users' tasks do not work; empty when all do, or none is known."""
    if tested is None:
        return []
    return [
        f"smoke test “{one.name}” fails{_because(one.what)}"
        for one in tested.results
        if not one.passed
    ]


def weigh(judgement: Judgement, found: list[str]) -> Judgement:
    """The judgement after the replicas were heard: good counts alone do not prove recovery."""
    if not found:
        return judgement
    verdict = judgement.verdict
    if verdict is RecoveryVerdict.RECOVERED:
        verdict = RecoveryVerdict.INCONCLUSIVE
    return judgement.model_copy(
        update={"verdict": verdict, "reasons": (*found, *judgement.reasons)}
    )


def is_proven(incident: Incident) -> bool:
    """Whether recovery is proven now: a relapse or a new verification takes the proof back."""
    if incident.judged is None or incident.judged_at is None:
        return False
    if any(relapse.at >= incident.judged_at for relapse in incident.relapses):
        return False
    recovered = incident.phase in {Phase.RECOVERED, Phase.RESOLVED}
    return recovered and incident.judged.judgement.verdict is RecoveryVerdict.RECOVERED


def _because(problem: str) -> str:
    return f" ({problem})" if problem else ""
