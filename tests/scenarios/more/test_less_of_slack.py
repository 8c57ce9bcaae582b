"""A Slack that offers less: the journey goes on, and the card says what is missing."""

from __future__ import annotations

from sandbox.journey import Journey
from tests.scenarios.conftest import BAD_REQUESTS, StartCompany

OPTIONAL = {
    "conversations.setTopic": "missing_scope",
    "pins.add": "not_allowed_token_type",
    "bookmarks.add": "unknown_method",
    "conversations.invite": "missing_scope",
    "users.lookupByEmail": "missing_scope",
}


async def test_missing_features_are_noted_and_stop_nothing(bad_release: Journey) -> None:
    company = bad_release.company
    for method, code in OPTIONAL.items():
        company.slack.faults.error(method, code)
    await bad_release.until_declared("ana")
    await bad_release.approve("ben")
    await bad_release.until_recovered()
    for code in set(OPTIONAL.values()):
        await bad_release.text(code)


async def test_one_bad_id_keeps_nobody_else_out(start: StartCompany) -> None:
    roles = {"Incident Commander": ["U0ANA000001"], "Deployment Lead": ["UNOBODY00"]}
    journey = await start()
    company = journey.company
    company.change_catalog(lambda catalog: catalog["people"]["roles"].update(roles))
    await company.bot.stop()
    await company.start_bot()
    await company.release()
    await company.measured(BAD_REQUESTS)
    channel = await journey.until_declared("ana")
    await journey.text("UNOBODY00")
    assert company.slack.workspace.user("dan").id in channel.members
    await journey.plan_card()


async def test_without_a_channel_the_incident_runs_where_it_was_asked_for(
    bad_release: Journey,
) -> None:
    company = bad_release.company
    company.slack.faults.error("conversations.create", "restricted_action")
    company.slack.workspace.add_bot("general")
    await bad_release.open_assessment("ana")
    await bad_release.assess("ana")
    await bad_release.declare("ana")
    bad_release.goes_on_in("general")
    await bad_release.text("no channel of its own")
    await bad_release.approve("ben")
    await bad_release.until_recovered()
