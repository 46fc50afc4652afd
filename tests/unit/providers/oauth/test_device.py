import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.behaviours.oauth import PendingLogin, device
from providers_app.errors import BadAnswer, BadRequest, LoginDenied, LoginExpired
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient
from providers_app.wire.client import Http
from tests.unit.providers.oauth.conftest import TokenServer

PENDING = PendingLogin(
    flow="f", method="device", device_code=Secret("dc"), user_code="AB-CD", interval=5, client=OAuthClient(id="me")
)
GIVEN = {
    "device_code": "dc",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://example.com/device",
    "expires_in": 1800,
    "interval": 5,
}


async def test_asking_for_a_code(server: TokenServer, http: Http) -> None:
    server.answer(200, GIVEN)
    found = await device.request(server.endpoint, {"client_id": "me", "scope": "a"}, http)
    assert found == device.DeviceCode(
        device_code=Secret("dc"), user_code="WDJB-MJHT", url="https://example.com/device", interval=5, expires_in=1800
    )
    assert server.seen[0].form == {"client_id": "me", "scope": "a"}


@pytest.mark.parametrize(
    ("said", "interval"), [(None, 5), ("7", 7), (0, 5), (0.1, 1), (1, 1), (10_000, 60), ("x", 5), (-3, 5)]
)
def test_the_interval(said: object, interval: float) -> None:
    assert device.read({**GIVEN, "interval": said}).interval == interval


@pytest.mark.parametrize(
    "change",
    [
        {"device_code": None},
        {"user_code": ""},
        {"user_code": "a\nb"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": None},
        {"device_code": 5},
    ],
)
def test_an_answer_that_is_no_device_code(change: dict) -> None:
    with pytest.raises(BadAnswer):
        device.read({**GIVEN, **change})


def test_the_older_name_of_the_page() -> None:
    answer = {name: value for name, value in GIVEN.items() if name != "verification_uri"}
    assert device.read({**answer, "verification_url": "https://g.co/device"}).url == "https://g.co/device"


async def test_a_login_from_the_first_question_to_the_tokens(server: TokenServer, http: Http) -> None:
    server.answer(400, {"error": "authorization_pending"})
    server.answer(400, {"error": "slow_down"})
    server.answer(400, {"error": {"code": "authorization_pending"}})
    server.answer(429, b"", Retry_After="20")
    server.answer(503, b"")
    server.answer(200, {"access_token": "at"})
    pending, intervals = PENDING, []
    for _ in range(5):
        found = await device.poll(server.endpoint, pending, http)
        assert isinstance(found, PendingLogin)
        pending = found
        intervals.append(pending.interval)
    assert intervals == [5, 10, 10, 20, 40]
    assert await device.poll(server.endpoint, pending, http) == {"access_token": "at"}
    assert server.seen[0].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "dc",
        "client_id": "me",
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("access_denied", LoginDenied),
        ("authorization_declined", LoginDenied),
        ("expired_token", LoginExpired),
        ("invalid_grant", LoginExpired),
        ("invalid_request", BadRequest),
    ],
)
async def test_what_ends_it(server: TokenServer, http: Http, code: str, kind: type[Exception]) -> None:
    server.answer(400, {"error": code})
    with pytest.raises(kind):
        await device.poll(server.endpoint, PENDING, http)


async def test_a_server_that_is_away_is_asked_less_often(http: Http, server: TokenServer) -> None:
    gone = msgspec.structs.replace(server.endpoint, url="http://127.0.0.1:1/token")
    found = await device.poll(gone, PENDING, http)
    assert isinstance(found, PendingLogin)
    assert found.interval == 10


@given(st.floats(1, 300), st.floats(0, 1000), st.none() | st.floats(0, 10_000))
def test_an_interval_only_grows_and_stays_within_bounds(interval: float, longer: float, wait: float | None) -> None:
    before = msgspec.structs.replace(PENDING, interval=interval)
    after = device.waiting(before, longer=longer, at_least=wait).interval
    assert interval <= after <= 300
