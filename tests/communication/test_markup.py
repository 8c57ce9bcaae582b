"""Texts of people and machines: shown as they are, never obeyed, never cut without a word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from bot.communication import markup
from bot.core.values import Actor


def test_a_mention_in_somebodys_words_pings_nobody() -> None:
    assert markup.inline("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


def test_a_line_break_cannot_fake_another_line() -> None:
    assert markup.inline("slow\n✅ Approved by Ben") == "slow ✅ Approved by Ben"


def test_characters_that_reorder_or_hide_text_are_dropped() -> None:
    assert markup.clean("v1\u202e0.2v\u0000\u200b\ud800") == "v10.2v"
    assert markup.clean("🧑\u200d🚀") == "🧑\u200d🚀"


def test_what_does_not_fit_is_counted() -> None:
    assert markup.clip("x" * 100, 60) == "x" * 37 + "… (63 characters more)"


def test_a_short_name_that_does_not_fit_is_marked() -> None:
    assert markup.clip("x" * 30, 10) == "xxxxxxxxx…"


def test_an_escape_is_never_cut_in_half() -> None:
    assert markup.inline("&" * 100, 60) == "&amp;" * 7 + "… (93 characters more)"


@given(text=st.text(max_size=300), limit=st.integers(min_value=50, max_value=200))
def test_nothing_is_longer_than_its_limit_or_lost_without_a_word(text: str, limit: int) -> None:
    shown = markup.inline(text, limit)
    assert len(shown) <= limit
    assert shown == markup.inline(text, 10_000) or "characters more)" in shown
    assert all(len(line) <= limit for line in markup.quote(text, limit).splitlines())
    assert len(markup.quote(text, 400)) <= 400 + 2 * len(text.splitlines())
    assert len(markup.plain(text, limit)) <= limit
    assert len(markup.code(text, limit)) <= limit


def test_a_code_block_cannot_be_left_early() -> None:
    assert markup.code_block("a ```b``` c", 100).count("```") == 2


def test_a_command_with_a_backtick_is_shown_without_code_marks() -> None:
    assert markup.code("echo `date`") == "echo `date`"
    assert markup.code("kubectl get pods") == "`kubectl get pods`"


def test_slack_users_are_mentioned_and_others_named() -> None:
    assert markup.person(Actor(id="U0ANA0001", name="Ana")) == "<@U0ANA0001>"
    assert markup.person(Actor(id="cli:dev", name="<dev>")) == "&lt;dev&gt;"
    assert markup.person(Actor(id="U1> <!channel", name="")) == "somebody"


def test_a_crowd_is_counted() -> None:
    crowd = [Actor(id=f"U0{n:04d}", name="") for n in range(12)]
    assert markup.people(crowd).endswith("<@U00009>, and 2 more")


def test_times_are_told_in_the_readers_zone_with_utc_as_a_fallback() -> None:
    at = datetime(2026, 3, 14, 16, 5, tzinfo=timezone(timedelta(hours=2)))
    assert markup.moment(at) == "<!date^1773497100^{time}|14:05 UTC>"
    assert markup.day(at.astimezone(UTC)).endswith("|2026-03-14 14:05 UTC>")


def test_links_to_channels_in_our_own_sentences_work() -> None:
    said = markup.paragraph("Join <#C0INC0001>.\n<!channel> <https://evil.example>")
    assert said == "Join <#C0INC0001>.\n&lt;!channel&gt; &lt;https://evil.example&gt;"


def test_lines_that_do_not_fit_are_counted() -> None:
    told = markup.lines(["one line", "another line", "a third line"], 30)
    assert told == "… and 3 more — see the report"
    told = markup.lines(["one line", "another line", "the third line"], 35, more="in the plan")
    assert told == "one line\n… and 2 more — in the plan"


def test_lines_run_over_several_pages_before_they_are_folded() -> None:
    items = [f"line {n:03d}" for n in range(30)]
    pages = list(markup.pages(items, 100, most=2))
    assert len(pages) == 2
    assert pages[1].endswith("… and 12 more — see the report")
    assert all(len(page) <= 100 for page in pages)
    assert list(markup.pages(items[:3], 100, most=2)) == ["\n".join(items[:3])]
