"""The error codes of the Responses API: those of Chat Completions, and its own.

Those of ChatGPT logins are from developers.openai.com/siwc/token-sharing-open-source/errors-and-recovery and from
codex-rs ``codex-api/src/api_bridge.rs``. A plan that does not include the service is refused with 429, and no waiting
helps; a limit of the plan that says when it ends is an ordinary one.
"""

from providers_app import errors
from providers_app.dialects.openai_chat.errors import WORDS as CHAT_WORDS
from providers_app.wire.status import ErrorWords

WORDS = ErrorWords(
    refining={
        **CHAT_WORDS.refining,
        "bio_policy": errors.ContentRefused,
        "cyber_policy": errors.ContentRefused,
        "misalignment_policy_violation": errors.ContentRefused,
        "image_content_policy_violation": errors.ContentRefused,
        "usage_not_included": errors.PermissionDenied,
        "subscription_sharing_usage_limit_exceeded": errors.QuotaExhausted,
        # The login may do everything else; only this one request is not for it.
        "subscription_sharing_route_not_supported": errors.BadRequest,
    },
    kinds={
        **CHAT_WORDS.kinds,
        "usage_limit_reached": errors.RateLimited,
        "server_is_overloaded": errors.Overloaded,
        "slow_down": errors.Overloaded,
        "token_expired": errors.AuthenticationFailed,
        "invalid_token": errors.AuthenticationFailed,
        "subscription_sharing_invalid_user": errors.AuthenticationFailed,
        "subscription_sharing_user_not_eligible": errors.PermissionDenied,
        "chatpass_v2_scope_not_authorized": errors.PermissionDenied,
        "chatpass_v2_invalid_authorization_context": errors.PermissionDenied,
        "subscription_sharing_unsupported_capability": errors.BadRequest,
        "subscription_sharing_usage_unavailable": errors.Overloaded,
        "subscription_sharing_user_unavailable": errors.Overloaded,
    },
)
