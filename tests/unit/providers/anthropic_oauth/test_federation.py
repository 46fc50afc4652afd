"""The file of a workload's identity token: read anew, within limits, never quoted."""

from pathlib import Path

import pytest

from providers_app import conf, errors
from providers_app.providers.anthropic import federation
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient, Tokens


async def test_the_token_is_read_without_the_line_end(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJh.eyJp.c2ln\n")
    assert await federation.identity_token(str(file)) == Secret("eyJh.eyJp.c2ln")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"no token", b"a.b", b"a.b.c.d", b"a.b. c", b"a.b.\x00", b"a.b.\xc3\xbc", b"a.b." + b"x" * 20_000],
)
async def test_anything_else_is_refused_unquoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(errors.LoginError, match="does not hold a JWT") as caught:
        await federation.identity_token(str(file))
    assert "FEDERATION__TOKEN_FILE" in caught.value.hint


async def test_a_file_that_is_not_there_is_said_without_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(errors.LoginError, match="cannot be read") as caught:
            await federation.identity_token(str(path))
        assert str(tmp_path) not in caught.value.message + caught.value.hint


async def test_without_settings_nothing_is_tried() -> None:
    with pytest.raises(errors.FlowDisabled) as caught:
        await federation.mint(None)  # type: ignore[arg-type]
    assert "ORGANIZATION_ID" in caught.value.hint


@pytest.mark.parametrize(
    ("client", "account"), [("other-rule", "org/svc"), ("rule", "other-org/svc"), ("rule", "org"), ("rule", "")]
)
async def test_a_login_never_changes_its_identity(client: str, account: str) -> None:
    chosen = {"token_file": "/x", "federation_rule_id": "rule", "organization_id": "org", "service_account_id": "svc"}
    before = Tokens(flow="federation", client=OAuthClient(id=client), account_id=account)
    with conf.use(build_model()(anthropic={"federation": chosen})), pytest.raises(errors.TokenRefused):
        await federation.mint(None, before)  # type: ignore[arg-type]
