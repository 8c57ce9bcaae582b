"""Companies of the sandbox as the benchmarks want them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.processes import needed
from sandbox.catalog import Pace
from sandbox.cluster.node.timings import QUICK, KubeletTimings
from sandbox.company import ROOT, Company
from sandbox.journey import Journey

QUIET = Pace(requests_per_second=0, scrape=15, watch_every=15)
"""Nobody buys anything: the two cores are the bot's and the peer's."""

NORMAL_REQUESTS = 150
BAD_REQUESTS = 100


def busy(nodes: KubeletTimings = QUICK) -> Pace:
    """Customers enough that the figures speak, and pods that take as long as said."""
    return Pace(
        nodes=nodes,
        requests_per_second=30,
        scrape=1.0,
        live_window=4.0,
        bucket=1.0,
        checkpoints=(3.0, 6.0, 10.0),
        margin=0.045,
        drain=5.0,
    )


def with_example_catalog(company: Company) -> None:
    """Give the bot the catalog that its users begin with."""
    shutil.copy(ROOT / "examples" / "rollback.yml", company.folder / "rollback.yml")


async def with_bad_release(company: Company) -> Journey:
    """The bot knows what is normal, and then a release fails one request in eight."""
    await company.start_bot()
    await company.measured(NORMAL_REQUESTS)
    await company.release()
    await company.measured(BAD_REQUESTS)
    return Journey(company, patience=90)


def operators_shell(company: Company) -> dict[str, str]:
    """The environment of somebody who types the procedure's commands.

    Raises CannotRunError when kubectl or curl is not installed.
    """
    for program in ("kubectl", "curl"):
        needed(program)
    home: Path = company.folder / "operator"
    home.mkdir(exist_ok=True)
    config = company.cluster.write_kubeconfig(home / "kubeconfig", user="admin", namespace="shop")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KUBECONFIG": str(config),
        "URL": company.url,
    }
