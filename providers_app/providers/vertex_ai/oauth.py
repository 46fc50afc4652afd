"""Signing in to Vertex AI without a browser: a service account, a person's gcloud credentials, this machine.

Project and location are facts of the session; a person's names the project to bill (``x-goog-user-project``) as well.
"""

import asyncio

import msgspec

from providers_app.behaviours.credentials.google import Authority, Machine, authorized_user, machine, service_account
from providers_app.behaviours.credentials.google.authority import advice, checked_project, object_in, signed
from providers_app.behaviours.oauth import LoginAnswer, LoginField, LoginStart, OAuth, OAuthFlow, PendingLogin, text_of
from providers_app.behaviours.oauth.enabled import require_enabled
from providers_app.behaviours.oauth.endpoint import TokenEndpoint, revoke
from providers_app.errors import InvalidCredential, InvalidRequest
from providers_app.providers.vertex_ai.api_key import tested
from providers_app.providers.vertex_ai.requests import SLUG, checked_location, probe, settings
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential, Secret
from providers_app.types.http import HttpRequest
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

SERVICE_ACCOUNT, ADC, METADATA = service_account.FLOW, "adc", machine.FLOW
FILE_FIELD = "credentials"
FILE_HINT = (
    "Paste application_default_credentials.json, which `gcloud auth application-default login` writes to "
    "~/.config/gcloud."
)
LOCATIONS_URL = "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations"

Given = dict[str, Secret]
OVERRIDE, CONCLUDED = "override", "concluded"
"""The source of a fact: a person's word stays when they sign in again, what a file said makes way for the next."""
_NO_PROJECT = "Give the id of the project that is to be asked and billed."


def _project(default: str) -> LoginField:
    configured = settings().project
    default = f"Empty: {configured}." if configured else default
    return LoginField(
        name="project",
        label="Project",
        help=f"The id of the Google Cloud project that is asked and billed. {default}",
        required=False,
    )


def _location() -> LoginField:
    return LoginField(
        name="location",
        label="Location",
        help=f"global, us, eu, or a region such as europe-west4; it decides which models there are ({LOCATIONS_URL}). "
        f"Empty: {settings().location}.",
        required=False,
    )


class VertexOAuth(OAuth):
    """The flows ``service_account``, ``adc`` and ``metadata``."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]:
        """As configured, in the order in which they are offered."""
        return (
            OAuthFlow(
                name=SERVICE_ACCOUNT,
                label="Service account",
                methods=("direct",),
                rotation="minted",
                description="For servers: signs in without a browser. The account needs the role Vertex AI User.",
                fields=(service_account.KEY_FILE, _project("Empty: the project that the key file names."), _location()),
            ),
            OAuthFlow(
                name=ADC,
                label="Credentials of gcloud (ADC)",
                methods=("direct",),
                rotation="none",
                description="As yourself, with what the gcloud command stored. gcloud may go on using it as well.",
                takes_over=True,
                fields=(
                    LoginField(
                        name=FILE_FIELD,
                        label="application_default_credentials.json",
                        help=FILE_HINT,
                        secret=True,
                        multiline=True,
                    ),
                    _project("Empty: the quota project that the file names."),
                    _location(),
                ),
            ),
            OAuthFlow(
                name=METADATA,
                label="This machine's identity",
                methods=("direct",),
                rotation="minted",
                description="Uses the service account of the machine that Maestro runs on. No key is stored.",
                position="Google intends it for programs on the machine. Every user who may connect sessions here acts "
                "as the machine, so an administrator has to turn it on first.",
                position_url="https://cloud.google.com/compute/docs/access/authenticate-workloads",
                restricted=True,
                fields=(_project("Empty: the machine's own project."), _location()),
            ),
        )

    async def begin(self, start: LoginStart, http: Http) -> PendingLogin:
        """Read what was pasted. Raise ``InvalidRequest``, ``InvalidCredential``, ``FlowDisabled``."""
        name, given = start.flow.name, start.given
        require_enabled(SLUG, self.flows, name)
        if project := text_of(given, "project"):
            checked_project(project)
        if location := text_of(given, "location"):
            checked_location(location)
        if name != METADATA:
            found = await asyncio.to_thread(_read, name, given)
            _facts(given, found.project)
        return start.pending()

    async def exchange(self, pending: PendingLogin, answer: LoginAnswer, http: Http) -> Tokens:
        """Obtain the first token. Raise ``InvalidCredential``, ``LoginError``, ``UpstreamError``."""
        given = pending.given
        if pending.flow == METADATA:
            require_enabled(SLUG, self.flows, METADATA)
            here = _machine()
            tokens = await here.mint(METADATA)
            own = "" if text_of(given, "project") or settings().project else await here.project()
            return msgspec.structs.replace(tokens, facts=_facts(given, own))
        found = await asyncio.to_thread(_read, pending.flow, given)
        facts = _facts(given, found.project)
        if isinstance(found, service_account.ServiceAccount):
            tokens = await service_account.mint(found.tokens(), authority(), http)
            return msgspec.structs.replace(tokens, facts=tokens.facts | facts)
        bare = found.tokens(ADC, authority())
        if found.project:
            facts["quota_project"] = found.project
        tokens = await authorized_user.refresh(bare, authority(), http)
        return msgspec.structs.replace(tokens, facts=facts)

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens:
        """Refresh with one request. Raise ``FlowDisabled``, and as ``OAuth.refresh``."""
        require_enabled(SLUG, self.flows, tokens.flow)
        if tokens.flow == SERVICE_ACCOUNT:
            return await service_account.mint(tokens, authority(), http)
        if tokens.flow == METADATA:
            return await _machine().mint(METADATA, tokens)
        return await authorized_user.refresh(tokens, authority(), http)

    async def revoke(self, tokens: Tokens, http: Http) -> bool:
        """Ends a person's credentials, those of gcloud on their own machine included. Raises ``UpstreamError``."""
        if tokens.flow != ADC:
            return False
        endpoint = TokenEndpoint(url=settings().oauth.revoke_url)
        return await revoke(endpoint, {"token": tokens.refresh or tokens.access}, http)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the access token, and for a person's with the project that is billed."""
        return signed(credential, request, credential.settings.get("quota_project"))

    async def test(self, credential: Credential, http: Http) -> Account:
        """Count the tokens of one word, free of charge. Raise ``UpstreamError``, ``InvalidRequest``."""
        label = f"project {credential.settings.get('project') or settings().project}"
        return await tested(self.authorize(credential, probe(credential)), label, http)

    def advise(self, chat: ChatRequest, credential: Credential) -> list[Advice]:
        """Name the headers that this login adds."""
        what = "The request is signed with an access token (authorization: Bearer)."
        return advice(what, credential.settings.get("quota_project"))


def authority() -> Authority:
    """Return the endpoint that issues Google's tokens."""
    config = settings().oauth
    return Authority(token_url=config.token_url, scopes=config.scopes, issuer=config.issuer)


def _machine() -> Machine:
    return Machine(server=settings().oauth.metadata_url)


def _read(flow: str, given: Given) -> service_account.ServiceAccount | authorized_user.AuthorizedUser:
    if flow == SERVICE_ACCOUNT:
        return service_account.read(given.get(service_account.FIELD, Secret("")), authority())
    if flow != ADC:
        raise InvalidRequest("There is no such sign-in.")
    try:
        return authorized_user.read(object_in(given.get(FILE_FIELD, Secret("")), FILE_HINT))
    except InvalidCredential as error:
        raise InvalidCredential(error.message, hint=error.hint or FILE_HINT) from None


def _facts(given: Given, own: str) -> dict[str, str]:
    """Return project and location; ``own`` is the material's project. Raise ``InvalidRequest`` without any project."""
    chosen, location = text_of(given, "project"), text_of(given, "location")
    project = chosen or settings().project or own
    if not project:
        raise InvalidRequest("No project was given, and the credentials name none.", hint=_NO_PROJECT)
    facts = {"project": checked_project(project), "project_source": OVERRIDE if chosen else CONCLUDED}
    return facts | ({"location": checked_location(location), "location_source": OVERRIDE} if location else {})


BEHAVIOUR = VertexOAuth()
