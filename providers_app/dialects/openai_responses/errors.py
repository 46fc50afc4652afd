"""What the error words of the Responses API mean: those of Chat Completions, and its own."""

from providers_app import errors
from providers_app.dialects.openai_chat.errors import WORDS as CHAT_WORDS
from providers_app.wire.status import ErrorWords

WORDS = ErrorWords(
    refining={
        **CHAT_WORDS.refining,
        "bio_policy": errors.ContentRefused,
        "misalignment_policy_violation": errors.ContentRefused,
        "image_content_policy_violation": errors.ContentRefused,
    },
    kinds=CHAT_WORDS.kinds,
)
