"""``models/<model>:countTokens``; the whole request is wrapped, else system text and tools would not be counted."""

from providers_app.behaviours.lookups import JsonCount
from providers_app.dialects.gemini_generate import DIALECT
from providers_app.providers.gemini.requests import model_path, post

BEHAVIOUR = JsonCount(
    dialect=DIALECT,
    wrap=lambda chat, body: {
        "generateContentRequest": {"model": f"models/{chat.model.removeprefix('models/')}", **body}
    },
    request=lambda chat, credential, body: post(model_path(chat.model, "countTokens"), credential, body),
    result="totalTokens",
)
