"""Fixtures of the session pages."""

from tests.unit.sessions.support import _chat_vendor, alice, bob, private_hosts, ring, vendor
from tests.web.sessions.login_support import vendors

__all__ = ["_chat_vendor", "alice", "bob", "private_hosts", "ring", "vendor", "vendors"]
