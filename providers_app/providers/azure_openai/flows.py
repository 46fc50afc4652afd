"""The two ways to sign in, and what they ask for."""

from providers_app import conf
from providers_app.behaviours.credentials.azure_ad import application, identity
from providers_app.behaviours.oauth import LoginField, OAuthFlow
from providers_app.providers.azure_openai.config import Config
from providers_app.providers.azure_openai.requests import SLUG

ENTRA = application.FLOW
IDENTITY = identity.FLOW
ENDPOINT, TENANT, CLIENT, SECRET, CERTIFICATE = "base_url", "tenant", "client_id", "client_secret", "certificate"
ROLE_URL = "https://learn.microsoft.com/azure/ai-services/openai/how-to/role-based-access-control"


def flows() -> tuple[OAuthFlow, ...]:
    """Read when asked: an endpoint need not be given where the operator configured one."""
    config: Config = conf.provider(SLUG)
    own = " Leave it empty to use the one of this installation." if config.base_url else ""
    endpoint = LoginField(
        name=ENDPOINT,
        label="Endpoint",
        help=f"The resource's address, such as https://NAME.openai.azure.com; a copied target will do.{own}",
        required=not config.base_url,
    )
    return (
        OAuthFlow(
            name=ENTRA,
            label="Entra application",
            methods=("direct",),
            rotation="minted",
            description="For servers: an application of your tenant with a client secret or a certificate. It needs "
            "the role Cognitive Services OpenAI User on the resource.",
            position="Microsoft recommends Entra instead of keys.",
            position_url=ROLE_URL,
            fields=(
                endpoint,
                LoginField(
                    name=TENANT, label="Tenant", help="The directory (tenant) ID of the application, or its domain."
                ),
                LoginField(name=CLIENT, label="Client ID", help="The application (client) ID."),
                LoginField(
                    name=SECRET,
                    label="Client secret",
                    help="The value of a client secret, not its ID. Leave it empty with a certificate.",
                    required=False,
                    secret=True,
                ),
                LoginField(
                    name=CERTIFICATE,
                    label="Certificate (PEM)",
                    help="Instead of a secret: the certificate and its private key in one text.",
                    required=False,
                    secret=True,
                    multiline=True,
                ),
            ),
        ),
        OAuthFlow(
            name=IDENTITY,
            label="Managed identity",
            methods=("direct",),
            rotation="minted",
            description="The identity that Azure gave to the machine that Maestro runs on. Nothing secret is stored.",
            position="It lends the identity of this machine to everybody who may connect sessions here.",
            position_url="https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/overview",
            restricted=True,
            fields=(endpoint,),
        ),
    )
