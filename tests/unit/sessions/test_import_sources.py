"""Files of other programs: what they are, and what logins are in them."""

import base64
import json
from typing import Any

import pytest

from providers_app import conf
from providers_app.errors import InvalidRequest
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin
from sessions_app.import_sources import formats, legacy
from sessions_app.providers import slugs

FUTURE = 4_000_000_000


def jwt(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


def key_file() -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "project_id": "proj-1",
        "private_key_id": "kid1",
        "private_key": pem,
        "client_email": "robot.one@proj-1.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


CODEX = {
    "OPENAI_API_KEY": "sk-proj-abcdefghijklmnop",
    "tokens": {
        "id_token": jwt({"sub": "u1", "email": "a@example.com"}),
        "access_token": jwt({"exp": FUTURE}),
        "refresh_token": "rt-never-to-be-used",
        "account_id": "acc-1",
    },
    "last_refresh": "2026-11-20T00:00:00Z",
}
ADC = {
    "type": "authorized_user",
    "client_id": "c.apps.googleusercontent.com",
    "client_secret": "s3cret-of-the-person",
    "refresh_token": "1//refresh",
    "quota_project_id": "proj-1",
    "account": "a@example.com",
}
PROFILE = {"version": 1, "authentication": {"type": "user_oauth", "client_id": "cli-client"}}
CREDENTIALS = {"version": 1, "type": "oauth_token", "access_token": "tok", "refresh_token": "rt", "expires_at": FUTURE}


@pytest.fixture
def codex_allowed() -> Any:
    tree = conf.current()
    openai = conf.provider("openai").model_copy(update={"enabled_flows": ("codex",)})
    model = build_model()()
    with conf.use(model.model_copy(update={"openai": openai, "allowed_private_hosts": tree.allowed_private_hosts})):
        yield


def read(*texts: Any, **options: Any) -> list[ImportedLogin]:
    plain = [text if isinstance(text, str) else json.dumps(text) for text in texts]
    return formats.read(formats.recognise(plain), plain, slugs(), **options)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([CODEX], "codex"),
        ([ADC], "gcloud"),
        ([{"type": "external_account"}], "gcloud"),
        ([{"type": "service_account"}], "service-account"),
        ([PROFILE, CREDENTIALS], "anthropic-profile"),
        ([CREDENTIALS, PROFILE], "anthropic-profile"),
        ([{"openai": "sk-1", "// Note": "x"}], "llm-keys"),
        (["# keys\nOPENAI_API_KEY=sk-1\n"], "env"),
        (["id,provider,auth_type,api_key\n1,openai,api_key,sk-1\n"], "saved-authentications"),
        ([[{"provider": "openai", "auth_type": "api_key"}]], "saved-authentications"),
        ([{"saved_authentications": [{"provider": "openai", "auth_type": "api_key"}]}], "saved-authentications"),
    ],
)
def test_files_are_recognised(texts: list[Any], kind: str) -> None:
    assert formats.recognise([text if isinstance(text, str) else json.dumps(text) for text in texts]) == kind


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", "\x00\x01", "[" * 5000, "<html>"])
def test_other_files_are_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        formats.recognise([text])
    assert "Codex CLI" in caught.value.hint


def test_codex_tokens_are_refused_until_the_operator_allows_them() -> None:
    key, login = read(CODEX)
    assert (key.auth_type, key.secret) == ("api_key", Secret("sk-proj-abcdefghijklmnop"))
    assert "ENABLED_FLOWS=codex" in login.problem and login.tokens is None


def test_codex_tokens_are_read_only(codex_allowed: None) -> None:
    login = read(CODEX)[1]
    assert login.tokens is not None
    assert login.tokens.read_only and not login.tokens.refresh, "a token that the CLI spends is not even kept"
    assert login.tokens.expires_at == FUTURE
    assert login.tokens.facts["account_id"] == "acc-1" and login.tokens.facts["mode"] == "chatgpt"
    assert login.tokens.account_label == "a@example.com"


@pytest.mark.parametrize("tokens", [{}, {"access_token": ""}, {"access_token": "junk"}])
def test_broken_codex_files_say_so(codex_allowed: None, tokens: dict[str, Any]) -> None:
    found = formats.read("codex", [json.dumps({"tokens": tokens})], slugs())
    assert [bool(login.problem) for login in found] == [True]


def test_application_default_credentials_are_refreshed_by_maestro_too() -> None:
    (login,) = read(ADC)
    assert login.tokens is not None and not login.tokens.read_only
    assert login.tokens.refresh == Secret("1//refresh") and login.tokens.client.secret == Secret("s3cret-of-the-person")
    assert login.tokens.facts == {"project": "proj-1"} and login.tokens.expired(2.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"quota_project_id": ""}, "quota project"),
        ({"refresh_token": 5}, "refresh_token"),
        ({"client_secret": None}, "client_secret"),
        ({"type": "external_account"}, "external_account"),
        ({"type": "impersonated_service_account"}, "impersonated"),
    ],
)
def test_credentials_that_cannot_work_say_why(change: dict[str, Any], word: str) -> None:
    (login,) = read(ADC | change)
    assert word in login.problem and login.tokens is None


def test_a_service_account_is_minted_from_its_key() -> None:
    (login,) = read(key_file())
    assert login.tokens is not None and login.name == "robot_one"
    assert login.tokens.material["private_key"].reveal().startswith("-----BEGIN")


def test_a_key_file_that_leads_elsewhere_is_refused() -> None:
    (login,) = read(key_file() | {"token_uri": "https://evil.example/token"})
    assert "token_uri" in login.problem and "evil" not in login.problem


def test_a_cli_profile_is_read_only_and_wants_both_files() -> None:
    (login,) = read(PROFILE, CREDENTIALS)
    assert login.tokens is not None and login.tokens.read_only and not login.tokens.refresh
    (half,) = read(PROFILE)
    assert "credentials/" in half.problem
    (other,) = read(CREDENTIALS)
    assert "configs/" in other.problem


def test_the_keys_of_llm() -> None:
    logins = read({"openai": "sk-1", "claude": "sk-ant", "gemini": "", "unheard": "x", "// Note": "no key"})
    assert [(login.provider, bool(login.problem)) for login in logins] == [
        ("openai", False),
        ("anthropic", False),
        ("gemini", True),
        ("", True),
    ]


def test_env_files() -> None:
    text = (
        "# OPENAI_API_KEY=commented\n"
        "export OPENAI_API_KEY='sk-quoted # not a comment'\n"
        'ANTHROPIC_API_KEY="sk-ant" # trailing\n'
        "GOOGLE_API_KEY=AIza # trailing\n"
        "REMOTE_KEY=$OTHER\n"
        "PATH=/usr/bin\n"
        "SECRET_KEY=django\n"
        "OPENROUTER_API_KEY=\n"
        "broken line\n"
    )
    found = {login.provider: (login.secret.reveal(), login.problem) for login in read(text)}
    assert found["openai"] == ("sk-quoted # not a comment", "")
    assert found["anthropic"] == ("sk-ant", "")
    assert found["gemini"] == ("AIza", "")
    assert "another variable" in found["remote"][1]
    assert "empty" in found["openrouter"][1]
    assert set(found) == {"openai", "anthropic", "gemini", "remote", "openrouter", ""}
    assert [(login.where, login.problem) for login in read(text) if not login.provider] == [
        ("line 6, PATH", "It is no key of a provider."),
        ("line 7, SECRET_KEY", "It is no key of a provider."),
        ("line 9", "It is not NAME=value."),
    ]


def test_a_key_goes_to_the_address_beside_it() -> None:
    def found(text: str) -> list[tuple[str, str, str, str]]:
        return [(login.provider, login.name, login.base_url, login.problem) for login in read(text)]

    other, own = "http://127.0.0.1:27411/ok/v1", "https://eu.api.openai.com/v1"
    assert found(f"OPENAI_API_KEY=sk-1\nOPENAI_BASE_URL={other}") == [("remote", "env_openai", other, "")]
    assert found(f"export OPENAI_API_BASE='{other}'\nOPENAI_API_KEY=sk-1") == [("remote", "env_openai", other, "")]
    assert found(f"OPENAI_API_KEY=sk-1\nOPENAI_BASE_URL={own}") == [("openai", "env_openai", own, "")]
    proxy = "https://claude.proxy.example"
    assert found(f"ANTHROPIC_API_KEY=sk-ant-1\nANTHROPIC_BASE_URL={proxy}") == [
        ("anthropic", "env_anthropic", proxy, "")
    ]
    (other_provider,) = found(f"ANTHROPIC_API_KEY=sk-ant-1\nOPENAI_BASE_URL={other}")[:1]
    assert other_provider == ("anthropic", "env_anthropic", "", ""), "an address is beside its own key alone"
    assert "No key of this provider" in found(f"ANTHROPIC_API_KEY=sk-ant-1\nOPENAI_BASE_URL={other}")[1][3]
    (two,) = found(f"OPENAI_API_KEY=sk-1\nOPENAI_BASE_URL={other}\nOPENAI_API_BASE={own}")
    assert "several addresses" in two[3]


def test_plural_names_values_of_several_lines_and_servers() -> None:
    text = (
        "\ufeffOPENAI_API_KEYS=sk-one; sk-two\r\n"
        'GEMINI_API_KEYS="AIza-1\r\nAIza-2"\r\n'
        "NOTE='two\nOPENAI_API_KEY=not-a-line\nlines'\n"
        "GROQ_API_KEY=gsk-1\n"
        "OPENROUTER_API_KEY='unclosed\n"
        "ANTHROPIC_API_KEY='sk-ant-1'\n"
    )
    found = [(login.where, login.provider, login.secret.reveal(), login.settings) for login in read(text)]
    assert found == [
        ("line 1, OPENAI_API_KEYS", "openai", "sk-one", {}),
        ("line 1, OPENAI_API_KEYS", "openai", "sk-two", {}),
        ("line 2, GEMINI_API_KEYS", "gemini", "AIza-1", {}),
        ("line 2, GEMINI_API_KEYS", "gemini", "AIza-2", {}),
        ("line 4, NOTE", "", "", {}),
        ("line 7, GROQ_API_KEY", "remote", "gsk-1", {"server": "groq"}),
        ("line 8, OPENROUTER_API_KEY", "openrouter", "'unclosed", {}),
        ("line 9, ANTHROPIC_API_KEY", "anthropic", "sk-ant-1", {}),
    ]
    (login,) = read({"mistral": "key-1"})
    assert (login.provider, login.settings, login.name) == ("remote", {"server": "mistral"}, "llm_mistral")


ROW = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-1"}


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {"Provider_ID": "OpenAI", "AuthType": "API-KEY", "ApiKey": "sk-1"},
        {"provider": "chatgpt", "auth_type": "apikey", "credentials": {"api_key": "sk-1"}},
        {"provider_name": "openai", "type": "key", "auth_data": '{"key": "sk-1"}'},
    ],
)
def test_rows_of_the_earlier_product_in_their_shapes(row: dict[str, Any]) -> None:
    for text in (
        json.dumps([row]),
        json.dumps({"rows": [row]}),
        json.dumps([{"model": "x.y", "pk": 1, "fields": row}]),
    ):
        (login,) = legacy.read(text, slugs())
        assert (login.provider, login.auth_type, login.name, login.secret.reveal(), login.problem) == (
            "openai",
            "api_key",
            "default_openai_api_key",
            "sk-1",
            "",
        )


COLUMNS = (
    "provider provider_id provider_name provider_slug",
    "auth_type authentication_type authtype type auth_method",
    "username email owner user_email user user_id",
    "access_token accesstoken access",
    "refresh_token refreshtoken refresh",
    "expires_at expiresat expiry expiry_date expires",
    "account_id accountid chatgpt_account_id organization_uuid",
    "account_label account_email account",
    "client_id clientid",
    "client_secret clientsecret",
    "flow oauth_flow",
    "api_key apikey key secret token",
    "base_url endpoint api_base base_uri url",
)


@pytest.mark.parametrize(("first", "column"), [(x.split()[0], name) for x in COLUMNS for name in x.split()])
def test_every_column_of_the_earlier_products_is_read(first: str, column: str) -> None:
    who = {"provider": "google", "username": "ada@x.example"}
    oauth = {
        **who, "auth_type": "oauth", "access_token": "a", "refresh_token": "r", "expires_at": FUTURE,
        "account_id": "acc", "account_label": "Ada", "client_id": "cid", "client_secret": "shh", "flow": "google",
    }  # fmt: skip
    key = {**who, "auth_type": "api_key", "api_key": "k", "base_url": "https://x.example/v1"}
    rows = [row for row in (oauth, key) if first in row]
    renamed = [{column if name == first else name: value for name, value in row.items()} for row in rows]
    found = legacy.read(json.dumps(renamed), slugs())
    assert found == legacy.read(json.dumps(rows), slugs()) and not any(login.problem for login in found)
    tokens = next((login.tokens for login in found if login.tokens), None)
    if tokens is not None:
        client = tokens.client.id, tokens.client.secret.reveal()
        assert (tokens.access.reveal(), tokens.refresh.reveal(), tokens.expires_at, *client) == (
            *("a", "r", FUTURE, "cid", "shh"),
        )
        assert (tokens.account_id, tokens.account_label) == ("acc", "Ada")
    assert all(login.person == "ada@x.example" for login in found)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        *((name, "api_key") for name in ("api_key", "apikey", "api-key", "key")),
        *((name, "oauth") for name in ("oauth", "oauth2", "oauth_token")),
        *((name, "none") for name in ("none", "no_auth")),
    ],
)
def test_every_word_for_an_auth_type_is_read(written: str, kind: str) -> None:
    row = {"provider": "google", "auth_type": written, "api_key": "k", "refresh_token": "r"}
    (login,) = legacy.read(json.dumps([row]), slugs())
    assert (login.auth_type, login.problem) == (kind, "")


@pytest.mark.parametrize("column", ["credentials", "auth_data", "data", "payload", "tokens", "value"])
def test_every_column_that_packs_others_is_read(column: str) -> None:
    row = {"provider": "openai", "auth_type": "api_key", column: {"api_key": "sk-1"}}
    (login,) = legacy.read(json.dumps([row]), slugs())
    assert login.secret.reveal() == "sk-1"


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"provider": "unheard", "auth_type": "api_key"}, "not installed"),
        ({"provider": "openai", "auth_type": "magic"}, "auth type"),
        ({"provider": "openai", "auth_type": "api_key"}, "no key"),
        ({"provider": "demo", "auth_type": "oauth", "access_token": "x"}, "no sign-in"),
        ({"provider": "anthropic", "auth_type": "oauth", "access_token": "x"}, "ENABLED_FLOWS=claude"),
        ({"provider": "gemini", "auth_type": "oauth"}, "neither"),
        ({"provider": "gemini", "auth_type": "oauth", "refresh_token": "r", "expires_at": "soon"}, "no time"),
    ],
)
def test_rows_that_cannot_be_imported_say_why(row: dict[str, Any], word: str) -> None:
    (login,) = legacy.read(json.dumps([row]), slugs())
    assert word in login.problem


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (1_700_000_000, 1_700_000_000),
        ("1700000000", 1_700_000_000),
        (1_700_000_000_000, 1_700_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000),
    ],
)
def test_the_times_of_rows(written: Any, seconds: float) -> None:
    row = {"provider": "google", "auth_type": "oauth", "refresh_token": "r", "access_token": "a", "expires_at": written}
    (login,) = legacy.read(json.dumps([row]), slugs())
    assert login.tokens is not None and login.tokens.expires_at == seconds and login.tokens.flow == "google"


def test_a_rotating_row_is_read_only_until_the_earlier_product_is_retired(codex_allowed: None) -> None:
    row = {"provider": "openai", "auth_type": "oauth", "access_token": "a", "refresh_token": "r", "expires_at": FUTURE}
    held, free = (legacy.read(json.dumps([row]), slugs(), retired=retired)[0] for retired in (False, True))
    assert held.tokens is not None and held.tokens.read_only and not held.tokens.refresh
    assert free.tokens is not None and not free.tokens.read_only and free.tokens.refresh == Secret("r")


@pytest.mark.parametrize("text", ["[]", "{}", "a,b\n1,2\n", "[1, 2]", "[" * 9999, "provider,auth_type\n"])
def test_exports_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest):
        legacy.read(text, slugs())
