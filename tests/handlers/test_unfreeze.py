"""``/rollback unfreeze SERVICE``, over signed HTTP."""

from __future__ import annotations

from bot.incident import events as e
from bot.judge.counts import Judgement, RecoveryVerdict
from tests.company.deeds import approved, history, planned
from tests.handlers.conftest import Front


async def _answer(front: Front, name: str, words: str) -> str:
    result = await front.person(name).command(f"/rollback {words}", channel="ops")
    assert result.message is not None
    assert result.message.ephemeral
    return result.message.plain


async def test_an_approver_lifts_the_freeze_and_everybody_else_is_told_whom_to_ask(
    front: Front,
) -> None:
    incident = await planned(front.process)
    await approved(front.process, incident)
    await front.company.until(incident, lambda i: i.verification)
    proven = Judgement(verdict=RecoveryVerdict.RECOVERED, reasons=(), requests=600, errors=0)
    await front.process.journal.add(incident.id, e.Judged(judgement=proven, buckets=()))
    await front.company.until(incident, lambda i: i.freeze)
    assert "not in the team" in await _answer(front, "eve", "unfreeze checkout")
    assert "Known services" in await _answer(front, "ben", "unfreeze chekout")
    assert "unfreeze SERVICE" in await _answer(front, "ben", "unfreeze")
    assert front.company.shop.mark is not None
    said = await _answer(front, "ben", "unfreeze checkout")
    assert f"the freeze of {incident.id} for v2.1.0 is lifted" in said
    assert front.company.shop.mark is None
    assert "are not frozen" in await _answer(front, "ben", "unfreeze checkout")
    assert (await history(front.process, incident)).count("freeze_lifted") == 1
