"""Errors of the session store that the provider core does not know; they are part of its tree all the same."""

from providers_app.errors import NotConfigured, Step


class StoreUnavailable(NotConfigured, code="store_unavailable", status=503):
    """The database did not answer (locked for too long, gone, not migrated)."""

    why = "The database is not running, is locked for too long, or was not migrated."
    step = Step.RETRY
    default_hint = "Try again in a moment; if it stays, look at /readyz and the log."


class DiskFull(StoreUnavailable, code="disk_full", status=503):
    """The disk of the data folder, or of the database, has no space left for new work."""

    why = "Other files fill the disk, or it is too small for what is stored. 32 MB are kept free for answers that run."
    default_hint = "Free some space on the server, then try again; no restart is needed."


class KeyRingError(NotConfigured, code="key_ring", status=503):
    """A key is malformed or missing, or a sealed value does not open. Names key ids and rows, never a value."""

    why = "The encryption key was changed or lost after credentials had been stored with it."
    default_hint = "Give back the key that sealed the stored credentials (MAESTRO_ENCRYPTION_KEYS or the key file)."

    def __init__(
        self, message: str, *, hint: str = "", missing: tuple[str, ...] = (), unopened: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing
        self.unopened = unopened
