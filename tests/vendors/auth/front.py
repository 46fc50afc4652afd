"""What the authorization servers share: the page with its two buttons, and the way of a token request.

arrival -> rate limit -> fault "before" -> lane -> spend -> latency -> lane left -> fault "after" -> answer
"""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.vendors.asgi import Answer, Broken, Reply, Request
from tests.vendors.auth import pages
from tests.vendors.auth.book import Book
from tests.vendors.auth.clients import redirect_fits
from tests.vendors.auth.records import Client, Fault, Refusal, Spend
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import Plan
from tests.vendors.replies import HTML, json_reply

Handler = Callable[[Request, Entry], Answer | Awaitable[Answer]]
Routes = dict[tuple[str, str], Handler]
OVERLAP_HOLD = 0.02
"""Seconds that a refresh takes at least while lanes are checked; without any, two could never meet."""


class PageRefused(Exception):
    """The authorization address is one that the real server answers with an error page."""


class SentBack(Exception):
    """An error that goes back to the client's own address; the text is the location."""


class Answered(Exception):
    """The request is answered with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass
class Asked:
    """A checked authorization request."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    challenge: str
    nonce: str = ""
    name: str = ""
    query: dict[str, str] = field(default_factory=dict)


class AuthFront:
    """Serves a ``Book`` over HTTP."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.ledger = Ledger()
        self._running: set[asyncio.Future[Any]] = set()
        book.front = self

    # What a vendor has to say

    def routes(self) -> Routes:
        """(method, path) -> handler."""
        raise NotImplementedError

    def check(self, path: str, query: dict[str, str]) -> Asked:
        """The authorization request at this path. Raises ``PageRefused``, ``SentBack``."""
        raise NotImplementedError

    def allow(self, asked: Asked, account: str) -> tuple[str, str]:
        """After the click on Allow: (location, "") or ("", the code that the page shows)."""
        raise NotImplementedError

    def deny(self, asked: Asked) -> str:
        """After the click on Deny: the location."""
        said = "The user denied the request."
        return back(asked.redirect_uri, error="access_denied", error_description=said, state=asked.state)

    def refuse(self, reason: str, fields: dict[str, str]) -> Reply:
        """The answer to a grant that is not given, for a reason of the book."""
        raise NotImplementedError

    # HTTP

    def key_state(self, request: Request) -> KeyState:
        return "unchecked"

    def answer(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        routes = self.routes()
        handler = routes.get((request.method, request.path))
        if handler is None:
            known = any(path == request.path for _, path in routes)
            return self._dated(json_reply(405 if known else 404, {"error": "not_found", "path": request.path}))
        try:
            given = handler(request, entry)
        except Answered as refusal:
            given = refusal.reply
        return self._later(given) if isinstance(given, Awaitable) else self._dated(given)

    def _dated(self, answer: Answer) -> Answer:
        if not isinstance(answer, Broken):
            answer.headers.setdefault("date", formatdate(self.book.now(), usegmt=True))
        return answer

    async def _later(self, given: Awaitable[Answer]) -> Answer:
        try:
            return self._dated(await given)
        except Answered as refusal:
            return self._dated(refusal.reply)

    # The page

    def authorize(self, request: Request, entry: Entry) -> Reply:
        """GET: the question. POST: the click."""
        try:
            asked = self.check(request.path, request.query)
            account = self.book.accounts[self.book.signed_in]
            if request.method == "GET":
                return pages.consent(asked.name or asked.client.id, account.email, asked.scopes)
            decision = dict(parse_qsl(request.body.decode())).get("decision")
            if decision == "deny":
                return pages.redirect(self.deny(asked))
            if decision != "allow":
                raise PageRefused("The form was not sent by one of its buttons.")
            location, shown = self.allow(asked, account.id)
        except PageRefused as refusal:
            return pages.refused(str(refusal))
        except SentBack as sent:
            return pages.redirect(str(sent))
        return pages.code_page(shown) if shown else pages.redirect(location)

    def approve(self, url: str, account: str, deny: bool) -> str:
        """See ``Book.approve``."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            asked = self.check(parts.path, query)
            if deny:
                return self.deny(asked)
            location, shown = self.allow(asked, account)
        except SentBack as sent:
            return str(sent)
        return shown or location

    # Token requests

    async def token_request(
        self, entry: Entry, fields: dict[str, str], spend: Callable[[], Reply], kind: str = ""
    ) -> Answer:
        """The way of a token request, as the module says; ``spend`` does the grant itself and may raise ``Refusal``."""
        book, grant = self.book, fields.get("grant_type", "")
        with book.lock:
            if book.limited > 0:
                book.limited -= 1
                self._note(entry, fields, "rate_limited")
                return self.limited(book.retry_after)
            fault = self._fault(grant)
        if fault is not None and fault.where == "before" and fault.kind != "delay":
            self._note(entry, fields, f"fault-{fault.kind}", f"before-{fault.kind}")
            return await self._failing(fault, fields)
        # Served to its end even when the client has left in the meantime, as a real server would.
        serving = asyncio.ensure_future(self._serve(entry, fields, spend, fault))
        self._running.add(serving)
        serving.add_done_callback(self._running.discard)
        reply = await asyncio.shield(serving)
        if fault is None or fault.where == "before":
            return reply
        if fault.kind == "delay":
            await self._linger(fault.seconds)
            return reply
        return await self._failing(fault, fields)

    async def _serve(
        self, entry: Entry, fields: dict[str, str], spend: Callable[[], Reply], fault: Fault | None
    ) -> Reply:
        book, token = self.book, fields.get("refresh_token", "")
        lane = book.lane_of(token) if book.lane_check and fields.get("grant_type") == "refresh_token" else None
        passage = None
        if lane is not None:
            with book.lock:
                passage = book.lanes.enter(*lane)
        try:
            if fault is not None and fault.where == "before":
                await self._linger(fault.seconds)
            noted = len(book.ledger)
            try:
                reply = spend()
            except Refusal as refusal:
                reply = self.refuse(refusal.reason, fields)
            mine = [line for line in book.ledger[noted:] if line.entry is entry]
            for line in mine:
                line.fault = f"{fault.where}-{fault.kind}" if fault else ""
            await self._linger(max(book.latency, OVERLAP_HOLD if lane else 0.0))
            if passage is not None and passage.spoiled:
                return self._overlapped(mine, passage.family, fields)
            return reply
        finally:
            if lane is not None and passage is not None:
                with book.lock:
                    book.lanes.leave(lane[0], passage)

    async def _linger(self, seconds: float) -> None:
        """Wait so long, or until the test says to go on."""
        limit, go_on = time.monotonic() + seconds, self.book.go_on
        while (left := limit - time.monotonic()) > 0 and not go_on.is_set():  # noqa: ASYNC110  set on another thread
            await asyncio.sleep(min(left, 0.01))

    def _overlapped(self, lines: list[Spend], family: str, fields: dict[str, str]) -> Reply:
        self.book.burn(family, "overlap")
        for line in lines:
            line.accepted, line.reason = False, "overlap"
        return self.refuse("overlap", fields)

    def _fault(self, grant: str) -> Fault | None:
        faults = self.book.faults
        if faults and faults[0].grant in (None, grant):
            return faults.popleft()
        return None

    def _note(self, entry: Entry, fields: dict[str, str], reason: str, fault: str = "") -> None:
        names = {"refresh_token": "refresh", "code": "code", "assertion": "assertion", "subject_token": "exchange"}
        name = next((name for name in names if name in fields), "")
        token, client_id = fields.get(name, ""), fields.get("client_id", "")
        found = self.book.refreshes.get(token)
        family = self.book.families[found.family] if found else None
        where = (family.account_id, family.id, found.generation) if family and found else ("", "", 0)
        self.book.note(names.get(name, "other"), client_id, *where, token, reason, entry, fault)

    async def _failing(self, fault: Fault, fields: dict[str, str]) -> Answer:
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        match fault.kind:
            case "hang":
                return Reply(200, {}, b"", Plan(hang=True))
            case "reset":
                return Broken()
            case "html":
                status = fault.status or 200
                return Reply(status, {"content-type": "text/html"}, HTML.format(status=status).encode())
            case "empty":
                return Reply(fault.status or 200, {"content-type": "application/json", "content-length": "0"}, b"")
            case "echo" | "echo-html":
                return echoed(fault, fields)
            case "garbage":
                return Reply(fault.status or 200, {"content-type": "application/json"}, b'{"access_token": "eyJ')
            case _:
                said = {"error": "temporarily_unavailable", "error_description": "Please try again later."}
                return json_reply(fault.status or 503, said)

    def limited(self, retry_after: float) -> Reply:
        """429."""
        said = {"error": "rate_limited", "error_description": "Too many token requests."}
        return json_reply(429, said, {"retry-after": f"{math.ceil(retry_after)}"})


def echoed(fault: Fault, fields: dict[str, str]) -> Reply:
    """A server that repeats what it was sent: as each field of an error, or in a web page."""
    status, every = fault.status or 400, " ".join(fields.values())
    if fault.kind == "echo-html":
        return Reply(status, {"content-type": "text/html"}, HTML.format(status=status).encode() + every.encode())
    secret = next((fields[name] for name in ("refresh_token", "code", "assertion") if name in fields), every)
    said = {"error": secret, "error_description": every, "error_subtype": secret, "message": every, "detail": secret}
    return json_reply(status, {**said, "code": fields.get("code_verifier", secret)})


def back(redirect_uri: str, **params: str) -> str:
    """The client's address with these parameters added to its own; empty ones are left out."""
    given = urlencode({name: value for name, value in params.items() if value}, quote_via=quote)
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{given}"


def check_common(
    book: Book, query: dict[str, str], known: set[str], *, needed: set[str], state: bool = True
) -> tuple[Client, str, tuple[str, ...]]:
    """Client, redirect address and scopes of an authorization request.

    Raises ``PageRefused`` until the redirect address is proven, ``SentBack`` after that.
    """
    client = book.clients.get(query.get("client_id", ""))
    if client is None:
        raise PageRefused("Unknown client_id.")
    uri = query.get("redirect_uri", "")
    if not any(redirect_fits(pattern, uri, book.origin) for pattern in client.redirects):
        raise PageRefused(f"redirect_uri_mismatch: {uri!r} is not registered for this client.")

    def sent_back(error: str, said: str) -> SentBack:
        return SentBack(back(uri, error=error, error_description=said, state=query.get("state", "")))

    unknown = sorted(set(query) - known)
    if unknown:
        raise sent_back("invalid_request", f"Parameter not allowed for this message type: {unknown[0]}")
    missing = sorted(name for name in needed if not query.get(name))
    if missing:
        raise sent_back("invalid_request", f"Missing required parameter: {missing[0]}")
    if query.get("response_type") != "code":
        raise sent_back("unsupported_response_type", "response_type must be code")
    if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
        raise sent_back("invalid_request", "code_challenge_method must be S256")
    if query.get("code_challenge") and len(query["code_challenge"]) != 43:
        raise sent_back("invalid_request", "code_challenge must be 43 characters")
    if state and len(query.get("state", "")) < 16:
        raise sent_back("invalid_request", "state is missing or too short")
    scopes = tuple(query.get("scope", "").split())
    foreign = [scope for scope in scopes if scope not in client.scopes]
    if foreign or not scopes:
        raise sent_back("invalid_scope", f"Unknown scope: {foreign[0] if foreign else '(none)'}")
    return client, uri, scopes


def read_json(request: Request, refuse: Callable[[str], Reply]) -> dict[str, Any]:
    """The JSON object of a request. Raises ``Answered``."""
    if media_type(request) != "application/json":
        raise Answered(refuse("content-type must be application/json"))
    try:
        value = json.loads(request.body)
    except ValueError:
        raise Answered(refuse("the body is not valid JSON")) from None
    if not isinstance(value, dict):
        raise Answered(refuse("the body must be a JSON object"))
    return value


def read_form(request: Request, refuse: Callable[[str], Reply]) -> dict[str, str]:
    """The fields of a form, none of them twice (RFC 6749 3.2). Raises ``Answered``."""
    if media_type(request) != "application/x-www-form-urlencoded":
        raise Answered(refuse("content-type must be application/x-www-form-urlencoded"))
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise Answered(refuse("a parameter is repeated"))
    return dict(pairs)


def media_type(request: Request) -> str:
    """``application/json`` and the like, without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def exact(
    fields: dict[str, Any], needed: set[str], optional: set[str], refuse: Callable[[str], Reply]
) -> dict[str, str]:
    """The fields when they are these texts and no others. Raises ``Answered``."""
    missing = sorted(name for name in needed if not fields.get(name))
    unknown = sorted(set(fields) - needed - optional)
    wrong = sorted(name for name, value in fields.items() if not isinstance(value, str))
    for names, said in ((missing, "Field required"), (unknown, "Extra inputs are not permitted"), (wrong, "a string")):
        if names:
            raise Answered(refuse(f"{names[0]}: {said}"))
    return fields
