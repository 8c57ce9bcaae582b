"""The whole journey at the terminal, as operators live it on the day Slack is down."""

from __future__ import annotations

from collections import Counter

from sandbox.cluster.base.resources import SERVICES
from sandbox.company import Company
from tests.terminal.conftest import UNPROVEN, StartCompany
from tests.terminal.operator import CTRL_C, Screen, run_all

RUN = ("run", "checkout", "--reason", "Customers cannot pay since the release")
ID = "INC-2026-001"
ALONE = {"self_approval": True}


def _live(company: Company) -> str:
    service = company.cluster.store.get(SERVICES, "shop", "checkout")
    return str(service["spec"]["selector"]["version"])


def _switches(company: Company) -> int:
    return sum(
        request.mutates and not request.dry_run and request.gvr.resource == "services"
        for request in company.cluster.server.requests
        if request.user == "rollback-bot"
    )


async def test_from_the_command_to_the_report_beside_a_bot_whose_slack_is_down(
    start: StartCompany,
) -> None:
    company = await start()
    await company.start_bot()
    company.slack.faults.server_error("*", status=503, times=None)
    ben = company.slack.workspace.user("ben")
    async with Screen(company, *RUN) as screen:
        await screen.until("Safe to run")
        await screen.until("Somebody else than ana has to approve")
        await screen.until("Name of the person who approves")
        screen.type(ben.id)
        await screen.until("type the service's name, checkout")
        screen.type("checkout")
        await screen.until("BREAK-GLASS")
        await screen.until("Judged RECOVERED")
        await screen.until("Root cause")
        screen.type("The new price service answers without a currency")
        await screen.until("Corrective actions")
        screen.type("Test baskets with two currencies; Alert on 1 % errors")
        await screen.until("The withdrawn release")
        screen.type("hotfix")
        await screen.until("Report published")
        assert await screen.ended() == 0
    assert (_live(company), _switches(company)) == ("blue", 1)

    listed, written = await run_all(
        company, [(("incidents",), {}), (("report", ID, "--output", "report"), {})]
    )
    assert "Resolved, recovery proven" in listed.out
    assert "terminal" in listed.out
    assert (written.code, written.err) == (0, "")
    report = (company.folder / "report" / f"{ID}-rollback-report.md").read_text()
    for part in (
        "RECOVERED",
        "BREAK-GLASS",
        "have U0BEN",
        "confirm",
        "Test baskets",
        "without Slack",
    ):
        assert part in report
    endings = Counter(path.suffix for path in (company.folder / "report").iterdir())
    assert endings == {".md": 3, ".html": 3, ".json": 1, ".png": 1, ".sh": 1}

    company.slack.faults.clear()
    answer = await company.slack.workspace.user("ana").command("/rollback history")
    assert answer.message is not None
    assert "at the terminal" in company.slack.workspace.render(answer.message)
    assert not [c for c in company.slack.workspace.channels if c.name.startswith("inc-")]


async def test_ctrl_c_pauses_and_resume_goes_on(start: StartCompany) -> None:
    company = await start(pace=UNPROVEN, approval=ALONE)
    async with Screen(company, *RUN, "--approved-by", "Ben on the phone") as screen:
        await screen.until("type the service's name")
        screen.type("checkout")
        await screen.until("Execution of plan")
        screen.press(CTRL_C)
        await screen.until("Pausing after this step")
        assert await screen.ended() == 3
        assert f"rollback-bot resume {ID}" in screen.text
    async with Screen(company, "resume", ID, login="carla") as screen:
        await screen.until("Paused after step")
        await screen.until("Judged")
        await screen.until("Enter: leave")
        screen.type("")
        assert await screen.ended() in {0, 4}
    assert (_live(company), _switches(company)) == ("blue", 1)


async def test_nothing_happens_unapproved_and_a_killed_run_is_taken_up(start: StartCompany) -> None:
    company = await start(pace=UNPROVEN)
    ben = company.slack.workspace.user("ben").id
    async with Screen(company, *RUN) as screen:
        await screen.until("Name of the person who approves")
        screen.type("mallory")
        await screen.until("type the service's name")
        screen.type("checkout")
        await screen.until("not a name under which the catalog knows an approver")
        await screen.until("Name of the person who approves")
        screen.type("ben")
        await screen.until("type the service's name")
        screen.type("yes")
        await screen.until("nothing was approved")
        assert await screen.ended() == 2
    assert (_live(company), _switches(company)) == ("green", 0)
    async with Screen(company, "resume", ID) as screen:
        await screen.until("Name of the person who approves")
        screen.type(ben)
        await screen.until("type the service's name")
        screen.type("checkout")
        await screen.until("Execution of plan")
        await screen.kill()
    async with Screen(company, "resume", ID) as one, Screen(company, "resume", ID) as other:
        for seat in (one, other):
            await seat.until("Judged")
    assert (_live(company), _switches(company)) == ("blue", 1)
