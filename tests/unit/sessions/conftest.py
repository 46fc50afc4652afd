"""Fixtures of the session store's tests."""

from tests.unit.sessions.commands import demo, installation, run
from tests.unit.sessions.support import _chat_vendor, alice, bob, private_hosts, ring, vendor

__all__ = ["_chat_vendor", "alice", "bob", "demo", "installation", "private_hosts", "ring", "run", "vendor"]
