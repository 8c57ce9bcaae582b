"""Labelled synthetic probes: sent while users are too few, and never counted twice.

What is going to be sent is written down before it is sent, and what came of it afterwards. A
process that dies in between leaves probes without an outcome: they are no evidence, but they are
subtracted from what the service counted as users' requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from bot.catalog.service import Probes
from bot.core.errors import RollbackBotError
from bot.engine.context import Context
from bot.engine.measuring import counted
from bot.incident.state import Incident
from bot.judge.counts import Baseline, complete_buckets
from bot.judge.judge import thin_baseline
from bot.judge.probes import ProbeBucket
from bot.store.values import Document, Lease

log = structlog.get_logger()

KIND = "probes"
BATCH = timedelta(seconds=5)
"""So long a batch lasts; what is known of it is written before and after."""
KEPT = timedelta(days=2)
AGENT = "rollback-bot (synthetic probe)"


async def tallied(context: Context, incident: Incident) -> tuple[ProbeBucket, ...]:
    """Every batch of this verification, of all processes that worked on it, in order of time."""
    prefix = _prefix(incident)
    found = [
        ProbeBucket.model_validate(body)
        for document in await context.store.documents(KIND)
        if document.id.startswith(prefix)
        for body in _bodies(document)
    ]
    return tuple(sorted(found, key=lambda bucket: bucket.start))


def _prefix(incident: Incident) -> str:
    since = incident.verification.since if incident.verification else incident.opened_at
    return f"{incident.id}/{since.timestamp():.6f}/"


def _bodies(document: Document) -> list[object]:
    batches = document.body.get("batches")
    return list(batches) if isinstance(batches, list) else []


@asynccontextmanager
async def sending(context: Context, incident: Incident, lease: Lease) -> AsyncIterator[None]:
    """Send probes in the background, as far as they are configured and needed, until left."""
    entry = context.service(incident.declared.service)
    baseline = incident.verification.baseline if incident.verification else None
    if entry.probes is None or baseline is None or baseline.error_rate is None:
        yield
        return
    prober = _Prober(context, incident, lease, entry.probes, baseline)
    task = asyncio.create_task(prober.run(), name=f"probe {incident.id}")
    try:
        yield
    finally:
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Exception):
            # A defect in the probing: it proved nothing, and nothing else depends on it.
            log.error("probes ended", incident=incident.id, exc_info=outcome)


class _Prober:
    """One process's probes of one verification."""

    def __init__(
        self,
        context: Context,
        incident: Incident,
        lease: Lease,
        probes: Probes,
        baseline: Baseline,
    ) -> None:
        self._context = context
        self._incident = incident
        self._service = incident.declared.service
        self._probes = probes
        self._baseline = baseline
        self._url = str(context.service(self._service).url).rstrip("/") + probes.path
        # Every holder of the lease has a document of its own: none overwrites another's counts.
        self._document = f"{_prefix(incident)}{lease.fence}"
        self._batches: list[ProbeBucket] = []

    async def run(self) -> None:
        """Probe for as long as the traffic is thin; look again with every interval."""
        await self._recall()
        policy = self._context.catalog.verification_of(self._service).judge
        while True:
            try:
                if await self._is_thin():
                    await self._probe_for(policy.bucket_seconds)
                else:
                    await self._context.clock.sleep(policy.bucket_seconds)
            except RollbackBotError as error:
                # Without probes the verdict is the same as without any configured.
                log.warning("probes interrupted", incident=self._incident.id, error=str(error))
                await self._context.clock.sleep(policy.bucket_seconds)

    async def _recall(self) -> None:
        """Go on from what this very holder of the lease has sent before."""
        known = await self._context.store.get(KIND, self._document)
        if known is not None:
            self._batches = [ProbeBucket.model_validate(body) for body in _bodies(known)]

    async def _is_thin(self) -> bool:
        """Whether users' requests cannot prove anything: usually, or just now."""
        verification = self._context.catalog.verification_of(self._service)
        policy = verification.judge
        if thin_baseline(self._baseline, verification.checkpoints[-1].total_seconds(), policy):
            return True
        entry = self._context.service(self._service)
        # What the source cannot know yet would look like thin traffic.
        now = self._context.clock.now() - (entry.metrics.late_by if entry.metrics else timedelta())
        since = self._incident.verification.since if self._incident.verification else now
        start = max(since, now - timedelta(seconds=2 * policy.bucket_seconds))
        if now - start < timedelta(seconds=policy.bucket_seconds):
            return False
        outcome = await counted(self._context, self._service, start, now)
        if isinstance(outcome, str):
            return False
        last = complete_buckets(outcome.buckets, now)[-1:]
        if not last or last[0].start in outcome.unread:
            return False
        begin, seconds = last[0].start, last[0].seconds
        users = last[0].requests - self._sent(begin, begin + timedelta(seconds=seconds))
        normal = self._baseline.requests_per_second * seconds
        return users < normal * policy.minimum_traffic

    def _sent(self, start: datetime, end: datetime) -> int:
        return sum(batch.sent for batch in self._batches if start <= batch.start < end)

    async def _probe_for(self, seconds: float) -> None:
        end = self._context.clock.now() + timedelta(seconds=seconds)
        while (now := self._context.clock.now()) < end:
            await self._batch(min(end, now + BATCH))

    async def _batch(self, end: datetime) -> None:
        """Write down how many, send them, write down what came of it."""
        start, every = self._context.clock.now(), self._probes.every
        planned = max(1, -((start - end) // every))
        batch = ProbeBucket(
            start=start,
            seconds=max(0.001, (end - start).total_seconds()),
            sent=planned,
            answered=0,
            failed=0,
        )
        self._batches.append(batch)
        await self._save()
        answered = failed = 0
        try:
            for number in range(planned):
                due = start + number * every
                await self._context.clock.sleep((due - self._context.clock.now()).total_seconds())
                failed += not await self._passes()
                answered += 1
        finally:
            self._batches[-1] = batch.model_copy(update={"answered": answered, "failed": failed})
            await self._save()
        await self._context.clock.sleep(
            (start + planned * every - self._context.clock.now()).total_seconds()
        )

    async def _passes(self) -> bool:
        headers = {self._probes.header: self._incident.id, "User-Agent": AGENT}
        seconds = self._probes.timeout.total_seconds()
        try:
            answer = await self._context.world.http.request(
                "GET", self._url, headers=headers, timeout_seconds=seconds
            )
        except RollbackBotError:
            return False
        return answer.status == self._probes.status

    async def _save(self) -> None:
        body = {"batches": [batch.model_dump(mode="json") for batch in self._batches]}
        expires_at = self._context.clock.now() + KEPT
        await self._context.store.put(
            Document(kind=KIND, id=self._document, body=dict(body), expires_at=expires_at)
        )
