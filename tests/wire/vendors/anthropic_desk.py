"""Ada, in front of a Maestro that signs in to a strict local Anthropic."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.unit.sessions.support import settle
from tests.vendors.server import VendorServer
from tests.wire.vendors.signing_in import Desk, settings


def configured(auth: VendorServer, server: VendorServer, **more: Any) -> dict[str, Any]:
    """Everything that is not an address stays as it ships."""
    oauth = {
        "authorize_url": f"{auth.origin}/oauth/authorize",
        "console_authorize_url": f"{auth.origin}/oauth/authorize",
        "token_url": f"{auth.origin}/v1/oauth/token",
        "create_key_url": f"{auth.origin}/api/oauth/claude_cli/create_api_key",
        "profile_url": f"{auth.origin}/api/oauth/profile",
    }
    flows = ("claude", "console_key")
    return {"base_url": server.base_url, "oauth": oauth, "enabled_flows": flows} | more


@pytest.fixture
def desk(anthropic_auth: VendorServer, anthropic_server: VendorServer) -> Iterator[Desk]:
    """Ada, in front of a Maestro whose operator turned both restricted flows on."""
    ada = User.objects.create_user("ada")
    anthropic_auth.auth.add_account("acct-ada", "ada@example.com", organization_id="org-1")
    with settings("anthropic", **configured(anthropic_auth, anthropic_server)):
        yield Desk("anthropic", anthropic_auth.auth, ada)
    settle()
