"""Writes small provider packages for tests: a compliant one, and the same with one thing wrong."""

from pathlib import Path

FILES = {
    "__init__.py": '''
"""An example."""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="{slug}",
    name="Example {slug}",
    monogram="Ex",
    description="An example.",
    auth_types=("api_key",),
    capabilities=Capabilities(names=frozenset({{"chat", "streaming", "models"}})),
)
''',
    "config.py": """
from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    model_config = ConfigDict(frozen=True)

    base_url: str = Field(default="https://api.example.com/v1", description="Address of the API.")
""",
    "oauth.py": """
from providers_app.behaviours.protocols import Unsupported

BEHAVIOUR = Unsupported("Keys only.")
""",
    "api_key.py": """
from providers_app.types.http import HttpRequest
from providers_app.types.catalogue import Account


class Key:
    def validate(self, key):
        return []

    def authorize(self, credential, request):
        return request.with_headers({{"x-key": credential.secret.reveal()}}, secret=True)

    async def test(self, credential, http):
        return Account()


BEHAVIOUR = Key()
""",
    "streaming.py": """
from providers_app.behaviours.addresses import address
from providers_app.types.http import HttpRequest
from providers_app.dialects.openai_chat import DIALECT


class Streaming:
    dialect = DIALECT

    def build(self, chat, credential):
        url = address("{slug}", credential, "/chat/completions")
        return HttpRequest(method="POST", url=url, body=DIALECT.build_body(chat))


BEHAVIOUR = Streaming()
""",
    "models.py": """
from providers_app.types.catalogue import ModelInfo


class Models:
    async def list(self, credential, http):
        return [ModelInfo(id="example")]

    async def get(self, model_id, credential, http):
        return ModelInfo(id=model_id)


BEHAVIOUR = Models()
""",
}

# The same, with options of its sessions.
WITH_OPTIONS = (
    FILES["__init__.py"]
    .replace("import Capabilities, ProviderInfo", "import Capabilities, ProviderInfo, SettingField")
    .replace(
        """}})),
)
""",
        """}})),
    settings=(
        SettingField(name="region", label="Region", required=True, choices=("eu", "us"), help="Where <it> runs."),
        SettingField(name="tenant", label="Tenant", pattern="[a-z]+", problem="A tenant is small letters.",
                     advanced=True),
    ),
)
""",
    )
)


def write_package(folder: Path, slug: str, changes: dict[str, str | None] | None = None) -> Path:
    """The package ``folder/slug``; ``changes`` replaces files (``None`` leaves one out)."""
    package = folder / slug
    package.mkdir(parents=True)
    for name, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            (package / name).write_text(text.replace("{slug}", slug).replace("{{", "{").replace("}}", "}"))
    return package


def write_distribution(folder: Path, name: str, entry_points: dict[str, str]) -> None:
    """The metadata of an installed distribution that declares providers."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "\n".join(f"{slug} = {module}" for slug, module in entry_points.items())
    (info / "entry_points.txt").write_text(f"[maestro.providers]\n{lines}\n")
