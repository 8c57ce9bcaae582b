"""Three services that were released together; two of them go back in one plan."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.base.resources import DEPLOYMENTS
from sandbox.company import Company
from sandbox.shop import manifests
from sandbox.shop.delivery import rolled_out
from sandbox.slack.base.model import Message
from sandbox.witness import has_button
from tests.scenarios.checks import nothing_was_refused, said_once
from tests.scenarios.conftest import BAD_REQUESTS, StartCompany

GOOD, BAD = "v2.0.0", "v2.1.0"
FREEZE = "rollback-bot.dev/deploy-freeze"
DEPLOYED = {"checkout": "checkout-blue", "payments": "payments", "ledger": "ledger"}
"""The Deployment of each service."""
COMPOSED = {
    "strategy": "composed",
    # Not in the order in which they go back.
    "parts": [
        {"service": "ledger", "strategy": "rolling"},
        {"service": "payments", "strategy": "rolling"},
        "rolling",
    ],
}


async def test_callers_go_back_before_what_they_call_and_what_nobody_ticked_stays(
    start: StartCompany,
) -> None:
    journey = await start(prepare=_three_services)
    company = journey.company
    await _deploy(company, BAD)
    await company.measured(BAD_REQUESTS)
    await journey.until_declared("ana")
    card = await journey.plan_card()
    assert _in_order(card, "checkout", "payments", "ledger")

    ana = journey.person("ana")
    await ana.press(card, "open_replan")
    await journey.view(ana, lambda view: view.callback_id == "replan")
    await ana.fill_and_submit({"parts": ["rolling", "payments/rolling"]})
    chosen = await journey.message(lambda m: has_button(m, "approve") and "ledger" not in m.plain)
    assert _in_order(chosen, "checkout", "payments")
    await journey.approve("ben", chosen)
    await journey.until_recovered()

    # A freeze marks what was rolled back, and is the last that the bot writes there.
    await journey.until(lambda: all(_mark(company, name) for name in ("checkout", "payments")))
    assert _mark(company, "ledger") == ""
    assert _changed(company) == ["checkout-blue", "payments"]
    assert [_image(company, name) for name in ("checkout", "payments", "ledger")] == [
        f"shop/checkout:{GOOD}",
        f"shop/payments:{GOOD}",
        f"shop/ledger:{BAD}",
    ]
    # So much is said at once that Slack may ask the bot to slow down; nothing is lost by it.
    nothing_was_refused(company, allowed=frozenset({"ratelimited"}))
    said_once(company)


async def _three_services(company: Company) -> None:
    """Checkout calls payments, payments calls the ledger; the catalog knows all of them."""
    for manifest in manifests.payments_configuration():
        company.cluster.apply(manifest)
    await _deploy(company, GOOD)
    company.change_catalog(_describe)


def _describe(catalog: dict[str, Any]) -> None:
    services = catalog["services"]
    services["checkout"] |= {
        "dependencies": ["payments"],
        "rollback": [COMPOSED, _rolling("checkout")],
    }
    for name, needs in (("payments", ["ledger"]), ("ledger", [])):
        services[name] = {
            "instance_port": 8080,
            "dependencies": needs,
            "rollback": [_rolling(name)],
        }


def _rolling(service: str) -> dict[str, Any]:
    return {"strategy": "rolling", "namespace": "shop", "deployment": DEPLOYED[service]}


async def _deploy(company: Company, version: str) -> None:
    """Release all three in place, at once."""
    for manifest in (
        manifests.checkout_deployment("blue", version, replicas=2),
        manifests.payments_deployment(version, replicas=1),
        manifests.ledger_deployment(version),
    ):
        company.cluster.apply(manifest)
    for name in DEPLOYED.values():
        await rolled_out(company.cluster, name)


def _in_order(card: Message, *services: str) -> bool:
    """Whether the plan rolls these back, one behind the other."""
    places = [card.plain.find(f"{service}: `{BAD}` → `{GOOD}`") for service in services]
    return -1 not in places and places == sorted(places)


def _deployment(company: Company, service: str) -> dict[str, Any]:
    return company.cluster.store.get(DEPLOYMENTS, "shop", DEPLOYED[service])


def _image(company: Company, service: str) -> str:
    (container,) = _deployment(company, service)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def _mark(company: Company, service: str) -> str:
    return str(_deployment(company, service)["metadata"].get("annotations", {}).get(FREEZE, ""))


def _changed(company: Company) -> list[str]:
    """The Deployments that the bot has written to, by its first write to each."""
    written = (
        request.name
        for request in company.cluster.server.requests
        if request.mutates and request.gvr.resource == "deployments"
        if request.user == "rollback-bot"
    )
    return list(dict.fromkeys(written))
