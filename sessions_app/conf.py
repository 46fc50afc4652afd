"""Settings of the session store. Values are injected once at start; nothing here reads the environment."""

from pydantic import BaseModel, Field


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
    refresh_every_s: float = Field(
        default=30, ge=1, le=3600, description="Seconds between two runs that refresh the logins that are due."
    )
    refresh_batch: int = Field(default=100, ge=1, le=10_000, description="How many due logins one run takes at most.")
    refresh_parallel: int = Field(default=8, ge=1, le=64, description="How many logins are refreshed at the same time.")
    logins_per_owner: int = Field(default=20, ge=1, description="How many sign-ins one person may have open at once.")
    logins_kept_days: int = Field(default=7, ge=1, description="How many days a finished sign-in is kept for reading.")
    import_backups_kept_days: int = Field(
        default=30, ge=1, description="How many days an import can be taken back; then its sealed backup is destroyed."
    )
    dead_after_days: int = Field(
        default=90,
        ge=0,
        description="Days after which a login that needs a new sign-in is switched off and its secrets are destroyed; "
        "the session and its trail stay. 0 never does.",
    )
    event_retention_days: int = Field(default=365, ge=1, description="How many days the audit trail is kept.")
