"""The report as people read it: complete, true to the events, and safe whatever was typed."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.communication.markdown import cell, fenced, lines, quoted
from bot.core.values import Actor
from bot.incident import events as e
from bot.incident.plan import Plan
from bot.judge.counts import Bucket
from bot.reporting.chart import chart_alt_text, draw_chart
from bot.reporting.document import DocumentName
from bot.reporting.pages import render_markdown
from bot.reporting.report import Report, build_report
from tests.incident.story import ALICE, BOB, HEALTHY, NOON, PLAN, Story, complete

HEADINGS = [
    ("h2", "1. Executive Summary"),
    ("h2", "2. Rollback Trigger"),
    ("h3", "2.1. Reason for Rollback"),
    ("h3", "2.2. Severity Level"),
    ("h3", "2.3. Impact Assessment"),
    ("h2", "3. Rollback Procedure"),
    ("h3", "3.1. Rollback Plan"),
    ("h3", "3.2. Rollback Execution"),
    ("h3", "3.3. Rollback Time"),
    ("h3", "3.4. Personnel Involved"),
    ("h2", "4. Post-Rollback Analysis"),
    ("h3", "4.1. Verification of Rollback Success"),
    ("h3", "4.2. Root Cause Analysis (Initial)"),
    ("h3", "4.3. Corrective Actions"),
    ("h3", "4.4. Lessons Learned"),
    ("h2", "5. Appendix"),
    ("h3", "5.1. Timeline"),
    ("h3", "5.2. Step Journal"),
    ("h3", "5.3. Database Migration Log"),
    ("h3", "5.4. Log Patterns"),
    ("h3", "5.5. Communication"),
    ("h3", "5.6. Equivalent Shell Script"),
    ("h3", "5.7. Files"),
]
HOSTILE = (
    "# Heading | `code` <script>alert(1)</script> [link](http://evil.example)\n"
    "![picture](http://evil.example/p.png) **bold** __also__ ~~gone~~ &lt;b&gt; $x$\n"
    "---\n"
    "| a | b |\n| --- | --- |\n"
    "- item\n1. item\n> quote\n    code\n```\nfence\n```\n"
    "\u202etxt.exe \x1b[31m {{ 7 * 7 }} {% raw %} \\"
)


def parsed(markdown: str) -> list[Token]:
    """As a renderer sees it that lets HTML through and knows tables and strike-through."""
    return (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    )


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or ()]


def headings(tokens: list[Token]) -> list[tuple[str, str]]:
    return [
        (token.tag, tokens[index + 1].content)
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]


def text_of(tokens: list[Token]) -> str:
    """What a reader sees, without markup."""
    parts = []
    for token in tokens:
        if token.type in {"fence", "code_block"}:
            parts.append(token.content)
        parts += [
            "\n" if child.type in {"html_inline", "hardbreak"} else child.content
            for child in token.children or ()
        ]
        parts.append("\n")
    return "".join(parts)


def report_of(story: Story, counted: tuple[Bucket, ...] = ()) -> Report:
    return build_report(story.incident, story.recorded, counted=counted)


def rollback_report(report: Report) -> str:
    return render_markdown(report.document(DocumentName.ROLLBACK_REPORT))


def written(story: Story) -> str:
    return rollback_report(report_of(story))


def section(markdown: str, number: str) -> str:
    """The text under one heading."""
    after = re.split(rf"^#+ {re.escape(number)}\. .*$", markdown, maxsplit=1, flags=re.MULTILINE)[1]
    return re.split(r"^#+ \d", after, maxsplit=1, flags=re.MULTILINE)[0].strip()


def stopped() -> Story:
    """An execution with everything that can go otherwise than planned."""
    story = Story().declared().planned(baseline=None)
    story.tell(e.ApprovalEscalated(plan_hash=PLAN.hash), after=300)
    story.approved().tell(e.ExecutionStarted(plan_hash=PLAN.hash))
    story.tell(e.StepStarted(index=0)).tell(e.PauseRequested(by=ALICE))
    story.tell(e.StepStarted(index=0), after=30)
    story.tell(
        e.StepFinished(index=0, outcome=e.StepOutcome.ALREADY, summary="The selector is blue.")
    )
    story.tell(e.ResumeRequested(by=BOB)).tell(e.StepStarted(index=1))
    story.tell(e.StepFailed(index=1, what="Connections stay open.", remedy="Delete the pods."))
    failed = e.ExecutionFinished(
        outcome=e.ExecutionOutcome.FAILED, what="Connections stay open.", remedy="Delete the pods."
    )
    return story.tell(failed)


EMPTY_WORDS = e.Conclusion(root_cause="", follow_up=e.FollowUp.REPLAN)
STORIES: dict[str, Callable[[], Story]] = {
    "complete": complete,
    "not-recovered": lambda: (
        Story()
        .declared()
        .planned()
        .approved()
        .executed()
        .verified(*[(600, 120)] * 10)
        .resolved(EMPTY_WORDS)
    ),
    "stopped": lambda: stopped().resolved(EMPTY_WORDS),
    "no-plan": lambda: (
        Story()
        .declared()
        .tell(e.PlanningFailed(what="There is no older release.", remedy="Name one."))
        .resolved(EMPTY_WORDS)
    ),
    "rejected": lambda: (
        Story().declared().planned().tell(e.PlanRejected(by=BOB, reason="A fix is on its way."))
    ),
    "just-declared": lambda: Story().declared(),
}


@pytest.mark.parametrize("name", STORIES)
def test_every_section_of_the_template_is_there_and_none_is_empty(name: str) -> None:
    markdown = written(STORIES[name]())
    found = headings(parsed(markdown))
    assert found[0][1].startswith("Rollback Report – INC-2026-001: checkout v2.1.0")
    assert found[1:] == HEADINGS
    for tag, title in HEADINGS:
        number = title.partition(". ")[0]
        if tag == "h3" or number == "1":
            assert len(section(markdown, number)) > 5, title
    assert "laceholder" not in markdown
    assert "None\n" not in section(markdown, "4.2")


def test_the_same_events_give_the_same_report() -> None:
    assert written(complete()) == written(complete())
    assert draw_chart(report_of(complete())) == draw_chart(report_of(complete()))


def test_what_nobody_entered_is_said_to_be_missing() -> None:
    markdown = written(STORIES["not-recovered"]())
    assert section(markdown, "4.2").startswith("Nobody has entered a root cause yet.")
    assert section(markdown, "4.3").startswith("Nobody has entered a corrective action yet.")
    assert "Nobody has entered what went well yet." in section(markdown, "4.4")
    assert "Nobody has described the impact" in section(markdown, "2.3")


def test_a_service_that_did_not_recover_is_not_called_saved() -> None:
    markdown = written(STORIES["not-recovered"]())
    assert "The service did not recover" in section(markdown, "1")
    assert "- Recovery is not proven." in section(markdown, "1")
    assert "Verdict: NOT_RECOVERED." not in section(markdown, "1")
    assert "above the limit" in section(markdown, "4.1")
    assert "| Recovery proven | did not happen |" in section(markdown, "3.3")


def test_every_deviation_from_the_plan_is_told_in_order() -> None:
    told = section(written(stopped()), "3.2").partition("Deviations from the plan:")[2]
    expected = [
        "on-call leads were allowed to approve",
        "Alice Onwudiwe paused the execution",
        "Step 1 (Switch the Service to blue) was taken up again after an interruption",
        "Step 1 (Switch the Service to blue) was found done already",
        "Bob Meier let the execution go on",
        "Step 2 (Wait for open connections) failed: Connections stay open.",
        "The execution ended before its last step (failed)",
    ]
    places = [told.index(text) for text in expected]
    assert places == sorted(places)


def test_an_undisturbed_execution_says_so() -> None:
    assert "executed without a deviation" in section(written(complete()), "3.2")


def test_everybody_involved_is_named_with_role_and_deeds() -> None:
    people = section(written(complete()), "3.4")
    assert "| Bob Meier | Incident Commander | approved the plan, resolved the incident |" in people
    assert "| Alice Onwudiwe | Deployment Lead | declared the incident |" in people
    assert "Nobody was found for: Database Administrator." in people


def test_the_timeline_has_a_row_for_every_event() -> None:
    story = complete()
    rows = section(written(story), "5.1").splitlines()[2:]
    assert len(rows) == len(story.recorded)
    assert rows[0].startswith("| 2026-03-02 12:00:00 | Alice Onwudiwe | Incident declared")


def test_the_appendix_names_the_files_that_are_uploaded_beside_it() -> None:
    report = report_of(complete())
    assert report.chart_file == "INC-2026-001-error-rate.png"
    assert report.script_file == "INC-2026-001-rollback.sh"
    files = section(rollback_report(report), "5.7")
    for name in ("checkout-green.log", "service.yaml", report.chart_file, report.script_file):
        assert f"- {name}" in files


def test_failed_requests_are_told_for_before_during_and_after_where_they_were_counted() -> None:
    begun = NOON - timedelta(minutes=3)
    counted = tuple(
        Bucket(start=begun + timedelta(minutes=i), seconds=60, requests=600, errors=errors)
        for i, errors in enumerate([120, 130, 125, 90, 40, *[0] * 10])
    )
    report = report_of(complete(), counted)
    found = [(tally.requests, tally.errors) for tally in report.numbers.tallies]
    assert found == [(1800, 375), (1800, 130), (5400, 0)]
    assert "| Before the declaration | 1800 | 375 | counted |" in rollback_report(report)


def test_what_was_not_counted_is_unknown_and_not_zero() -> None:
    tallies = report_of(Story().declared()).numbers.tallies
    assert [tally.errors for tally in tallies] == [256, None, None]
    assert "| unknown | unknown | nothing was counted |" in written(Story().declared())
    assert "at least 256: not everything was counted" in written(Story().declared())


def hostile() -> Story:
    """An incident in which everybody typed the worst."""
    villain = Actor(id="U0EVIL", name="Eve | `x` <b>\n# Boss")
    story = Story().declared(HOSTILE)
    step = PLAN.steps[0].model_copy(update={"title": HOSTILE, "command": f"echo '{HOSTILE}'"})
    plan = Plan.model_validate(
        {**PLAN.model_dump(), "steps": (step, *PLAN.steps[1:]), "not_restored": (HOSTILE,)}
    )
    story.tell(e.Noted(subject=HOSTILE, what=HOSTILE, remedy=HOSTILE))
    story.planned(plan).approved(plan).executed(plan).verified(*HEALTHY)
    story.tell(e.WordsAdded(by=villain, text=HOSTILE))
    conclusion = e.Conclusion(
        root_cause=HOSTILE,
        corrective_actions=(HOSTILE, HOSTILE),
        went_well=HOSTILE,
        to_improve=HOSTILE,
        follow_up=e.FollowUp.DEFER,
        follow_up_timeline=HOSTILE,
        impact=HOSTILE,
    )
    return story.tell(e.Resolved(by=villain, conclusion=conclusion))


def test_hostile_texts_add_no_markup() -> None:
    tokens = parsed(written(hostile()))
    assert headings(tokens)[1:] == HEADINGS
    assert [t for t in tokens if t.type == "heading_open" and t.level] == []
    kinds = {token.type for token in inline(tokens)}
    assert kinds <= {"text", "softbreak", "hardbreak", "html_inline", "image", "text_special"}
    assert {t.content for t in inline(tokens) if t.type == "html_inline"} == {"<br>"}
    images = [t.attrs["src"] for t in inline(tokens) if t.type == "image"]
    assert images == ["INC-2026-001-error-rate.png"]
    types = {token.type for token in tokens}
    assert not types & {"html_block", "hr", "code_block"}


def test_hostile_texts_break_no_table() -> None:
    spoken = complete().tell(e.WordsAdded(by=ALICE, text="We are on it."))
    honest, other = (parsed(written(story)) for story in (spoken, hostile()))

    def columns(tokens: list[Token]) -> list[int]:
        rows, width = [], 0
        for token in tokens:
            width += token.type == "th_open"
            if token.type == "thead_close":
                rows.append(width)
                width = 0
        return rows

    assert columns(other) == columns(honest)


def test_nothing_that_was_typed_is_cut() -> None:
    shown = text_of(parsed(written(hostile())))
    for line in HOSTILE.splitlines()[:5]:
        assert shown.count(line.strip()) >= 5, line
    assert "{{ 7 * 7 }} {% raw %}" in shown


def test_long_texts_are_kept_whole() -> None:
    story = complete()
    long = " ".join(f"word{number}" for number in range(5_000))
    story.tell(e.WordsAdded(by=ALICE, text=long))
    assert long in written(story)


def test_invisible_characters_are_made_visible() -> None:
    assert "\u202e" not in written(hostile())
    assert "\x1b" not in written(hostile())
    assert cell("safe\u202egnp.exe") == "safe\ufffdgnp.exe"


text = st.text(
    st.one_of(st.sampled_from("#|`<>*_[]()!~&;-+=.1 \n\t\\$:/ah"), st.characters()), max_size=60
)


@settings(max_examples=150)
@given(typed=text)
def test_any_text_comes_out_as_text(typed: str) -> None:
    for block in (lines(typed), quoted(typed, "Ann"), "| x |\n| --- |\n| " + cell(typed) + " |"):
        tokens = parsed(block)
        assert {t.type for t in tokens} <= {
            *("paragraph_open", "paragraph_close", "inline", "blockquote_open", "blockquote_close"),
            *("table_open", "table_close", "thead_open", "thead_close", "tbody_open"),
            *("tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
        }
        allowed = {"text", "softbreak", "hardbreak", "html_inline", "text_special"}
        assert {t.type for t in inline(tokens)} <= allowed
        assert {t.content for t in inline(tokens) if t.type == "html_inline"} <= {"<br>"}


@given(code=text)
def test_code_stays_inside_its_fence(code: str) -> None:
    tokens = parsed(fenced(code, "sh") + "\n\nafter")
    assert [t.type for t in tokens][:2] == ["fence", "paragraph_open"]


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_the_chart_is_a_picture_that_fits_a_preview() -> None:
    assert size_of(draw_chart(report_of(complete())).png) == (1200, 675)


def test_a_chart_can_be_drawn_of_thin_data_long_names_and_no_marks() -> None:
    story = Story().declared()
    one = Bucket(start=NOON, seconds=60, requests=0, errors=0)
    long = story.incident.declared.model_copy(
        update={"bad_release": "v2.1.0-" + "x" * 120 + "$1_$"}
    )
    odd = Story().tell(long)
    odd.now += timedelta(minutes=5)
    odd.tell(e.UpdatePosted(number=1))
    for history in ((one,), (one.model_copy(update={"requests": 5, "errors": 5}),)):
        assert size_of(draw_chart(report_of(odd, history)).png) == (1200, 675)


def test_the_alternative_text_tells_what_the_chart_shows() -> None:
    told = chart_alt_text(report_of(complete()))
    for part in ("limit 0.60%", "baseline 0.10%", "switched at 12:01:06", "recovered at 12:12:08"):
        assert part in told
    assert chart_alt_text(report_of(Story().declared())).endswith("No requests were counted.")
