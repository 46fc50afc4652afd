"""The book of an authorization server: who may sign in, what was issued, what was presented, and what is to go wrong.

The server's thread and the test's thread use it at once; every method takes the lock.

    book.add_account("acct-1", "ada@example.com", plan="plus")
    code = book.approve(login.url)                     # what the click on "Allow" leads to
    tokens = book.issue("acct-1", clients.CODEX)       # a login without a browser
    book.faults.append(Fault("hang", "after"))         # the next token request is spent and never answered
    book.summary()["accepted_spends"]                  # {"fam-1:1": 1, "fam-1:2": 1}
"""

import hashlib
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.vendors.asgi import Reply
from tests.vendors.auth import clients, device_codes, mints
from tests.vendors.auth.hashes import challenge_of, hash_of
from tests.vendors.auth.keys import Signer
from tests.vendors.auth.lanes import Lane, Lanes
from tests.vendors.auth.records import (
    Access,
    Account,
    Client,
    Code,
    Device,
    Family,
    Fault,
    FederationRule,
    Refresh,
    Refusal,
    ServiceAccount,
    Spend,
    TokenSet,
    TokenState,
    Use,
)
from tests.vendors.auth.summary import summarize
from tests.vendors.ledger import Entry
from tests.vendors.replies import json_reply

TTL = {"anthropic": 28_800.0, "openai": 3_600.0, "google": 3_599.0, "openrouter": math.inf, "entra": 3_599.0}


class Front(Protocol):
    """The server around a book: it knows what an authorization address must look like."""

    def approve(self, url: str, account: str, deny: bool) -> str:
        """See ``Book.approve``."""
        ...


class Book:
    """See above. ``style``: anthropic, openai, google, openrouter, entra. The knobs are attributes, set by ``reset``.

    ``signed_in``: the account that the authorize page acts for (the first one that a test adds, until it says
    otherwise). ``access_ttl``: seconds. ``rotates``: is a refresh token good for one refresh only (for logins from
    now on)? ``early_window``: a refresh is allowed in so many last seconds of the access token, an earlier one burns
    the family; ``None`` leaves it to the client (any time, except 360 for Sign in with ChatGPT), ``inf`` is any time.
    ``lane_check``: two refreshes of one client and account that overlap in time end both logins. ``latency``: seconds
    that a token request takes at least; ``go_on`` ends that, and a ``delay``, when it is set. ``clock_offset``: seconds
    that this server's clock is ahead. ``device_enabled``, ``device_interval``: the device flow, and the seconds between
    two questions that it names. ``blocked``: a text with which the resource server refuses every OAuth token
    (Anthropic).
    ``promises_issuer``: the discovery document says that answers name the issuer (RFC 9207); ``iss``: what they name
    (``None``: the issuer, empty: nothing). ``claims``: changes to the claims of id tokens from now on. ``keys_away``:
    so many look-ups of the published keys fail.
    """

    signed_in: str
    access_ttl: float
    rotates: bool
    early_window: float | None
    lane_check: bool
    latency: float
    clock_offset: float
    device_enabled: bool
    device_interval: float
    blocked: str
    promises_issuer: bool
    iss: str | None
    claims: dict[str, Any]
    keys_away: int

    def __init__(self, style: str) -> None:
        self.style = style
        self.lock = threading.RLock()
        self.signer = Signer()
        self.origin = ""
        self.front: Front | None = None
        self.reset()

    def reset(self) -> None:
        """Nothing was ever issued, every knob as at the start, one account."""
        with self.lock:
            self.access_ttl = TTL[self.style]
            self.rotates = self.style != "google"
            self.early_window = None
            self.lane_check = False
            self.latency = self.clock_offset = 0.0
            self.go_on = threading.Event()
            self.code_ttl, self.refresh_ttl = 600.0, 30 * 86_400.0
            self.device_enabled, self.device_interval = True, 1.0
            self.blocked = ""
            self.promises_issuer, self.iss, self.claims, self.keys_away = False, None, {}, 0
            self.signer.reset()
            self.faults: deque[Fault] = deque()
            self.ledger: list[Spend] = []
            self.uses: list[Use] = []
            self.accounts = {"acct-default": Account("acct-default", "default@example.com")}
            self.signed_in = "acct-default"
            self.clients = clients.known_clients(self.style)
            self.codes: dict[str, Code] = {}
            self.families: dict[str, Family] = {}
            self.refreshes: dict[str, Refresh] = {}
            self.accesses: dict[str, Access] = {}
            self.id_tokens: list[str] = []
            self.devices: dict[str, Device] = {}
            self.rules: dict[str, FederationRule] = {}
            self.service_accounts: dict[str, ServiceAccount] = {}
            self.consents: set[tuple[str, str]] = set()
            self.lanes = Lanes()
            self.limited = 0
            self.retry_after = 0.0

    # Accounts, clients, knobs

    def now(self) -> float:
        """The server's clock, in seconds since the epoch."""
        return time.time() + self.clock_offset

    def add_account(
        self,
        account_id: str,
        email: str,
        *,
        plan: str = "plus",
        organization_id: str | None = None,
        project_id: str | None = None,
        scopes_withheld: Iterable[str] = (),
    ) -> Account:
        """A new account; the first one that a test adds is signed in."""
        with self.lock:
            made = Account(account_id, email, plan, organization_id, project_id, frozenset(scopes_withheld))
            if set(self.accounts) == {"acct-default"}:
                self.signed_in = account_id
            self.accounts[account_id] = made
            return made

    def add_client(
        self, client_id: str, secret: str = "", *, redirects: Iterable[str] = (), kind: str = "web"
    ) -> Client:
        """Register a client, or change the redirect addresses of a known one (its secret and scopes stay)."""
        with self.lock:
            known = self.clients.get(client_id)
            every = tuple(dict.fromkeys(scope for one in self.clients.values() for scope in one.scopes))
            defaults = next((one.default_scopes for one in self.clients.values()), ())
            made = known or Client(client_id, secret, kind, (), every, defaults)
            made.redirects = tuple(redirects)
            self.clients[client_id] = made
            return made

    def rate_limit(self, n: int, retry_after: float) -> None:
        """The next ``n`` token requests are answered 429 with that ``Retry-After``; nothing of theirs is spent."""
        with self.lock:
            self.limited, self.retry_after = n, retry_after

    def rotate_keys(self, *, keep_old: bool = False) -> None:
        """Sign id tokens with a new key; the old one is published no longer unless it is to be kept."""
        with self.lock:
            self.signer.rotate(keep_old=keep_old)

    def published(self) -> Reply:
        """The answer of the address of the keys."""
        with self.lock:
            if self.keys_away > 0:
                self.keys_away -= 1
                return json_reply(503, {"error": "temporarily_unavailable"})
            return json_reply(200, self.signer.jwks())

    def approve(self, url: str, *, account: str | None = None, deny: bool = False) -> str:
        """What the browser's click on Allow (or Deny) leads to: the ``Location``, or the code that the page shows.

        Raises ``front.PageRefused`` where the real page would show an error instead of the question.
        """
        assert self.front is not None, "this book has no authorization server"
        return self.front.approve(url, account or self.signed_in, deny)

    # Logins

    def issue(
        self,
        account: str,
        client_id: str,
        scopes: Iterable[str] | None = None,
        ttl: float | None = None,
        *,
        nonce: str = "",
        refreshable: bool = True,
    ) -> TokenSet:
        """A login without a browser. A client that the book does not know yet becomes a public client."""
        with self.lock:
            if client_id == clients.SIWC_FIRST:
                client_id = self.siwc_client(account).id
            if client_id not in self.clients:
                self.add_client(client_id, kind=next((one.kind for one in self.clients.values()), ""))
            client = self.clients[client_id]
            asked = tuple(client.default_scopes if scopes is None else scopes)
            granted = tuple(scope for scope in asked if scope not in self.accounts[account].scopes_withheld)
            name = f"fam-{len(self.families) + 1}"
            family = Family(name, client_id, account, granted, self.rotates and refreshable, nonce)
            self.families[name] = family
            return self._next(family, ttl, refreshable=refreshable)

    def _next(self, family: Family, ttl: float | None = None, *, refreshable: bool = True, spent: str = "") -> TokenSet:
        now, client, account = self.now(), self.clients[family.client_id], self.accounts[family.account_id]
        seconds = self.access_ttl if ttl is None else ttl
        family.generation += 1
        issued = {"iss": self.origin, "iat": int(now), "exp": int(min(now + seconds, 4e9)), "client_id": client.id}
        access = mints.access_token(self.style, self.signer, account, issued, jwt=client.kind == "codex")
        self.accesses[access] = Access(
            access, client.id, account.id, family.scopes, now + seconds, family.id, family.generation, client.kind
        )
        refresh = spent
        window = self.window(client)
        earliest = now if window is None or math.isinf(window) else max(now, now + seconds - window)
        if refreshable and (family.rotates or not spent):
            refresh = mints.refresh_token(self.style)
            until = now + self.refresh_ttl
            self.refreshes[refresh] = Refresh(refresh, family.id, family.generation, until)
        if refresh:
            self.refreshes[refresh].earliest_at = earliest
        return TokenSet(
            access=access,
            refresh=refresh,
            id_token=self.id_token(family, now) if "openid" in family.scopes else "",
            expires_in=int(min(seconds, 2**31)),
            family=family.id,
            generation=family.generation,
            scopes=family.scopes,
            expires_at=now + seconds,
            earliest_refresh_at=earliest,
            client_id=client.id,
            account_id=account.id,
        )

    def id_token(self, family: Family, now: float, **changed: Any) -> str:
        """A signed id token of this login; ``changed`` claims are for tests of the verification."""
        client, account = self.clients[family.client_id], self.accounts[family.account_id]
        claims = mints.id_claims(self.style, account, namespace=client.kind != "siwc")
        claims |= {"iss": self.origin, "aud": [client.id] if self.style == "openai" else client.id}
        claims |= {"iat": int(now), "exp": int(now) + 3600}
        if family.nonce:
            claims["nonce"] = family.nonce
        with self.lock:
            self.id_tokens.append(self.signer.sign(claims | self.claims | changed))
            return self.id_tokens[-1]

    def verified(self, token: str) -> dict[str, Any] | None:
        """The claims of a JWT that this book signed with a key that is still published, else ``None``."""
        try:
            return dict(jwt.decode(token, KeySet.import_key_set(self.signer.jwks()), algorithms=["RS256"]).claims)  # type: ignore[arg-type]
        except (JoseError, ValueError):
            return None

    def enter_device_code(self, user_code: str, *, account: str | None = None, deny: bool = False) -> bool:
        """What a person does on the page of the device flow; ``False``: the code is not known."""
        return device_codes.enter(self, user_code, account or self.signed_in, deny=deny)

    def window(self, client: Client) -> float | None:
        """The seconds before the end in which a refresh of this client is allowed; ``None``: always."""
        return client.early_window if self.early_window is None else self.early_window

    def siwc_client(self, account: str) -> Client:
        """The client that Sign in with ChatGPT issues for this account: always the same one."""
        with self.lock:
            issued = "oaiapp_" + hashlib.sha256(account.encode()).hexdigest()[:24]
            return self.clients.setdefault(issued, clients.siwc_client(issued))

    def issue_key(self, account: str, kind: str = "api_key") -> str:
        """A key that does not end, which the resource server takes."""
        with self.lock:
            made = mints.api_key(self.style)
            self.accesses[made] = Access(made, "", account, (), math.inf, kind=kind)
            return made

    def new_code(self, *, client_id: str, account: str, **bound: Any) -> Code:
        """An authorization code bound to all of this (see ``Code``)."""
        with self.lock:
            code = secrets.token_urlsafe(32)
            ends = self.now() + self.code_ttl
            self.codes[code] = Code(code, client_id=client_id, account_id=account, expires_at=ends, **bound)
            return self.codes[code]

    # Spending

    def spend_code(
        self,
        code: str,
        *,
        client_id: str,
        redirect_uri: str | None,
        verifier: str,
        entry: Entry | None = None,
        **login: Any,
    ) -> tuple[Code, TokenSet]:
        """Exchange a code. Raises ``Refusal``; a code that was presented is spent, whatever came of it."""
        with self.lock:
            found = self.codes.get(code)
            reason = self._code_refused(found, client_id, redirect_uri, verifier)
            if found is not None and found.spent and found.family:
                # RFC 6749 4.1.2: a code that is used twice ends what was issued for it.
                self.burn(found.family, "code_reused")
            account = found.account_id if found else ""
            if found is None or reason:
                if found is not None:
                    found.spent = True
                self.note("code", client_id, account, "", 0, code, reason, entry)
                raise Refusal(reason)
            tokens = self.issue(account, client_id, found.scopes, nonce=found.nonce, **login)
            found.spent, found.family = True, tokens.family
            self.note("code", client_id, account, tokens.family, 0, code, "", entry)
            return found, tokens

    def _code_refused(self, code: Code | None, client_id: str, redirect_uri: str | None, verifier: str) -> str:
        if code is None:
            return "unknown_code"
        if code.spent:
            return "code_reused"
        if code.expires_at <= self.now():
            return "code_expired"
        if code.client_id != client_id:
            return "client_mismatch"
        if redirect_uri is not None and code.redirect_uri != redirect_uri:
            return "redirect_mismatch"
        return "" if code.challenge == challenge_of(verifier) or not code.challenge else "bad_verifier"

    def spend_refresh(self, token: str, client_id: str, *, entry: Entry | None = None) -> TokenSet:
        """Refresh. Raises ``Refusal``. A spent token burns its family, and so does one that came too early."""
        with self.lock:
            found = self.refreshes.get(token)
            family = self.families[found.family] if found else None
            reason = self._refresh_refused(found, family, client_id)
            if family is not None and reason in ("reused", "too_early"):
                self.burn(family.id, reason)
            where = (family.id, found.generation) if family and found else ("", 0)
            account = family.account_id if family else ""
            self.note("refresh", client_id, account, *where, token, reason, entry)
            if reason or found is None or family is None:
                raise Refusal(reason)
            found.spent = family.rotates
            return self._next(family, spent=token)

    def _refresh_refused(self, found: Refresh | None, family: Family | None, client_id: str) -> str:
        if found is None or family is None:
            return "unknown_token"
        if family.client_id != client_id:
            return "client_mismatch"
        if found.spent:
            return "reused"
        if family.burned:
            return "revoked"
        if found.expires_at <= self.now():
            return "expired"
        # One second is forgiven: the client knows the time only to the second.
        return "too_early" if self.now() < found.earliest_at - 1 else ""

    def lane_of(self, refresh: str) -> tuple[Lane, str] | None:
        """Client and account of a refresh token, and its family; ``None`` for one that was never issued."""
        with self.lock:
            found = self.refreshes.get(refresh)
            if found is None:
                return None
            family = self.families[found.family]
            return (family.client_id, family.account_id), family.id

    def burn(self, family: str, reason: str) -> None:
        """End a login: its refresh tokens and every access token."""
        with self.lock:
            self.families[family].burned = self.families[family].burned or reason
            for access in self.accesses.values():
                if access.family == family:
                    access.revoked = access.revoked or reason

    def revoke(self, token: str) -> bool:
        """What the revocation endpoint does (RFC 7009): any token of a login ends it. ``False``: unknown token."""
        with self.lock:
            found: Refresh | Access | None = self.refreshes.get(token) or self.accesses.get(token)
            self.note("revoke", "", "", found.family if found else "", 0, token, "" if found else "unknown_token", None)
            if found is None:
                return False
            if found.family:
                self.burn(found.family, "revoked_by_client")
            elif isinstance(found, Access):
                found.revoked = "revoked_by_client"
            return True

    def note(
        self,
        kind: str,
        client_id: str,
        account: str,
        family: str,
        generation: int,
        token: str,
        reason: str,
        entry: Entry | None,
        fault: str = "",
    ) -> Spend:
        """One line of the ledger; an empty reason is an accepted one."""
        with self.lock:
            line = Spend(
                kind,
                client_id,
                account,
                family,
                generation,
                hash_of(token),
                not reason,
                reason or "ok",
                fault,
                entry=entry,
            )
            self.ledger.append(line)
            return line

    # Access tokens

    def access(self, token: str) -> tuple[TokenState, Access | None]:
        """What a resource server thinks of an access token; noted in ``uses``."""
        with self.lock:
            found = self.accesses.get(token)
            state: TokenState = "unknown"
            if found is not None:
                ended = found.expires_at <= self.now()
                state = "revoked" if found.revoked else "expired" if ended else "valid"
            family, generation = (found.family, found.generation) if found else ("", 0)
            self.uses.append(Use(hash_of(token), family, generation, state))
            return state, found

    def end_access(self, token: str) -> None:
        """Let an access token expire now."""
        with self.lock:
            self.accesses[token].expires_at = 0.0

    def end_all_access(self) -> None:
        """Let every access token expire now; keys that do not end stay."""
        with self.lock:
            for access in self.accesses.values():
                access.expires_at = access.expires_at if math.isinf(access.expires_at) else 0.0

    def summary(self) -> dict[str, Any]:
        """What the refreshes add up to (see ``summarize``)."""
        with self.lock:
            return summarize(tuple(self.ledger), dict(self.families), len(self.lanes.overlaps))
