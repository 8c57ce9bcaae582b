"""Runs benchmarks one after the other and shows what they found."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.bytecode import compile_modules
from benchmarks.model import Benchmark, CannotRunError, Finding
from benchmarks.registry import BENCHMARKS
from benchmarks.table import document_of, table_of

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "benchmarks.json"
PLACES = ROOT / "build" / "benchmarks"


def main() -> None:
    """Exit code 1 only when a benchmark could not run: a figure over its budget is no failure."""
    wanted = _arguments()
    sys.exit(asyncio.run(_run(wanted.names, wanted.rounds)))


def _arguments() -> argparse.Namespace:
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="instead of each benchmark's own number")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(names)}")
    if wanted.rounds is not None and wanted.rounds < 1:
        parser.error("--rounds must be at least 1")
    return wanted


async def _run(names: list[str], rounds: int | None) -> int:
    console = Console(width=max(120, Console().width))
    findings: list[Finding] = []
    failures: dict[Benchmark, str] = {}
    for benchmark in BENCHMARKS:
        if names and benchmark.name not in names:
            continue
        console.print(f"{benchmark.name} … (load average {os.getloadavg()[0]:.1f})", style="dim")
        place = PLACES / benchmark.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            compile_modules()
            samples = await benchmark.measure(place, rounds or benchmark.rounds)
        except CannotRunError as error:
            failures[benchmark] = str(error)
        else:
            findings.append(Finding(benchmark=benchmark, samples=samples))
    console.print(table_of(findings, failures))
    OUTPUT.write_text(json.dumps(document_of(findings, failures), indent=2) + "\n")
    console.print(f"Every value: {OUTPUT.relative_to(ROOT)}", style="dim")
    return 1 if failures else 0
