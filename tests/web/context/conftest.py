"""A signed-in person with a demo session and a chat, and a stranger with the same."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from context_app.models import Context, ContextChunk, Stream, Turn
from context_app.services import chunks
from sessions_app.models import AuthSession

BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass
class Person:
    """A browser with somebody in it."""

    user: Any
    client: Client
    session: AuthSession
    context: Context

    def add(self, kind: str = "user", content: str = "hello", **fields: Any) -> ContextChunk:
        """A chunk at the end of the person's chat."""
        return chunks.append(context=self.context, kind=kind, role="user", content=content, **fields)

    def turn(self, question: str = "Why?", answer: str = "Because.", state: str = "complete") -> Turn:
        """A question and its stored answer."""
        result = {"text": answer, "complete": state == "complete", "finish_reason": "stop", "tool_calls": []}
        stream = Stream.objects.create(owner=self.user, state=state, heartbeat_at=timezone.now(), result=result)
        made = Turn.objects.create(
            context=self.context, stream=stream, provider="demo", model="demo", session_label="me"
        )
        self.add(content=question, turn=made)
        by = {"stream": str(stream.pk)}
        chunks.append(
            context=self.context, kind="assistant", role="assistant", content=answer, turn=made, provenance=by
        )
        return made


def make(name: str) -> Person:
    """A person of that name."""
    user = get_user_model().objects.create_user(name, password="correct horse battery")
    client = Client()
    client.force_login(user, backend=BACKEND)
    session = AuthSession.objects.create(owner=user, provider="demo", auth_type="none", name=f"{name}_demo")
    context = Context.objects.create(owner=user, title=f"Chat of {name}", session=session, model="demo")
    return Person(user, client, session, context)


@pytest.fixture(autouse=True)
def _forget_models() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ada(db: Any) -> Person:
    """The one who is signed in."""
    return make("ada")


@pytest.fixture
def eve(db: Any) -> Person:
    """Somebody else."""
    return make("eve")
