"""The demo provider: scripted answers without key or network, with delays and faults chosen by model name.

    streaming ──HttpRequest──▶ Http ──scheme demo──▶ local ▶ request ▶ script ▶ wire ──bytes──▶ dialect openai_chat

It speaks the real wire format as bytes: everything between a request and its events runs as with other providers.
"""

from providers_app.types.catalogue import Capabilities, ProviderInfo

PROVIDER = ProviderInfo(
    slug="demo",
    name="Demo",
    monogram="De",
    description="Scripted answers without a key: try the product, and see every failure.",
    auth_types=("none",),
    capabilities=Capabilities(
        names=frozenset({"chat", "streaming", "tools", "parallel_tools", "reasoning", "structured_output", "models"})
    ),
    default_model="demo",
    base_url_editable=False,
    models_in_order=True,
)
