"""Ends at the provider what a sign-in obtained and no session holds.

The tokens stay sealed in the ended sign-in until that is done; the schedule tries again where the provider could not be
asked.
"""

import asyncio
import logging

import msgspec

from providers_app import errors, loop, ports
from providers_app.loop import on_provider_loop
from providers_app.refresh.flight import end_pair, retry_write
from providers_app.types.logins import LoginAttempt
from providers_app.types.tokens import Tokens, from_plain

logger = logging.getLogger("maestro.logins")

LASTING_S = 30.0
"""Seconds that a stopping process waits for a revocation in flight."""
STORE_TRIES = 8


def revoke_soon(attempt: LoginAttempt) -> None:
    """Revoke the tokens of a sign-in that just ended, in the background: its person and its error do not wait."""
    loop.spawn(_revoke(attempt), name="login-revoke", lasting_s=LASTING_S)


@on_provider_loop
async def revoke_owed() -> int:
    """Revoke what is due of ended sign-ins, all at once: together they take as long as one request may take.

    Return how many there were. A revocation that fails is due again later. Raises ``NotConfigured``.
    """
    found = await ports.login_store().owed_logins()
    await asyncio.gather(*map(_revoke, found))
    return len(found)


async def _revoke(attempt: LoginAttempt) -> None:
    state = attempt.state
    try:
        tokens = from_plain(attempt.tokens.reveal().encode(), Tokens)
        await end_pair(state.provider, msgspec.structs.replace(tokens, flow=tokens.flow or state.flow))
    except errors.ProviderError as error:
        what = "the login that a sign-in to %s/%s obtained was not revoked: %s; it is kept, encrypted, and tried again"
        logger.warning(what, state.provider, state.name, error.code)
        return
    except ValueError:
        logger.error("what a sign-in to %s/%s obtained cannot be read, and is destroyed", state.provider, state.name)
    settle = ports.login_store().settle_login
    await retry_write(lambda: settle(state.id), tries=STORE_TRIES, what="the end of a sign-in", logger=logger)
