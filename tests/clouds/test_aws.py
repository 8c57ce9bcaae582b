"""AWS through boto3: real calls to moto's server, and every refusal in our words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from moto.server import ThreadedMotoServer

from bot.clouds.aws import BotoAws
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
    WorldMovedError,
)

REGION = "eu-north-1"  # moto keeps one account for the whole process


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of this machine's own."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "very-secret-key",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Refusing:
    """A server that answers every request in the same way, and counts them."""

    def __init__(self) -> None:
        self.status, self.code, self.requests = 200, "", 0
        self.answers = True
        self.page = ""
        """What is answered in place of AWS's XML, as a proxy does."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests += 1
                if not outer.answers:
                    self.close_connection = True
                    return
                page = outer.page or (
                    f"<ErrorResponse><Error><Type>Sender</Type><Code>{outer.code}</Code>"
                    "<Message>Because.</Message></Error></ErrorResponse>"
                )
                body = page.encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def refuse(self, status: int, code: str) -> None:
        self.status, self.code, self.requests, self.answers = status, code, 0, True
        self.page = ""

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def refusing() -> Iterator[Refusing]:
    server = Refusing()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def refused(refusing: Refusing) -> Iterator[BotoAws]:
    """One client for all: making one takes longer than calling it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", refusing.url)
        yield BotoAws()


async def read(aws: BotoAws) -> None:
    await aws.call("sts", "get_caller_identity", region=REGION)


async def write(aws: BotoAws) -> None:
    await aws.call("sts", "assume_role", region=REGION, RoleArn="r" * 20, RoleSessionName="bot")


async def test_an_operation_is_called_by_its_boto3_name(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    identity = await BotoAws().call("sts", "get_caller_identity", region=REGION)
    assert identity["Account"] == "123456789012"


async def test_a_listing_is_read_page_by_page_and_a_missing_thing_is_not_found(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    aws = BotoAws()
    for number in range(3):
        await aws.call(
            "elbv2",
            "create_target_group",
            region=REGION,
            Name=f"group-{number}",
            TargetType="lambda",
        )
    pages = await aws.pages("elbv2", "describe_target_groups", region=REGION)
    names = [group["TargetGroupName"] for page in pages for group in page["TargetGroups"]]
    assert sorted(names) == ["group-0", "group-1", "group-2"]
    missing = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:targetgroup/none/1"
    with pytest.raises(NotFoundError, match="TargetGroupNotFound"):
        await aws.call("elbv2", "describe_target_groups", region=REGION, TargetGroupArns=[missing])


async def test_many_calls_at_once_share_one_client(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    aws = BotoAws()
    answers = await asyncio.gather(
        *(aws.call("sts", "get_caller_identity", region=REGION) for _ in range(8))
    )
    assert {answer["Account"] for answer in answers} == {"123456789012"}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", ForbiddenError),
        (400, "AccessDeniedException", ForbiddenError),
        (403, "ExpiredToken", ConfigurationError),
        (403, "InvalidClientTokenId", ConfigurationError),
        (403, "SignatureDoesNotMatch", ConfigurationError),
        (400, "RuleNotFound", NotFoundError),
        (404, "NoSuchEntity", NotFoundError),
        (409, "ConflictException", WorldMovedError),
        (412, "PreconditionFailed", WorldMovedError),
        (422, "InvalidLoadBalancerAction", PermanentError),
    ],
)
async def test_a_refusal_is_said_in_our_words_and_not_repeated(
    refusing: Refusing,
    refused: BotoAws,
    status: int,
    code: str,
    kind: type[RollbackBotError],
) -> None:
    refusing.refuse(status, code)
    with pytest.raises(kind, match=f"sts get_caller_identity: {code}: Because") as caught:
        await read(refused)
    assert type(caught.value) is kind
    assert refusing.requests == 1
    assert "very-secret-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "TooManyRequestsException"), (429, "TooManyRequests")],
)
async def test_a_throttled_call_is_repeated_and_then_temporary(
    refusing: Refusing,
    refused: BotoAws,
    status: int,
    code: str,
) -> None:
    refusing.refuse(status, code)
    with pytest.raises(TemporaryError) as caught:
        await write(refused)
    assert type(caught.value) is TemporaryError
    assert refusing.requests == 5


@pytest.mark.parametrize("answers", [True, False])
async def test_a_change_without_a_clear_answer_has_an_unknown_outcome_and_is_not_repeated(
    refusing: Refusing, refused: BotoAws, answers: bool
) -> None:
    refusing.refuse(500, "InternalFailure")
    refusing.answers = answers
    with pytest.raises(OutcomeUnknownError):
        await write(refused)
    assert refusing.requests == 1


async def test_reading_without_an_answer_is_repeated_because_it_changes_nothing(
    refusing: Refusing, refused: BotoAws
) -> None:
    refusing.refuse(200, "")
    refusing.answers = False
    with pytest.raises(TemporaryError) as caught:
        await read(refused)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert refusing.requests == 5


async def test_an_address_where_nobody_listens_is_temporary_also_for_a_change(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(TemporaryError, match="cannot be reached") as caught:
        await write(BotoAws())
    assert not isinstance(caught.value, OutcomeUnknownError)


async def test_missing_credentials_and_regions_are_a_matter_of_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="region"):
        await BotoAws().call("elbv2", "describe_listeners")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="credentials"):
        await read(BotoAws())


async def test_wrong_parameters_are_named_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="RuleArn"):
        await BotoAws().call("elbv2", "modify_rule", region=REGION, Actions=[])


async def test_a_proxys_page_in_place_of_an_answer_is_told(
    refusing: Refusing, refused: BotoAws
) -> None:
    refusing.refuse(200, "")
    refusing.page = "<html><body>Bad gateway & more"
    with pytest.raises(TemporaryError, match="not one of AWS") as told:
        await read(refused)
    assert "proxy" in told.value.remedy
    with pytest.raises(OutcomeUnknownError, match="not one of AWS"):
        await write(refused)
