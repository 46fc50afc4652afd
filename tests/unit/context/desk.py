"""A person at a chat: user, demo session, empty context, and short ways to look at what happened."""

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from context_app.models import Context, ContextChunk, Stream, Turn
from context_app.services import turns
from context_app.streams.reader import Ended
from providers_app import provider
from sessions_app.models import AuthSession
from sessions_app.stores.pool import in_store
from tests.unit.context.streams_kit import Kit, Seen, watch
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer


class Desk:
    """See the module's docstring."""

    def __init__(self, kit: Kit, user: Any, session: AuthSession, context: Context) -> None:
        self.kit = kit
        self.user = user
        self.session = session
        self.context = context

    async def send(self, text: str = "Hello", *, model: str = "demo-instant-n12", **fields: Any) -> turns.Started:
        return await turns.start(owner=self.user, context_id=self.context.pk, text=text, model=model, **fields)

    async def connect(self, server: VendorServer) -> str:
        """Another session, with a compatible server: its id."""
        made = await provider.create_session(
            "remote", "api_key", name="box", api_key=VALID_KEY, base_url=server.base_url, owner=self.user
        )
        return str(made.id)

    async def answer(self, text: str = "Hello", **fields: Any) -> tuple[turns.Started, Seen]:
        started = await self.send(text, **fields)
        return started, await watch(started.stream_id)

    async def chunks(self) -> list[ContextChunk]:
        return await in_store(
            lambda: list(ContextChunk.objects.filter(context=self.context).order_by("order", "created_at"))
        )

    async def counts(self) -> tuple[int, int, int]:
        """Rows: turns, streams, chunks. What a refused message must not change."""
        return await in_store(lambda: (Turn.objects.count(), Stream.objects.count(), ContextChunk.objects.count()))

    async def turn(self, turn: UUID) -> Turn:
        return await in_store(lambda: Turn.objects.select_related("stream", "session").get(pk=turn))


def state_of(seen: Seen) -> str:
    """How the answer ended."""
    assert isinstance(seen.last, Ended)
    return seen.last.state


async def open_desk(kit: Kit, name: str = "ada") -> Desk:
    """A desk of the person ``name``."""
    user = await in_store(lambda: get_user_model().objects.create_user(name, password="correct horse battery"))
    made = await provider.create_session("demo", "none", name=f"{name}_demo", owner=user)
    session = await in_store(lambda: AuthSession.objects.get(pk=made.id))
    context = await in_store(lambda: Context.objects.create(owner=user, session=session))
    return Desk(kit, user, session, context)
