"""Turns that an alias is asked: which session and model answered is stored, and a retry asks the alias again."""

from typing import Any

import pytest

from context_app.models import Context, Turn
from context_app.services import turns
from providers_app import provider
from providers_app.errors import NoUsableRoute, UnknownAlias
from sessions_app.models import Alias, AuthSession
from sessions_app.services import aliases, connect, lifecycle
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import watch

pytestmark = pytest.mark.django_db(transaction=True)
BAD, GOOD = "demo-error-429", "demo-instant-n12"


def two_routes(desk: Desk) -> tuple[Alias, AuthSession]:
    spare = connect.create(owner_id=desk.user.pk, provider="demo", auth_type="none", name="spare_demo")
    return aliases.create(desk.user.pk, "both", [(desk.session, BAD), (spare, GOOD)]), spare


def latest(desk: Desk) -> Turn:
    return Turn.objects.select_related("stream").filter(context=desk.context).latest("created_at")


async def test_the_turn_and_its_chunks_say_who_answered(desk: Desk) -> None:
    alias, spare = await in_store(two_routes, desk)
    await desk.answer(session=f"alias:{alias.pk}", model=None)
    turn: Any = await in_store(latest, desk)
    assert (turn.session_id, turn.model, turn.session_label) == (spare.pk, GOOD, "demo/spare_demo")
    assert turn.alias_id == alias.pk
    routing = turn.stream.result["routing"]
    assert routing["session"] == "spare_demo" and [one["code"] for one in routing["left"]] == ["upstream_rate_limit"]
    context: Any = await in_store(Context.objects.get, pk=desk.context.pk)
    assert (context.alias_id, context.session_id, context.model) == (alias.pk, desk.session.pk, BAD)
    provenance = await in_store(lambda: list(turn.chunks.filter(role="assistant").values_list("provenance", flat=True)))
    assert provenance and all(one["model"] == GOOD for one in provenance)


async def test_the_next_message_asks_the_alias_and_begins_with_who_answered_last(desk: Desk) -> None:
    alias, _ = await in_store(two_routes, desk)
    await desk.answer(session=f"alias:{alias.pk}", model=None)
    await desk.answer("And then?", model=None)
    turn: Any = await in_store(latest, desk)
    routing = turn.stream.result["routing"]
    assert routing["session"] == "spare_demo" and routing["left"] == [], "the first route was not asked again"


async def test_a_retry_asks_the_alias_again(desk: Desk) -> None:
    alias, _ = await in_store(two_routes, desk)
    started, _ = await desk.answer(session=f"alias:{alias.pk}", model=None)
    again = await turns.retry(owner=desk.user, context_id=desk.context.pk, turn_id=started.turn_id)
    await watch(again.stream_id)
    turn: Any = await in_store(latest, desk)
    assert turn.alias_id == alias.pk and turn.stream.result["routing"]["session"] == "spare_demo"


async def test_without_its_alias_a_chat_goes_on_with_its_session(desk: Desk) -> None:
    alias, spare = await in_store(two_routes, desk)
    await in_store(aliases.change, alias, routes=[(spare, GOOD)])
    await desk.answer(session=f"alias:{alias.pk}", model=None)
    await in_store(aliases.delete, alias)
    await desk.answer("And then?", model=None)
    turn: Any = await in_store(latest, desk)
    assert turn.alias_id is None and turn.session_id == spare.pk and turn.model == GOOD


async def test_what_cannot_be_asked_is_refused_before_anything_is_stored(desk: Desk) -> None:
    alias, spare = await in_store(two_routes, desk)
    for session in (desk.session, spare):
        await in_store(lifecycle.disable, session)
    with pytest.raises(NoUsableRoute):
        await desk.send(session=f"alias:{alias.pk}")
    with pytest.raises(UnknownAlias):
        await desk.send(session="alias:6fa459ea-ee8a-4ca4-894e-db77e160355e")
    assert not await in_store(Turn.objects.exists)


async def test_a_stored_answer_from_python_is_by_the_alias_too(desk: Desk) -> None:
    await in_store(two_routes, desk)
    result = await provider.complete_chat("alias", "both", "Hello", store=True, owner=desk.user.pk)
    assert result.routing is not None and result.routing.session == "spare_demo" and result.context_id
    turn: Any = await in_store(lambda: Turn.objects.get(context=result.context_id))
    assert turn.session_label == "demo/spare_demo"
