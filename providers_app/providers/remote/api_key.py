"""Keys of compatible servers are bearer tokens of any shape; many servers want none."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.dialects.openai_chat import DIALECT
from providers_app.providers.remote.requests import get

BEHAVIOUR = HeaderKey(
    header="authorization",
    scheme="Bearer ",
    probe=lambda credential: get("/models", credential),
    dialect=DIALECT,
    counts=True,
)
