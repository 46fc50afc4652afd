"""Settings of the session store. Values are injected once at start; nothing here reads the environment."""

from pydantic import BaseModel, Field, SecretStr


class SessionsConfig(BaseModel, frozen=True):
    """Settings under ``MAESTRO_SESSIONS__``."""

    per_owner_limit: int = Field(default=500, ge=1, description="How many sessions one person may store.")
    undo_window_s: float = Field(
        default=10,
        ge=0,
        description="How many seconds a deleted session can be taken back before its secret is destroyed.",
    )
    expiring_within_s: int = Field(
        default=3600, ge=60, description="A session that ends within so many seconds is shown as expiring."
    )
    event_retention_days: int = Field(default=365, ge=1, description="How many days the audit trail is kept.")


class KeyRingConfig(BaseModel, frozen=True):
    """Where the encryption keys come from; see ``sessions_app.crypto``."""

    keys: SecretStr | None = None
    key_file: str = ""
