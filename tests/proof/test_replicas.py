"""What replicas can be asked, and what is said where they cannot."""

from __future__ import annotations

from bot.proof.replicas import check_instances
from tests.company.deeds import planned
from tests.company.harness import Company


async def test_without_a_port_the_catalog_is_told_to_name_one(company: Company) -> None:
    process = await company.process(sends=False)
    incident = await planned(process)
    entry = process.context.catalog.services["checkout"]
    silent = entry.model_copy(update={"instance_port": None})
    process.context.catalog.services["checkout"] = silent
    checked = await check_instances(process.context, incident)
    assert {one.version for one in checked.instances} == {None}
    assert all("set the service's instance_port" in one.problem for one in checked.instances)
