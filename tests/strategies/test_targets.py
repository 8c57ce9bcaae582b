"""Where to go back to, however a release is written."""

from __future__ import annotations

import pytest

from bot.core.errors import RefusedError
from bot.incident.plan import Candidate, PreflightVerdict
from strategies.common.choice import Choice, Option, choose, rated

CANDIDATES = tuple(Candidate(release=one, detail="a revision") for one in ("2.1.0", "2.0.0"))
OPTIONS = [Option(candidate=one, aliases=frozenset()) for one in CANDIDATES]


def chosen(
    target: str | None = None, *, bad: frozenset[str] = frozenset(), good: tuple[str, ...] = ()
) -> Choice:
    return choose(OPTIONS, live="2.2.0", target=target, marked_bad=bad, known_good=good)


def test_a_release_marked_bad_is_bad_with_and_without_its_v() -> None:
    choice = chosen(bad=frozenset({"v2.1.0"}))
    assert choice.option.candidate.release == "2.0.0"
    named = chosen("2.1.0", bad=frozenset({"v2.1.0"}))
    assert named.preflight.verdict is PreflightVerdict.BLOCK
    bad, good = rated(CANDIDATES, marked_bad={"v2.1.0"}, known_good={"v2.0.0"})
    assert (bad.marked_bad, good.known_good) == (True, True)


def test_a_release_known_to_be_good_is_chosen_with_and_without_its_v() -> None:
    choice = chosen(good=("v2.0.0",))
    assert choice.option.candidate.release == "2.0.0"
    assert choice.preflight.verdict is PreflightVerdict.PASS


def test_a_release_is_found_by_either_spelling_and_the_live_one_is_nothing_to_do() -> None:
    assert chosen("v2.1.0").option.candidate.release == "2.1.0"
    with pytest.raises(RefusedError, match="Nothing to do"):
        chosen("v2.2.0")
