"""Texts that a team replaces: found wrong at start-up, escaped for their surface, never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.communication import announcements, outcomes
from bot.communication.mails import customer_mail, stakeholder_mail
from bot.communication.template_samples import check_texts
from bot.communication.template_values import Public, for_customers
from bot.communication.texts import NAMES, Texts, built_in
from bot.core.errors import ConfigurationError
from bot.incident import events as e
from bot.incident.state import Incident, Phase
from tests.communication.checks import assert_message, shown
from tests.communication.examples import ANA, T0, frame, incident_in
from tests.company.harness import catalog_of

PUBLIC = Public(service="Checkout & <Pay>", company="Shop\r\nBcc: all@example.com")
HOSTILE = (
    "<!channel> <script>alert(1)</script> *bold* {{ 7 * 7 }} {% raw %}\r\nBcc: all@example.com\n"
)


def _hostile(phase: Phase = Phase.RECOVERED) -> Incident:
    return incident_in(
        phase,
        service="check<b>out",
        decision=e.Decision(
            reason=HOSTILE * 40, affected_users=HOSTILE, alternatives=HOSTILE, rationale=HOSTILE
        ),
        extra=(e.WordsAdded(by=ANA, text="x" * 3_000),) if phase is not Phase.RESOLVED else (),
    )


def test_the_built_in_texts_render_in_every_phase_and_severity() -> None:
    check_texts(catalog_of())


def test_all_texts_are_there_and_no_other() -> None:
    folder = Path(__file__).parents[2] / "bot" / "communication" / "templates"
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)


def _check(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_texts(catalog_of().model_copy(update={"texts": folder}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("update.mrkdwn.j2", "Hello\n{{ releas }}", "update.mrkdwn.j2:2: 'releas' is undefined"),
        ("team.mrkdwn.j2", "{% if missing %}", "team.mrkdwn.j2:1: Unexpected end of template"),
        ("customer_mail.txt.j2", "A\n\n{{ bad_release }}", "mail.txt.j2:3: 'bad_release' is"),
        ("external_title.txt.j2", " \n", "external_title.txt.j2:1: it renders to nothing"),
        ("customer_mail.html.j2", "{{ service.__class__.mro() }}", "html.j2:1: access to attr"),
        ("resolved.mrkdwn.j2", "a\n{{ 1 / number }}", "resolved.mrkdwn.j2:2: division by zero"),
    ],
)
def test_a_text_that_does_not_render_is_named_with_its_line_and_the_known_variables(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    told = _check(tmp_path)
    assert said in told
    assert "known variables: " in told
    assert str(tmp_path) in told


def test_a_file_of_no_use_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours")
    check_texts(catalog_of().model_copy(update={"texts": tmp_path}))
    (tmp_path / "updates.mrkdwn.j2").write_text("Hello")
    assert "no text has this name; did you mean update.mrkdwn.j2?" in _check(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "named by “texts” in the catalog, is not there" in _check(tmp_path / "gone")


def test_a_replaced_prose_stands_in_the_message_and_the_facts_remain(tmp_path: Path) -> None:
    (tmp_path / "update.mrkdwn.j2").write_text("Ahoy, number {{ number }}: {{ reason }}")
    incident = _hostile(Phase.EXECUTING)
    message = announcements.update_post(incident, frame(), number=3, texts=Texts(tmp_path))
    assert_message(message)
    said = shown(message)
    assert "Ahoy, number 3: &lt;!channel&gt;" in said
    assert "after the declaration" not in said
    assert "*Next:*" in said
    assert "x" * 500 in said


def test_a_text_that_fails_after_all_gives_way_to_the_built_in_one_and_says_so(
    tmp_path: Path,
) -> None:
    text = "{% if service == 'checkout' %}{{ 1 / 0 }}{% endif %}fine"
    (tmp_path / "complete.mrkdwn.j2").write_text(text)
    texts = Texts(tmp_path)
    said = shown(outcomes.completion_post(incident_in(Phase.RECOVERED), frame(), texts=texts))
    assert "*Status:* Rollback successful" in said
    assert "Your own text could not be used" in said
    assert "complete.mrkdwn.j2:1: division by zero" in said


def test_a_template_may_build_on_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "external_resolved.txt.j2").write_text(
        '{% include "builtin/external_resolved.txt.j2" %}\nHotline: 555-0100'
    )
    told = for_customers(
        incident_in(Phase.RECOVERED), PUBLIC, T0, message=e.ExternalMessage.RESOLVED
    )
    said = Texts(tmp_path).render("external_resolved.txt.j2", told).text
    assert said.startswith("We resolved an issue affecting")
    assert said.endswith("Hotline: 555-0100")


def test_prose_longer_than_slack_takes_is_counted_not_lost(tmp_path: Path) -> None:
    (tmp_path / "team.mrkdwn.j2").write_text("word more " * 2_000)
    message = announcements.team_assembled(
        incident_in(Phase.PLANNING), frame(), texts=Texts(tmp_path)
    )
    assert_message(message)
    assert "characters more)" in shown(message)


# -- mails ----------------------------------------------------------------------------------------


def test_customers_read_no_internals_and_nothing_is_injected() -> None:
    mail = customer_mail(_hostile(), PUBLIC, built_in(), T0, words="<b>Sorry</b>\nreally")
    whole = mail.subject + mail.text + mail.html
    for internal in ("v2.1.0", "v2.0.0", "alert(1)", "blue-green", "Ana", "INC-2026"):
        assert internal not in whole
    assert "\n" not in mail.subject
    assert "Checkout &amp; &lt;Pay&gt;" in mail.html
    assert "&lt;b&gt;Sorry&lt;/b&gt;<br>\nreally" in mail.html
    assert "<b>" not in mail.html
    assert "\nBcc:" not in mail.text


def test_customers_read_when_it_was_and_what_they_saw() -> None:
    text = customer_mail(incident_in(Phase.RECOVERED), Public(service="Checkout"), built_in(), T0)
    assert "on 14 March 2026 from 14:20 UTC to 14:" in text.text
    assert "What happened: an update of ours did not work" in text.text
    assert "Impact: Some requests failed" in text.text
    assert "Resolution: we went back to the previous version" in text.text
    assert text.text.rstrip().endswith("Your service team")


@pytest.mark.parametrize("kind", ["announcement", "update", "complete", "resolved"])
def test_stakeholders_read_everything_in_plain_words(kind: str) -> None:
    incident = incident_in(Phase.RESOLVED if kind == "resolved" else Phase.RECOVERED)
    words = (e.WordsAdded(by=ANA, text="Refunds are on hold."),)
    mail = stakeholder_mail(incident, frame(), built_in(), kind=kind, number=2, words=words)
    for text in (mail.text, mail.html):
        for token in ("<@", "<!date", "<#", "`", "&lt;@"):
            assert token not in text
        assert "v2.1.0 → v2.0.0" in text
        assert "Refunds are on hold." in text
        assert "Ben" in text
        assert "Error rate +10 min after the rollback: 0.13% of 3,000 requests" in text
    assert mail.subject.startswith("[INC-2026-001, Critical (P0)] ✅")
    if kind in {"complete", "resolved"}:
        assert "Rollback successful: the error rate is back to normal." in mail.text


def test_hostile_words_stay_words_in_a_mail() -> None:
    incident = _hostile(Phase.AWAITING_APPROVAL)
    mail = stakeholder_mail(incident, frame(), built_in(), kind="announcement", words=())
    assert "<script>" not in mail.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in mail.html
    assert "49" not in mail.html.replace("4900", "")
    assert "\nBcc:" not in mail.text
    assert "characters more)" in mail.text
