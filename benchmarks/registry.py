"""Every benchmark, in the order of the table."""

from __future__ import annotations

from benchmarks.ack import Ack
from benchmarks.blue_green import BlueGreen
from benchmarks.dependencies import Dependencies
from benchmarks.memory import Memory
from benchmarks.model import Benchmark
from benchmarks.resume import Resume
from benchmarks.rolling import Rolling
from benchmarks.scopes import Scopes
from benchmarks.start import Start
from benchmarks.updates import Updates

BENCHMARKS: tuple[Benchmark, ...] = (
    Ack(),
    BlueGreen(),
    Rolling(),
    Updates(),
    Resume(),
    Start(),
    Memory(),
    Dependencies(),
    Scopes(),
)
