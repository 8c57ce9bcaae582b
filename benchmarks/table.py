"""Findings for people (a table) and for programs (JSON)."""

from __future__ import annotations

import os
import platform
from typing import Any

from rich.table import Table

from benchmarks.model import Benchmark, Budget, Finding, Spread, Unit


def table_of(findings: list[Finding], failures: dict[Benchmark, str]) -> Table:
    """What, ours, the peer's, their ratio, the budget, and whether it is kept."""
    table = Table(title=machine(), title_justify="left", show_lines=True)
    for column in ("what", "ours", "peer", "ratio", "budget", ""):
        table.add_column(column, overflow="fold")
    for finding in findings:
        benchmark = finding.benchmark
        table.add_row(
            f"[b]{benchmark.name}[/b]: {benchmark.what}" + _behind(finding.samples.note),
            spread(finding.ours, benchmark.unit),
            (spread(finding.peer, benchmark.unit) if finding.peer else "")
            + _behind(benchmark.peer),
            spread(finding.ratio, "") if finding.ratio else "",
            budget(benchmark.budget, benchmark.unit),
            "[green]within[/green]" if finding.within else "[red]over[/red]",
        )
    for benchmark, why in failures.items():
        limit = budget(benchmark.budget, benchmark.unit)
        what = f"[b]{benchmark.name}[/b]: {benchmark.what}"
        table.add_row(what, "could not run", why, "", limit, "[red]unknown[/red]")
    return table


def document_of(findings: list[Finding], failures: dict[Benchmark, str]) -> dict[str, Any]:
    """The same with every single value, ready for JSON."""
    return {
        "machine": machine(),
        "results": [_result(finding) for finding in findings],
        "could_not_run": {benchmark.name: why for benchmark, why in failures.items()},
    }


def machine() -> str:
    """The machine in a few words; no date and no name."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def spread(values: Spread, unit: Unit) -> str:
    """The median, and the lowest and highest value where they differ."""
    middle = figure(values.median, unit)
    if values.lowest == values.highest:
        return middle
    return f"{middle} ({figure(values.lowest, unit)} – {figure(values.highest, unit)})"


def figure(value: float, unit: Unit) -> str:
    """One value with its unit, short seconds as milliseconds."""
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
    if unit == "MB":
        return f"{value:.0f} MB"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def budget(limit: Budget, unit: Unit) -> str:
    """The limit as a sentence has it."""
    if limit.of == "ratio":
        return f"≤ {limit.limit:g} ×"
    return f"≤ {limit.limit:g} {unit}".rstrip()


def _behind(text: str) -> str:
    return f"\n[dim]{text}[/dim]" if text else ""


def _result(finding: Finding) -> dict[str, Any]:
    benchmark, ratio = finding.benchmark, finding.ratio
    return {
        "name": benchmark.name,
        "what": benchmark.what,
        "peer_is": benchmark.peer,
        "unit": benchmark.unit,
        "ours": list(finding.samples.ours),
        "peer": list(finding.samples.peer),
        "ours_median": finding.ours.median,
        "peer_median": finding.peer.median if finding.peer else None,
        "ratio_median": ratio.median if ratio else None,
        "ratio_range": [ratio.lowest, ratio.highest] if ratio else None,
        "budget": {"limit": benchmark.budget.limit, "of": benchmark.budget.of},
        "within": finding.within,
        "note": finding.samples.note,
    }
