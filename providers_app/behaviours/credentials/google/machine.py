"""The identity that Google gave the machine that Maestro runs on, from its metadata server: no secret is stored.

https://cloud.google.com/compute/docs/metadata/overview: every request must carry ``Metadata-Flavor: Google``, and every
answer of the real server carries it too, so that a foreign server on that address is not believed.
"""

import time

import msgspec

from providers_app.behaviours.credentials.google.authority import PROJECT
from providers_app.behaviours.credentials.metadata import ask_metadata, object_of
from providers_app.behaviours.oauth.endpoint import tokens_from
from providers_app.errors import BadAnswer, LoginError, TokenRefused
from providers_app.types.credentials import Secret
from providers_app.types.tokens import Tokens
from providers_app.wire.answer import HttpResponse
from providers_app.wire.status import class_of_status, retry_after

SERVER = "http://metadata.google.internal"
FLAVOR, GOOGLE = "metadata-flavor", "Google"
IDENTITY = "/computeMetadata/v1/instance/service-accounts/default"
PROJECT_ID = "/computeMetadata/v1/project/project-id"
FLOW = "metadata"
MAX_WORD = 300


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """``server`` is the origin of the metadata server: the operator's setting, never a person's."""

    server: str = SERVER

    async def project(self) -> str:
        """Return the machine's own project; empty where the server does not say one. Raises ``UpstreamError``."""
        answer = await self._ask(PROJECT_ID)
        word = _word(answer)
        return word if answer.status == 200 and PROJECT.fullmatch(word) else ""

    async def mint(self, flow: str, before: Tokens | None = None) -> Tokens:
        """Return a token of the machine's service account, whose name is fetched each time, because it can change.

        Raises ``LoginError`` where the machine has none, ``TokenRefused`` when it is no longer that of ``before``, and
        ``UpstreamError``.
        """
        email = _checked(await self._ask(f"{IDENTITY}/email"))
        account = _word(email)
        if not account:
            raise BadAnswer("The metadata server does not say whose identity the machine has.", status=email.status)
        if before is not None and before.account_id != account:
            raise TokenRefused("This machine has another service account now than the one of this login.")
        answer = _checked(await self._ask(f"{IDENTITY}/token"))
        bare = before or Tokens(flow=flow, account_id=account, account_label=account)
        # ``material`` says that tokens can be made anew; the identity itself never leaves the machine.
        bare = msgspec.structs.replace(bare, material={"account": Secret(account)})
        return tokens_from(object_of(answer), now=time.time(), before=bare)

    async def _ask(self, path: str) -> HttpResponse:
        answer = await ask_metadata(self.server.rstrip("/") + path, {FLAVOR: GOOGLE})
        if answer.headers.get(FLAVOR) != GOOGLE:
            raise BadAnswer(
                "What answers there is not Google's metadata server (it does not say Metadata-Flavor: Google).",
                status=answer.status,
                hint="This kind of login works only on a machine of Google Cloud.",
            )
        return answer


def _checked(answer: HttpResponse) -> HttpResponse:
    if answer.status == 404:
        raise LoginError(
            "This machine has no service account.",
            hint="Give the machine a service account with the scope cloud-platform, in Google's console.",
        )
    if (status := answer.status) != 200:
        kind, wait = class_of_status(status) if status >= 400 else BadAnswer, retry_after(answer.headers)
        raise kind(f"The metadata server answered with status {status}.", status=status, retry_after=wait)
    return answer


def _word(answer: HttpResponse) -> str:
    text = answer.body[:MAX_WORD].decode("utf-8", "replace").strip()
    return text if text.isprintable() else ""
