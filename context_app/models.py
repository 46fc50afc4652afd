"""Contexts with their chunks and edits, and the streams that write answers into them."""

import uuid

from django.conf import settings
from django.db import models


class Context(models.Model):
    """A conversation: its ordered chunks, and the session and model of the next request.

    ``continuing`` says how its answers go on after they broke off.
    """

    class Continuing(models.TextChoices):
        AUTO = "auto", "Automatic: the best way of the provider"
        EXACT = "exact", "Exactly where possible (OpenAI stores the answer meanwhile)"
        INSTRUCT = "instruct", "Ask the model to continue"
        RESTART = "restart", "Start over"
        NEVER = "never", "Never"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contexts")
    title = models.CharField(max_length=200, blank=True)
    session = models.ForeignKey(
        "sessions_app.AuthSession", null=True, blank=True, on_delete=models.SET_NULL, related_name="contexts"
    )
    # Its routes are tried instead; session and model are then the first one that can be used.
    alias = models.ForeignKey(
        "sessions_app.Alias", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    model = models.CharField(max_length=200, blank=True)
    # Maestro chose the model, since neither a person nor the configuration had.
    model_suggested = models.BooleanField(default=False, editable=False)
    params = models.JSONField(default=dict, blank=True)
    continuing = models.CharField(max_length=12, choices=Continuing, default=Continuing.AUTO)
    # Of the tools that the latest request offered.
    tool_tokens = models.PositiveIntegerField(default=0, editable=False)
    pinned = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering = ("-pinned", "-updated_at")
        indexes = (models.Index(fields=("owner", "-updated_at"), name="context_owner_updated"),)

    def __str__(self) -> str:
        return self.title or "New chat"


class ContextChunk(models.Model):
    """One piece of a context. ``order`` is sparse (steps of 1024) so that a move touches one row."""

    class Role(models.TextChoices):
        SYSTEM = "system", "System"
        USER = "user", "User"
        ASSISTANT = "assistant", "Assistant"
        TOOL = "tool", "Tool"

    class Kind(models.TextChoices):
        SYSTEM = "system", "System"
        NOTE = "note", "Note"
        FILE = "file", "File"
        USER = "user", "User"
        ASSISTANT = "assistant", "Assistant"
        TOOL_CALL = "tool_call", "Tool call"
        TOOL_RESULT = "tool_result", "Tool result"
        SUMMARY = "summary", "Summary"
        SERVER_TOOL = "server_tool", "Server tool"
        IMAGE = "image", "Image"
        BLOCK = "block", "Provider data"

    class State(models.TextChoices):
        STREAMING = "streaming", "Streaming"
        COMPLETE = "complete", "Complete"
        PARTIAL = "partial", "Partial"

    class NotSent(models.TextChoices):
        """Reason that keeps a chunk out of the next request."""

        DELETED = "deleted", "deleted"
        EXCLUDED = "excluded", "excluded"
        STREAMING = "streaming", "still being written"
        BLANK = "blank", "blank"
        NO_DATA = "no_data", "its data is missing"
        NO_FILE = "no_file", "its file is missing"
        NO_IMAGE = "no_image", "not an image"
        NO_NAME = "no_name", "the tool has no name"
        INVALID_ARGUMENTS = "invalid_arguments", "arguments are not valid JSON"
        NO_CALL = "no_call", "its tool call is not sent"
        ANSWERED = "answered", "its tool call has another result"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    context = models.ForeignKey(Context, on_delete=models.CASCADE, related_name="chunks")
    turn = models.ForeignKey("Turn", null=True, blank=True, on_delete=models.SET_NULL, related_name="chunks")
    order = models.BigIntegerField()
    role = models.CharField(max_length=12, choices=Role)
    kind = models.CharField(max_length=12, choices=Kind)
    content = models.TextField(blank=True)
    tokens = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=12, choices=State, default=State.COMPLETE)
    pinned = models.BooleanField(default=False)
    excluded = models.BooleanField(default=False)
    # Empty: the chunk is sent. ``context_app.sending`` decides it whenever a chunk is written.
    not_sent = models.CharField(max_length=20, choices=NotSent, blank=True, editable=False)
    intent = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    provenance = models.JSONField(default=dict, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("order", "created_at")
        verbose_name = "context chunk"
        indexes = (
            models.Index(fields=("context", "order"), name="chunk_context_order"),
            # Covers the totals of the panel, so that counting reads no texts.
            models.Index(fields=("context", "not_sent", "kind", "pinned", "tokens"), name="chunk_totals"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.content[:60]}"


class MediaFile(models.Model):
    """A generated or uploaded file; its bytes lie in the data directory, under its id.

    ``context`` is the chat whose chunks name it. A file without one is kept for a time only.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="media_files")
    context = models.ForeignKey(
        Context, null=True, blank=True, on_delete=models.CASCADE, related_name="media_files", editable=False
    )
    media_type = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "media file"

    def __str__(self) -> str:
        return f"{self.media_type}, {self.size} bytes"


class ContextEdit(models.Model):
    """One edit of a context, with the data to undo it."""

    id = models.BigAutoField(primary_key=True)
    context = models.ForeignKey(Context, on_delete=models.CASCADE, related_name="edits")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=24)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "context edit"

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M}"


class Stream(models.Model):
    """One answer as it is being written. ``last_seq`` is the number of the last event committed to segments.

    ``process`` names the process that runs it (and its spool), which renews ``heartbeat_at``. ``result`` is the
    ChatResult as a dictionary; the error of an interrupted stream has the code ``interrupted``.
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        COMPLETE = "complete", "Complete"
        CANCELLED = "cancelled", "Stopped"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="streams")
    state = models.CharField(max_length=12, choices=State, default=State.RUNNING)
    process = models.CharField(max_length=64, blank=True)
    heartbeat_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    last_seq = models.BigIntegerField(default=0)
    result = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # When its segments were dropped: from then on only `result` and the chunks hold the answer.
    pruned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("state", "heartbeat_at"), name="stream_state_heartbeat"),
            # Looked at in every group commit, so that Stop works from any process: almost always empty.
            models.Index(
                fields=("process",),
                name="stream_cancel_requested",
                condition=models.Q(state="running", cancel_requested_at__isnull=False),
            ),
            models.Index(fields=("ended_at",), name="stream_unpruned", condition=models.Q(pruned_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.id} {self.state}"


class StreamSegment(models.Model):
    """The events ``first_seq..last_seq`` of a stream as JSON bytes; append-only."""

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="segments")
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    payload = models.BinaryField()

    class Meta:
        ordering = ("stream", "first_seq")
        constraints = (models.UniqueConstraint(fields=("stream", "first_seq"), name="segment_unique_first_seq"),)

    def __str__(self) -> str:
        return f"{self.stream_id} {self.first_seq}-{self.last_seq}"


class Turn(models.Model):
    """One user message and its answer in a context. A retry gives the same turn a new stream.

    ``session``, ``model``, ``params``, ``tools`` and ``tool_choice`` are those of the request, so that a retry repeats
    it. ``client_id`` is the page's own id of the turn: a ``send`` that is repeated after a lost connection finds the
    turn that it started. ``attempt`` counts the streams of the turn, from 1.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    context = models.ForeignKey(Context, on_delete=models.CASCADE, related_name="turns")
    stream = models.OneToOneField(Stream, null=True, on_delete=models.SET_NULL, related_name="turn")
    session = models.ForeignKey(
        "sessions_app.AuthSession", null=True, blank=True, on_delete=models.SET_NULL, related_name="turns"
    )
    # Of a turn that an alias was asked: once it is answered, the session, provider and model are those that answered.
    alias = models.ForeignKey(
        "sessions_app.Alias", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    session_label = models.CharField(max_length=120, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=200, blank=True)
    params = models.JSONField(default=dict, blank=True)
    tools = models.JSONField(default=list, blank=True)
    tool_choice = models.JSONField(default=dict, blank=True)
    client_id = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("created_at",)
        indexes = (models.Index(fields=("context", "-created_at"), name="turn_context_created"),)
        constraints = (
            models.UniqueConstraint(
                fields=("context", "client_id"), condition=~models.Q(client_id=""), name="turn_unique_client_id"
            ),
        )

    def __str__(self) -> str:
        return f"{self.context_id} {self.created_at:%Y-%m-%d %H:%M}"
