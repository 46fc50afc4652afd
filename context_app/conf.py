"""Settings of contexts and streams, injected once at start."""

from pydantic import BaseModel, Field


class ContextConfig(BaseModel, frozen=True):
    """Settings under ``MAESTRO_CONTEXT__``."""

    default_window: int = Field(
        default=128_000, ge=1, description="Context window in tokens of a model whose own is not known."
    )
    commit_interval_ms: int = Field(
        default=50, ge=5, le=1000, description="How often the journal writer commits what running answers gathered."
    )
    heartbeat_timeout_s: float = Field(
        default=15, ge=2, description="A running answer whose process was silent for this long is marked interrupted."
    )
    spool_scan_s: float = Field(default=10, ge=0.5, description="Seconds between looks for spools of dead processes.")
    segment_retention_days: int = Field(
        default=7,
        ge=1,
        description="For how many days the events of an ended answer are kept for readers; its text stays in the chat.",
    )
    max_chunk_chars: int = Field(default=2_000_000, ge=1000, description="The longest chunk, in characters.")
    max_media_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1024, description="The largest generated file that is stored, in bytes."
    )
    media_quota_bytes: int = Field(
        default=2 * 1024**3, ge=0, description="How many bytes of generated files one person may have stored."
    )
    media_retention_days: int = Field(
        default=30, ge=1, description="For how many days a generated file is kept that belongs to no chat."
    )
    max_frame_bytes: int = Field(default=262_144, ge=1024, description="The largest frame that a browser may send.")
    max_frames_per_second: int = Field(default=20, ge=1, description="More client frames than this close the socket.")
    max_running_per_owner: int = Field(default=50, ge=1, description="How many answers one person may have running.")
    max_connections_per_owner: int = Field(
        default=50, ge=1, description="How many chats one person may have open (tabs), in each process."
    )
