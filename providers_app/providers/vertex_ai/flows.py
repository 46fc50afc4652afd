"""The ways to sign in to Vertex AI, and what each of them is given."""

from providers_app.behaviours.credentials.google import machine, service_account
from providers_app.behaviours.oauth import LoginField, OAuthFlow
from providers_app.providers.vertex_ai.requests import settings

SERVICE_ACCOUNT = service_account.FLOW
ADC = "adc"
METADATA = machine.FLOW
KEY_FIELD = service_account.FIELD
FILE_FIELD = "credentials"
FILE_HINT = (
    "Paste application_default_credentials.json, which `gcloud auth application-default login` writes to "
    "~/.config/gcloud."
)
LOCATIONS_URL = "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations"


def flows() -> tuple[OAuthFlow, ...]:
    """As configured, in the order in which they are offered."""
    return (
        OAuthFlow(
            name=SERVICE_ACCOUNT,
            label="Service account",
            methods=("direct",),
            rotation="minted",
            description="For servers: no browser, no person, and new tokens whenever they are needed. The account "
            "needs the role Vertex AI User.",
            fields=(
                LoginField(
                    name=KEY_FIELD, label="Key file (JSON)", help=service_account.HINT, secret=True, multiline=True
                ),
                _project("Empty: the project that the key file names."),
                _location(),
            ),
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
            description="With the service account that Google gave the machine which Maestro runs on. Nothing is "
            "typed, and no key is stored.",
            position="Google means it for programs on the machine. Whoever may use Maestro acts as the machine then, "
            "so it is off until whoever runs Maestro turns it on.",
            position_url="https://cloud.google.com/compute/docs/access/authenticate-workloads",
            restricted=True,
            fields=(_project("Empty: the machine's own project."), _location()),
        ),
    )


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
