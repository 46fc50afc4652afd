"""Logins that are due for a refresh, at an authorization server with a ledger: the work that a dead worker leaves."""

import json
import subprocess
import sys
import time
from typing import Any

from tests.processes import ROOT
from tests.proofs.installation import FLOW, PROVIDER, provider_settings, store_tokens, token_url
from tests.proofs.reliability.cluster import Cluster
from tests.vendors.auth.anthropic import AnthropicAuth
from tests.vendors.auth.book import Book
from tests.vendors.auth.clients import CLAUDE_CODE
from tests.vendors.server import VendorServer

REFRESH_EVERY_S = 2


class DueLogins:
    """``with DueLogins() as logins: open_cluster(**logins.settings)``, then ``logins.store(cluster, 4)``."""

    def __init__(self) -> None:
        self._book = Book("anthropic")
        self._server = VendorServer(AnthropicAuth(self._book))
        self.stored = 0

    def __enter__(self) -> "DueLogins":
        self._server.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._server.__exit__(*exception)

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which an installation refreshes these logins."""
        every = {"MAESTRO_SESSIONS__REFRESH_EVERY_S": str(REFRESH_EVERY_S)}
        return provider_settings(token_url(self._server)) | every

    def store(self, cluster: Cluster, count: int) -> None:
        """Store so many logins whose access has ended. Raises ``CalledProcessError``."""
        logins = []
        for number in range(self.stored, self.stored + count):
            account = f"account-{number}"
            self._book.add_account(account, f"{account}@example.com")
            issued = self._book.issue(account, CLAUDE_CODE)
            self._book.end_access(issued.access)
            logins.append({"account": account, "access": issued.access, "refresh": issued.refresh})
        orders = json.dumps({"issuer": self._server.origin, "logins": logins})
        command = [sys.executable, "-m", "tests.proofs.chaos.due"]
        subprocess.run(command, cwd=ROOT, env=cluster.variables, input=orders, text=True, check=True)
        self.stored += count

    def refreshed(self) -> int:
        """Return how many were refreshed."""
        return len(self._book.summary()["accepted_spends"])

    def problems(self) -> list[str]:
        """Return what the ledger has that must not be: a token that came twice, an answer that was lost."""
        summary = self._book.summary()
        never = ("accepted_twice", "second_presentations", "unexplained", "lost_answers", "burned")
        return [f"{name.replace('_', ' ')}: {len(summary[name])}" for name in never if summary[name]]


def _store(orders: dict[str, Any]) -> None:
    """Store the logins in the database of this process's settings."""
    import maestro_site

    maestro_site.setup()
    from django.contrib.auth import get_user_model

    from providers_app.types.credentials import Secret
    from providers_app.types.tokens import OAuthClient, Tokens

    owner, now = get_user_model().objects.get(), time.time()
    for login in orders["logins"]:
        tokens = Tokens(
            flow=FLOW,
            access=Secret(login["access"]),
            refresh=Secret(login["refresh"]),
            expires_at=now - 1,
            client=OAuthClient(id=CLAUDE_CODE),
            issuer=orders["issuer"],
            account_id=login["account"],
            account_label=login["account"],
        )
        store_tokens(owner, PROVIDER, tokens, login["account"], now - 1)


if __name__ == "__main__":
    _store(json.load(sys.stdin))
