import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.behaviours.oauth.token_answer import LONGEST_S, moment, scopes_in, seconds, tokens_from
from providers_app.errors import BadAnswer, TokenOutcomeUnknown
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens

NOW = 1_800_000_000.0
CLIENT = OAuthClient(id="me", secret=Secret("s"))
BEFORE = Tokens(
    flow="f",
    access=Secret("old"),
    refresh=Secret("old-refresh"),
    id_token=Secret("old-id"),
    api_key=Secret("key"),
    expires_at=NOW - 5,
    earliest_refresh_at=NOW - 50,
    refresh_until=NOW + 99,
    scopes=("a", "b"),
    client=CLIENT,
    issuer="https://i",
    account_id="acct",
    account_label="ada@example.com",
    facts={"plan": "plus"},
    material={"m": Secret("x")},
)


def read(answer: dict, **options: object) -> Tokens:
    return tokens_from(answer, flow="f", client=CLIENT, issuer="https://i", now=NOW, **options)  # type: ignore[arg-type]


def test_a_first_answer() -> None:
    found = read(
        {
            "access_token": "at",
            "refresh_token": "rt",
            "id_token": "id",
            "token_type": "bearer",
            "expires_in": 3600,
            "scope": "a  b",
            "earliest_refresh_at": NOW + 3240,
            "refresh_token_expires_in": 100,
        }
    )
    assert found == Tokens(
        flow="f",
        access=Secret("at"),
        refresh=Secret("rt"),
        id_token=Secret("id"),
        expires_at=NOW + 3600,
        earliest_refresh_at=NOW + 3240,
        refresh_until=NOW + 100,
        scopes=("a", "b"),
        client=CLIENT,
        issuer="https://i",
    )


def test_a_silent_refresh_keeps_everything_but_the_times() -> None:
    found = read({"access_token": "new"}, before=BEFORE)
    changed = {"access": Secret("new"), "expires_at": None, "earliest_refresh_at": None}
    assert found == msgspec.structs.replace(BEFORE, **changed)


def test_what_a_refresh_says_replaces_what_was() -> None:
    found = read({"access_token": "n", "refresh_token": "r2", "id_token": "i2", "scope": "c"}, before=BEFORE)
    assert (found.refresh, found.id_token, found.scopes) == (Secret("r2"), Secret("i2"), ("c",))


@pytest.mark.parametrize(
    ("said", "ttl"),
    [
        (3600, 3600),
        ("3599", 3599),
        (3600.5, 3600.5),
        ("  60 ", 60),
        (0, 0),
        (-5, 0),
        (1e30, LONGEST_S),
        (None, 7),
        ("soon", 7),
        (True, 7),
        ([], 7),
        (float("inf"), 7),
        ("nan", 7),
    ],
)
def test_expires_in(said: object, ttl: float) -> None:
    found = read({"access_token": "a", "expires_in": said}, default_ttl=7)
    assert found.expires_at == NOW + ttl


def test_without_an_end_and_a_default_the_end_is_unknown() -> None:
    assert read({"access_token": "a"}).expires_at is None


def test_the_end_as_a_moment() -> None:
    assert read({"access_token": "a", "expires_on": str(int(NOW) + 40)}).expires_at == NOW + 40
    assert read({"access_token": "a", "expires_at": int(NOW - 40)}).expires_at == NOW


@pytest.mark.parametrize(
    ("said", "at"),
    [
        (NOW + 10, NOW + 10),
        (str(NOW + 10), NOW + 10),
        ((NOW + 10) * 1000, NOW + 10),
        (3240, NOW + 3240),
        ("2027-01-15T08:00:10Z", NOW + 10),
        ("2027-01-15T10:00:10+02:00", NOW + 10),
        ("2027-01-15T08:00:10", NOW + 10),
        (None, None),
        ("never", None),
        (True, None),
        ({}, None),
    ],
)
def test_moments(said: object, at: float | None) -> None:
    assert moment(said, NOW) == at


@pytest.mark.parametrize("token", [None, "", 5, ["x"], "a b", "a\nb", "ü", "x" * 70_000, {"a": 1}])
def test_no_usable_access_token(token: object) -> None:
    with pytest.raises(BadAnswer):
        read({"access_token": token, "refresh_token": "rt"})
    with pytest.raises(TokenOutcomeUnknown):
        read({"access_token": token, "refresh_token": "rt"}, before=BEFORE)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", None, ""])
def test_bearer_tokens_are_taken(kind: object) -> None:
    assert tokens_from({"access_token": "at", "token_type": kind}, now=NOW).access == Secret("at")


@pytest.mark.parametrize("kind", ["DPoP", "mac", "N_A", 7])
def test_other_kinds_of_tokens_are_refused(kind: object) -> None:
    answer = {"access_token": "at", "token_type": kind}
    with pytest.raises(BadAnswer, match="no bearer token"):
        tokens_from(answer, now=NOW)
    with pytest.raises(TokenOutcomeUnknown, match="no bearer token"):
        tokens_from(answer, now=NOW, before=Tokens(flow="f", refresh=Secret("rt")))


def test_a_refresh_token_that_is_none_does_not_replace_the_old_one() -> None:
    for value in (None, "", 5, "a b"):
        assert read({"access_token": "a", "refresh_token": value}, before=BEFORE).refresh == Secret("old-refresh")


@pytest.mark.parametrize(
    ("answer", "scopes"),
    [({"scope": "a b a"}, ("a", "b")), ({"scopes": ["a", 5, "b"]}, ("a", "b")), ({"scope": 5}, ()), ({}, ())],
)
def test_scopes(answer: dict, scopes: tuple[str, ...]) -> None:
    assert scopes_in(answer) == scopes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["access_token", "refresh_token", "id_token", "expires_in", "expires_on", "scope", "earliest_refresh_at"]
)


@given(st.dictionaries(NAMES, JSON), st.booleans())
def test_whatever_a_server_says_gives_tokens_or_a_typed_error(answer: dict, again: bool) -> None:
    try:
        found = read(answer, before=BEFORE if again else None)
    except (BadAnswer, TokenOutcomeUnknown):
        return
    assert found.access
    assert found.expires_at is None or NOW <= found.expires_at <= NOW + LONGEST_S
    assert found.refresh or not again


@given(JSON)
def test_seconds_are_never_negative_and_never_endless(value: object) -> None:
    found = seconds(value)
    assert found is None or 0 <= found <= LONGEST_S


def test_tokens_do_not_print_themselves() -> None:
    text = repr(read({"access_token": "top-secret-a", "refresh_token": "top-secret-r"}))
    assert "top-secret" not in text
