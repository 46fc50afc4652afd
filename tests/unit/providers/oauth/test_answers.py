from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.behaviours.oauth import LoginAnswer, Method, PendingLogin, answers
from providers_app.errors import InvalidLoginAnswer, LoginDenied
from providers_app.types.credentials import Secret

# What a code may be (RFC 6749 appendix A.11) without the characters that mean something else in a paste.
CODES = st.text(st.sampled_from([chr(n) for n in range(0x21, 0x7F) if chr(n) not in "#?%&\"'`<>()[]"]), min_size=1)
BARE = CODES.filter(lambda code: "://" not in code and not code.startswith(("code=", "state=", "error=")))
STATES = st.text(st.sampled_from("abcXYZ019-_"), min_size=1)


def pending(method: Method = "paste_url", state: str = "right") -> PendingLogin:
    return PendingLogin(flow="any", method=method, state=Secret(state))


@given(BARE, STATES)
def test_code_and_state_joined_by_a_hash(code: str, state: str) -> None:
    found = answers.parse(f"{code}#{state}")
    assert found.code == Secret(code)
    assert found.state == Secret(state)


@given(BARE)
def test_a_bare_code(code: str) -> None:
    assert answers.parse(f"  {code}\n") == LoginAnswer(code=Secret(code))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1), STATES)
def test_an_address_a_query_and_an_address_without_its_scheme(code: str, state: str) -> None:
    query = urlencode({"state": state, "code": code, "scope": "openid email"})
    forms = (
        f"http://localhost:1455/auth/callback?{query}",
        f"localhost:1455/auth/callback?{query}",
        f"?{query}",
        query,
    )
    for text in forms:
        found = answers.parse(text)
        assert (found.code, found.state) == (Secret(code), Secret(state)), text
        assert found.params == {"scope": "openid email"}


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        ("https://h/cb?code=abc&state=s#", "abc", "s"),
        ("https://h/cb?code=abc&state=s#_=_", "abc", "s"),
        ("https://h/cb?code=abc#s", "abc", "s"),
        ("https://h/cb#code=abc&state=s", "abc", "s"),
        ("https://h/cb?code=4%2F0Ab-c&state=s", "4/0Ab-c", "s"),
        ("4%2F0Ab-c", "4/0Ab-c", None),
        ("4/0Ab-c", "4/0Ab-c", None),
        ('"abc#s"', "abc", "s"),
        ("<https://h/cb?code=abc&state=s>", "abc", "s"),
        ("https://h/cb?code=abc\n  def&state=s", "abcdef", "s"),
        ("code=abc&state=s#", "abc", "s"),
        ("abc#", "abc", None),
        ("https://h/cb?state=s&code=a+b", "a b", "s"),
    ],
)
def test_the_shapes_that_people_paste(text: str, code: str, state: str | None) -> None:
    found = answers.parse(text)
    assert found.code.reveal() == code
    assert (found.state.reveal() if found.state else None) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "please paste the code here",
        "#state-only",
        "a#b#c",
        "https://h/cb",
        "https://h/cb?state=s",
        "https://h/cb?code=&state=s",
        "https://h/cb?code=a&code=b&state=s",
        "https://h/cb?code=a&state=s&state=t",
        "https://h/cb?code=%ff%fe&state=s",
        "https://h/cb?" + "&".join(f"p{n}=1" for n in range(100)),
        "code=",
        "кот",
        "abc\x00def",
        "a" * 20_000,
    ],
)
def test_what_is_no_answer_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidLoginAnswer) as caught:
        answers.parse(text)
    assert caught.value.hint
    if len(text.strip()) > 5:
        assert text.strip() not in caught.value.message


def test_the_address_of_the_sign_in_page_is_recognized() -> None:
    with pytest.raises(InvalidLoginAnswer, match="sign-in page"):
        answers.parse("https://auth.example/authorize?response_type=code&client_id=x&state=s&code_challenge=y")


@given(st.text(max_size=200))
def test_any_text_is_an_answer_or_refused(text: str) -> None:
    try:
        found = answers.parse(text)
    except InvalidLoginAnswer:
        return
    assert found.code or found.params.get("error")


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_callbacks_parameters_pass_unchanged(code: str, state: str) -> None:
    found = answers.of_params({"code": code, "state": state, "client_id": "c"})
    assert (found.code, found.state, found.params) == (Secret(code), Secret(state), {"client_id": "c"})


def test_a_callback_with_nothing_in_it() -> None:
    with pytest.raises(InvalidLoginAnswer):
        answers.of_params({"state": "s"})


@pytest.mark.parametrize("method", ["callback", "loopback", "paste_url", "paste_code"])
def test_the_right_state_is_taken_by_every_method(method: Method) -> None:
    answers.check(pending(method), LoginAnswer(code=Secret("c"), state=Secret("right")))


@pytest.mark.parametrize("method", ["callback", "loopback", "paste_url", "paste_code"])
@pytest.mark.parametrize("state", ["wrong", "Right", "right ", "rightt", "righ", "ríght"])
def test_another_state_is_refused_by_every_method(method: Method, state: str) -> None:
    with pytest.raises(InvalidLoginAnswer, match="another sign-in"):
        answers.check(pending(method), LoginAnswer(code=Secret("c"), state=Secret(state)))


@pytest.mark.parametrize("method", ["callback", "loopback", "paste_url"])
def test_a_missing_state_is_refused_unless_the_page_shows_only_a_code(method: Method) -> None:
    with pytest.raises(InvalidLoginAnswer, match="no state"):
        answers.check(pending(method), LoginAnswer(code=Secret("c")))
    answers.check(pending("paste_code"), LoginAnswer(code=Secret("c")))


def test_a_sign_in_without_a_state_asks_for_none() -> None:
    answers.check(pending("callback", state=""), LoginAnswer(code=Secret("c")))


def test_the_state_is_judged_before_the_error() -> None:
    with pytest.raises(InvalidLoginAnswer):
        answers.check(pending(), LoginAnswer(state=Secret("wrong"), params={"error": "access_denied"}))


def test_an_answer_without_a_code() -> None:
    with pytest.raises(InvalidLoginAnswer, match="no code"):
        answers.check(pending(), LoginAnswer(state=Secret("right"), params={"iss": "x"}))


@pytest.mark.parametrize(
    ("error", "description", "said"),
    [
        ("access_denied", "The user said no", "not allowed"),
        ("access_denied", "reason: missing_codex_entitlement.", "workspace may not"),
        ("admin_policy_enforced", "", "policy"),
        ("redirect_uri_mismatch", "", "redirect_uri_mismatch"),
        ("invalid_scope", "", "permission"),
        ("server_error", "", "failed"),
        ("temporarily_unavailable", "", "at the moment"),
        ("login_required", "", "own sign-in"),
        ("something_new", "", "something_new"),
        ("<script>alert(1)</script>", "", "without a name"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0", "", "without a name"),
    ],
)
def test_an_error_of_the_page_is_said_in_words(error: str, description: str, said: str) -> None:
    answer = LoginAnswer(state=Secret("right"), params={"error": error, "error_description": description})
    with pytest.raises(LoginDenied, match=said) as caught:
        answers.check(pending(), answer)
    assert caught.value.hint
    assert "<" not in caught.value.message


def test_a_pasted_error_address_is_a_denial_also_without_a_state() -> None:
    with pytest.raises(LoginDenied):
        answers.check(pending("paste_url"), answers.parse("http://127.0.0.1/cb?error=access_denied"))


def test_secrets_of_an_answer_are_not_printed() -> None:
    found = answers.parse(f"https://h/cb?code={quote('se/cret')}&state=alsosecret")
    assert "se/cret" not in repr(found)
    assert "alsosecret" not in repr(found)


ISSUER = "https://issuer.example"


@pytest.mark.parametrize(
    ("promised", "named", "said"),
    [
        (False, None, ""),
        (False, ISSUER, ""),
        (True, ISSUER, ""),
        (True, None, "does not say that it comes from"),
        (True, "https://evil.example", "names another server"),
        (False, "https://evil.example", "names another server"),
        (False, f"{ISSUER}/", "names another server"),
        (False, "", "names another server"),
    ],
)
@pytest.mark.parametrize("error", ["", "access_denied"])
def test_the_issuer_of_an_answer(promised: bool, named: str | None, said: str, error: str) -> None:
    """RFC 9207 section 2.4, for answers and errors alike."""
    state = Secret("s")
    login = PendingLogin(flow="f", method="callback", state=state, issuer=ISSUER, names_issuer=promised)
    params = {name: value for name, value in (("iss", named), ("error", error or None)) if value is not None}
    found = LoginAnswer(code=Secret("c"), state=state, params=params)
    if said:
        with pytest.raises(InvalidLoginAnswer, match=said) as caught:
            answers.check(login, found)
        assert ISSUER in caught.value.message and "evil" not in caught.value.message
    elif error:
        with pytest.raises(LoginDenied):
            answers.check(login, found)
    else:
        answers.check(login, found)


def test_an_issuer_that_is_not_known_is_not_compared() -> None:
    login = PendingLogin(flow="f", method="callback", state=Secret("s"))
    answers.check(login, LoginAnswer(code=Secret("c"), state=Secret("s"), params={"iss": "https://any.example"}))


def test_an_issuer_is_named_once() -> None:
    with pytest.raises(InvalidLoginAnswer, match="twice"):
        answers.parse(f"https://h/cb?code=a&state=s&iss={ISSUER}&iss=https://evil.example")
