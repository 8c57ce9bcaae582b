"""Smoke tests: what a catalog may ask for, and what an answer is held to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from bot.catalog.smoke_tests import (
    Capture,
    Expected,
    NotFoundInAnswerError,
    SmokeTest,
    captured,
    filled,
    filled_address,
    filled_json,
    unmet,
)
from bot.clouds.outside import HttpAnswer

JSON = HttpAnswer(
    status=200,
    text='{"user": {"name": "Ana", "roles": ["admin"]}, "access": {"token": "t-1"}, "id": 7}',
    headers={"content-type": "application/json; charset=utf-8", "location": "/next?a=1"},
)


def _test(*requests: dict[str, Any], **more: Any) -> SmokeTest:
    return SmokeTest.model_validate({"name": "log in", "requests": requests, **more})


def _said(*requests: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        _test(*requests, **more)
    return str(caught.value)


LOGIN = {"method": "POST", "path": "/login", "json": {"password": "{{password}}"}}
TOKEN = {"capture": {"token": {"json": "access.token"}}}


def test_a_token_may_be_captured_by_one_request_and_used_by_the_next() -> None:
    use = {"path": "/basket", "headers": {"Authorization": "Bearer {{token}}"}}
    test = _test({**LOGIN, **TOKEN}, use, secrets={"password": "SMOKE_PASSWORD"})
    assert [one.label for one in test.requests] == ["POST /login", "GET /basket"]


def test_a_variable_that_nothing_sets_is_refused_with_its_place_and_what_there_is() -> None:
    said = _said(LOGIN, secrets={"pasword": "SMOKE_PASSWORD"})
    assert "request 1 (POST /login) uses {{password}}, which is neither a secret nor" in said
    assert "known here: pasword" in said


def test_a_variable_that_is_captured_too_late_is_refused_with_the_request_that_does() -> None:
    use = {"path": "/basket?t={{token}}"}
    said = _said(use, {"path": "/login", **TOKEN})
    assert "uses {{token}}, which only request 2 captures: move that one before it" in said


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"path": "/", "url": "https://a.example"}, "either path or url"),
        ({"path": "basket"}, "path must begin with “/”"),
        ({"url": "ftp://a.example"}, "url must begin with"),
        ({"path": "/", "method": "POST", "json": {}, "form": {"a": "b"}}, "one body"),
        ({"path": "/", "json": {"a": 1}}, "GET has no body"),
        ({"path": "/", "method": "HEAD", **TOKEN}, "can never be taken: an answer to HEAD"),
        ({"path": "/", "method": "HEAD", "expect": {"contains": "x"}}, "HEAD has no body"),
        ({"path": "/", "expect": {"status": 42}}, "between 100 and 599"),
        ({"path": "/", "capture": {"a": {"json": "b", "header": "c"}}}, "exactly one of"),
        ({"path": "/", "capture": {"a": {"pattern": "("}}}, "not a regular expression"),
    ],
)
def test_a_request_that_cannot_work_is_refused(request_: dict[str, Any], why: str) -> None:
    assert why in _said(request_)


def _unmet(**expected: Any) -> list[str]:
    wanted = Expected.model_validate(expected)
    hide = lambda text: text.replace("Ana", "***")  # noqa: E731 - a stand-in for the real one
    return unmet(wanted, JSON, {"name": "Ana", "id": 7}, hide=hide)


def test_an_answer_as_expected_is_met_in_every_part() -> None:
    assert not _unmet(
        status=[200, 201],
        json={"user.name": "{{name}}", "user.roles.0": "admin", "id": "{{id}}"},
        contains='"{{name}}"',
        not_contains="error",
        headers={"Content-Type": "APPLICATION/json"},
    )


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"status": 302}, "it answered 200 instead of 302"),
        ({"json": {"id": 8}}, "id is “7”, not “8”"),
        ({"json": {"user.name": "Ben"}}, "user.name is “***”, not “Ben”"),
        ({"json": {"user.age": 8}}, "the JSON body has no user.age"),
        ({"json": {"user.roles.3": "x"}}, "the JSON body has no user.roles.3"),
        ({"contains": "welcome"}, "the body lacks “welcome”"),
        ({"not_contains": "{{name}}"}, "the body has “{{name}}”"),
        ({"headers": {"X-Version": "2"}}, "header X-Version is missing"),
        ({"headers": {"Location": "/home"}}, "header Location is “/next?a=1”, without “/home”"),
    ],
)
def test_what_is_not_met_is_named_in_a_clause(expected: dict[str, Any], said: str) -> None:
    assert _unmet(**expected) == [said]


def test_a_long_wrong_value_is_cut_after_secrets_are_taken_out_of_it() -> None:
    answer = HttpAnswer(status=200, text='{"a": "' + "x" * 70 + 'topsecretvalue"}')
    wanted = Expected.model_validate({"json": {"a": "b"}})
    [said] = unmet(wanted, answer, {}, hide=lambda text: text.replace("topsecretvalue", "***"))
    assert "topse" not in said


def test_values_are_captured_from_json_headers_and_text() -> None:
    page = HttpAnswer(status=200, text='<input name="csrf" value="c-9">')
    assert captured(Capture.model_validate({"json": "access.token"}), JSON) == "t-1"
    assert captured(Capture(header="Location"), JSON) == "/next?a=1"
    assert captured(Capture(pattern='value="([^"]+)"'), page) == "c-9"
    assert captured(Capture(pattern="c-."), page) == "c-9"
    with pytest.raises(NotFoundInAnswerError, match="the body is not JSON"):
        captured(Capture.model_validate({"json": "token"}), page)


def test_variables_keep_their_type_where_they_stand_alone_and_are_escaped_in_paths() -> None:
    known: dict[str, JsonValue] = {"id": 7, "q": "a b/c", "next": "/next?a=1"}
    assert filled_json({"id": "{{ id }}", "text": "no {{id}}"}, known) == {"id": 7, "text": "no 7"}
    assert filled_address("/find/{{q}}", known) == "/find/a%20b%2Fc"
    assert filled_address("{{next}}", known) == "/next?a=1"
    assert filled("Bearer {{q}}", known) == "Bearer a b/c"
