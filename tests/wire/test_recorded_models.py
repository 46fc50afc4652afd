"""Recorded lists of models, read by the providers' own behaviours over a real connection."""

from collections.abc import Iterator

import pytest

from providers_app import conf
from providers_app.dispatch import clients
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential, Secret
from tests.vendors.asgi import Reply, Request
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.server import VendorServer
from tests.wire import recordings
from tests.wire.recordings import MODEL_LIST_APIS, Recording
from tests.wire.vendors.connected import SETTINGS

LISTS = recordings.of_apis(MODEL_LIST_APIS)
# Where a list is read by a provider of another name than its folder's.
SLUGS = {"deepseek": "remote"}
# What these lists have besides models to talk to: the provider's own behaviour leaves them out.
NO_CHAT = {"gemini"}


class Recorded:
    """Answers the first page as it was recorded, and further pages with nothing."""

    def __init__(self, recording: Recording) -> None:
        self.ledger = Ledger()
        self.recording = recording
        self.asked = 0

    def key_state(self, request: Request) -> KeyState:
        return "unchecked"

    def answer(self, request: Request, entry: Entry) -> Reply:
        self.asked += 1
        body = self.recording.body if self.asked == 1 else b'{"models": []}'
        return Reply(200, {"content-type": "application/json"}, body)


@pytest.fixture(params=LISTS, ids=[one.name for one in LISTS])
def server(request: pytest.FixtureRequest) -> Iterator[VendorServer]:
    """One for each recorded list."""
    conf.configure(SETTINGS)
    with VendorServer(Recorded(request.param)) as running:
        yield running
    conf.configure(None)


async def test_recorded_list_of_models(server: VendorServer) -> None:
    assert isinstance(server.vendor, Recorded)
    recording = server.vendor.recording
    folder = recording.name.partition("/")[0]
    http = clients.make(SETTINGS)
    try:
        credential = Credential(auth_type="api_key", secret=Secret("k" * 20), base_url=f"{server.origin}/v1")
        found: list[ModelInfo] = await resolve(SLUGS.get(folder, folder), "models").list(credential, http)
    finally:
        await http.aclose()
    wanted = [name.removeprefix("models/") for name in recording.expected["models"]]
    ids = [model.id.removeprefix("models/") for model in found]
    assert set(ids) <= set(wanted) and len(set(ids)) == len(ids)
    if folder not in NO_CHAT:
        assert sorted(ids) == sorted(wanted)
    assert len(ids) >= 2, "a list that is read as nothing is not read"
    assert len(server.ledger) == (2 if recording.expected["next_page"] else 1), (
        "a further page is asked for where there is one"
    )
