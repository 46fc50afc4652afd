"""The error codes of the Responses API: those of Chat Completions, and its own.

Those of ChatGPT logins are from developers.openai.com/siwc/token-sharing-open-source/errors-and-recovery and from
codex-rs ``codex-api/src/api_bridge.rs``. A plan that does not include the service is refused with 429, and no waiting
helps; a limit of the plan that says when it ends is an ordinary one.
"""

from providers_app import errors
from providers_app.dialects.openai_chat.errors import WORDS as CHAT_WORDS
from providers_app.wire.status import ErrorWords, meanings

WORDS = ErrorWords(
    refining={
        **CHAT_WORDS.refining,
        **meanings(
            {
                errors.ContentRefused: "bio_policy cyber_policy misalignment_policy_violation "
                "image_content_policy_violation",
                errors.PermissionDenied: "usage_not_included",
                errors.QuotaExhausted: "subscription_sharing_usage_limit_exceeded",
                # The login may do everything else; only this one request is not for it.
                errors.BadRequest: "subscription_sharing_route_not_supported",
            }
        ),
    },
    kinds={
        **CHAT_WORDS.kinds,
        **meanings(
            {
                errors.RateLimited: "usage_limit_reached",
                errors.Overloaded: "server_is_overloaded slow_down subscription_sharing_usage_unavailable "
                "subscription_sharing_user_unavailable",
                errors.AuthenticationFailed: "token_expired invalid_token subscription_sharing_invalid_user",
                errors.PermissionDenied: "subscription_sharing_user_not_eligible chatpass_v2_scope_not_authorized "
                "chatpass_v2_invalid_authorization_context",
                errors.BadRequest: "subscription_sharing_unsupported_capability",
            }
        ),
    },
)
