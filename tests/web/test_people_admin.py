"""People in the admin: deleted with everything that is theirs, even in the middle of an answer."""

import asyncio
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from context_app.errors import SignedOut
from context_app.models import ContextChunk, Stream, StreamSegment
from context_app.services import turns
from maestro_site.accounts import people
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import until
from tests.web.chat_socket import sign_in

pytestmark = pytest.mark.both


def operator() -> Client:
    return sign_in(get_user_model().objects.create_superuser("root", password="correct horse battery"))


def everything(owner: Any) -> int:
    mine = AuthSession.objects.filter(owner=owner).count() + Stream.objects.filter(owner=owner).count()
    return mine + SessionEvent.objects.count() + StreamSegment.objects.count() + ContextChunk.objects.count()


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_a_person_whose_answer_is_being_written_is_deleted(desk: Desk, in_bulk: bool) -> None:
    started = await desk.send(model="demo-slow")
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    await until(lambda: live.committed > 3)
    person, root = desk.user.pk, await in_store(operator)

    def delete() -> None:
        if in_bulk:
            url = reverse("admin:auth_user_changelist")
            data = {"action": "delete_selected", "_selected_action": [person], "post": "yes"}
        else:
            url, data = reverse("admin:auth_user_delete", args=[person]), {"post": "yes"}
        page = root.get(reverse("admin:auth_user_delete", args=[person])).content.decode()
        assert "1" in page and "would require deleting" not in page
        assert root.post(url, data).status_code == 302

    await in_store(delete)
    assert not await in_store(get_user_model().objects.filter(pk=person).exists)
    assert await in_store(everything, person) == 0
    await until(lambda: not desk.kit.runtime.running())
    assert desk.kit.runtime.journal.failing_since is None


async def test_a_person_whose_answer_does_not_stop_stays_and_is_disabled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "STOP_S", 0.2)
    started = await desk.send(model="demo-slow")
    await asyncio.sleep(0)
    desk.kit.runtime.cancel(started.stream_id)
    await until(lambda: not desk.kit.runtime.running())
    # As one of a process elsewhere that does not answer.
    await in_store(lambda: Stream.objects.filter(pk=started.stream_id).update(state="running", process="elsewhere"))
    root = await in_store(operator)
    url = reverse("admin:auth_user_delete", args=[desk.user.pk])
    answer = await in_store(lambda: root.post(url, {"post": "yes"}, follow=True))
    assert "still being written" in answer.content.decode()
    desk.user = await in_store(get_user_model().objects.get, pk=desk.user.pk)
    assert not desk.user.is_active
    row = await in_store(Stream.objects.get, pk=started.stream_id)
    assert row.cancel_requested_at is not None, "whoever runs it stops it"
    before = await desk.counts()
    with pytest.raises(SignedOut):
        await turns.start(owner=desk.user, context_id=desk.context.pk, text="once more", model="demo")
    assert await desk.counts() == before


@pytest.mark.django_db
def test_nobody_deletes_their_own_account() -> None:
    root = operator()
    me = get_user_model().objects.get()
    for answer in (
        root.get(reverse("admin:auth_user_delete", args=[me.pk])),
        root.post(reverse("admin:auth_user_delete", args=[me.pk]), {"post": "yes"}),
    ):
        assert answer.status_code in {200, 403}
    me.refresh_from_db()
    assert me.is_active
