"""Strict authorization servers: what they accept, they accept as the real ones do, and they note every token.

``Book`` is the state and the knobs; ``anthropic``, ``openai``, ``google`` and ``openrouter`` are the endpoints.
"""

from tests.vendors.auth.book import Book
from tests.vendors.auth.records import Account, Client, Fault, Refusal, Spend, TokenSet

__all__ = ["Account", "Book", "Client", "Fault", "Refusal", "Spend", "TokenSet"]
