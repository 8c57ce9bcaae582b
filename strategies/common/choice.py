"""Choosing where to go back to: never a release that was marked bad, never blindly N-1."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.clouds.kubernetes.workloads import same_release
from bot.core.errors import RefusedError
from bot.core.values import Value
from bot.incident.plan import Candidate, Preflight, PreflightVerdict

NAME = "Target release"


class Option(Value):
    """A candidate with the other names under which a person may ask for it."""

    candidate: Candidate
    aliases: frozenset[str]
    """A colour, a revision number."""


class Choice(Value):
    """The option chosen, and what speaks for or against it."""

    option: Option
    preflight: Preflight


def rated(
    candidates: Sequence[Candidate], *, marked_bad: Collection[str], known_good: Collection[str]
) -> tuple[Candidate, ...]:
    """The candidates with what the bot has recorded about them."""
    return tuple(
        candidate.model_copy(
            update={
                "known_good": _is_among(candidate.release, known_good),
                "marked_bad": _is_among(candidate.release, marked_bad),
            }
        )
        for candidate in candidates
    )


def choose(
    options: Sequence[Option],
    *,
    live: str,
    target: str | None,
    marked_bad: frozenset[str],
    known_good: Sequence[str],
) -> Choice:
    """The release to go back to; ``options`` come the most recent first, without the live one.

    Raises RefusedError when there is nowhere to go, or nothing to do.
    """
    if target is None:
        return _default(options, live=live, marked_bad=marked_bad, known_good=known_good)
    option = _named(options, live, target)
    release = option.candidate.release
    if _is_among(release, marked_bad):
        sentence = f"{release} was marked bad in an earlier incident; choose another release."
        return Choice(option=option, preflight=_preflight(PreflightVerdict.BLOCK, sentence))
    if _is_among(release, known_good):
        sentence = f"{release} has served within its error limit before."
        return Choice(option=option, preflight=_preflight(PreflightVerdict.PASS, sentence))
    sentence = f"{release} was chosen by name; the bot has no record that it served well."
    return Choice(option=option, preflight=_preflight(PreflightVerdict.WARN, sentence))


def _named(options: Sequence[Option], live: str, target: str) -> Option:
    for option in options:
        if target in option.aliases:
            return option
    if same_release(target, live):
        raise RefusedError(
            f"Nothing to do: {live} is already live.", "Name another release to go back to."
        )
    for option in options:
        if same_release(target, option.candidate.release):
            return option
    known = ", ".join(f"{o.candidate.release} ({o.candidate.detail})" for o in options)
    raise RefusedError(
        f"There is no release “{target}” to go back to.",
        f"Choose one of: {known}." if known else "There is no other release at all.",
    )


def _default(
    options: Sequence[Option], *, live: str, marked_bad: frozenset[str], known_good: Sequence[str]
) -> Choice:
    others = [one for one in options if not same_release(one.candidate.release, live)]
    usable = [one for one in others if not _is_among(one.candidate.release, marked_bad)]
    for release in known_good:
        for option in usable:
            if same_release(option.candidate.release, release):
                sentence = f"{option.candidate.release} is the last release known to be good."
                return Choice(option=option, preflight=_preflight(PreflightVerdict.PASS, sentence))
    if usable:
        release = usable[0].candidate.release
        sentence = (
            f"The bot has no record of a good release; {release} is the most recent other one. "
            "Make sure that it is the right one."
        )
        return Choice(option=usable[0], preflight=_preflight(PreflightVerdict.WARN, sentence))
    if others:
        bad = ", ".join(sorted({option.candidate.release for option in others}))
        raise RefusedError(
            f"Every other release was marked bad ({bad}).", "Deploy a fixed release instead."
        )
    raise RefusedError(
        f"There is no other release than {live} to go back to.", "Deploy a fixed release instead."
    )


def _is_among(release: str, releases: Collection[str]) -> bool:
    """``2.1.0`` is marked as well where ``v2.1.0`` is: a label and an image may write it apart."""
    return any(same_release(release, one) for one in releases)


def _preflight(verdict: PreflightVerdict, sentence: str) -> Preflight:
    return Preflight(name=NAME, verdict=verdict, sentence=sentence)
