"""A sign-in to a provider in words: its phase, what it waits for, and what can be done."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from providers_app.types.logins import LoginState

Phase = Literal["open", "busy", "confirm", "done", "failed", "expired", "cancelled"]
Tone = Literal["ok", "info", "bad", "mute"]
PASTED = ("paste_code", "paste_url")
LATEST_S = 120.0  # seconds after the end of an attempt in which an exchange that began in time may still end

_NOTES: dict[Phase, str] = {
    "open": "Waiting for you", "busy": "Exchanging", "confirm": "Your decision", "done": "Signed in",
    "failed": "Did not work", "expired": "Ran out of time", "cancelled": "Cancelled",
}  # fmt: skip
_CALLBACK = "Waiting for the callback…"
_WAITING: dict[str, tuple[str, str, str]] = {
    # method: (what is going on, what it means, the chip)
    "callback": (_CALLBACK, "Sign in on the provider’s page. It leads your browser back here by itself.", "Callback"),
    "loopback": (_CALLBACK, "If the browser runs on this machine, this page goes on by itself.", "Listening"),
    "paste_code": ("Waiting for the code…", "Nothing is sent before you press Finish.", "Your code"),
    "paste_url": ("Waiting for the address…", "Nothing is sent before you press Finish.", "Your address"),
    "device": (
        "Waiting for you to type it…",
        "Maestro asks the provider every few seconds. This page goes on by itself.",
        "Asking",
    ),
    "direct": ("Making the login…", "The provider is asked for a token.", "Request"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One step of a sign-in; ``when`` is shown behind the text."""

    tone: Tone
    text: str
    when: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoginView:
    """``note`` is the state in two or three words; ``mark`` changes whenever something else is to be shown.

    ``error``: it still waits, and the last answer did not fit. A problem with a paste stands beside it.
    """

    phase: Phase
    title: str
    text: str
    chips: tuple[Chip, ...]
    note: str
    mark: str
    error: bool = False

    @property
    def waits(self) -> bool:
        """``True`` while it may still go on without the person, so that a page should poll."""
        return self.phase in ("open", "busy")


def phase_of(state: LoginState, now: float) -> Phase:
    """Return the phase of the sign-in; ``now`` in seconds since the epoch. An expired one is over, stored or not."""
    match state.status:
        case "done" | "cancelled":
            return state.status
        case "failed":
            return "expired" if state.code == "login_expired" else "failed"
        case "exchanging" if now < state.expires_at + LATEST_S:
            return "busy"
        case _ if now >= state.expires_at:
            return "expired"
        case "confirm":
            return "confirm"
        case _:
            return "open"


def describe(state: LoginState, now: float, *, tested: bool = False) -> LoginView:
    """Describe a sign-in at ``now``; ``tested``: the first call was made already."""
    phase = phase_of(state, now)
    title, text, _ = _WAITING.get(state.method, _WAITING["direct"])
    match phase:
        case "busy" if state.step == "store":
            title, text = "Storing the login…", "It is sealed before it is stored."
        case "busy":
            title, text = "Exchanging it for a login…", "The provider is asked for the tokens, once."
        case "confirm" if state.step == "finish":
            title, text = "Not finished yet", state.error
        case "confirm":
            title, text = "Another account", "The login is kept sealed until you decide."
        case "done":
            text = "The login is stored and tried." if tested else "The login is stored. One call tries it."
            title = "Signed in"
        case "failed" | "expired" | "cancelled":
            title, text = state.error, state.hint
    wrong = phase == "open" and bool(state.error) and state.method not in PASTED
    mark = f"{phase}.{state.step}.{state.code}"
    return LoginView(phase, title, text, _chips(state, phase, tested), _NOTES[phase], mark, error=wrong)


def clock(state: LoginState, now: float) -> str:
    """Return the time left as minutes and seconds; empty when it no longer waits."""
    if phase_of(state, now) not in ("open", "busy", "confirm") or now >= state.expires_at:
        return ""
    minutes, seconds = divmod(int(state.expires_at - now), 60)
    return f"{minutes}:{seconds:02d}"


def _chips(state: LoginState, phase: Phase, tested: bool) -> tuple[Chip, ...]:
    waiting = _WAITING.get(state.method, _WAITING["direct"])[2]
    begun = {"device": "Code made", "direct": "Begun"}.get(state.method, "Link made")
    ended_at = 2 if state.step in ("exchange", "finish", "store") else 1
    reached = {"open": 1, "busy": 2, "confirm": 2, "done": 4 if tested else 3}.get(phase, ended_at)
    there: Tone = "bad" if phase in ("failed", "expired") else "mute" if phase == "cancelled" else "info"
    tones: list[Tone] = ["ok"] * reached
    tones += [there, "mute", "mute", "mute"]
    made = datetime.fromtimestamp(state.created_at, UTC)
    chips = zip(tones, (begun, waiting, "Exchange", "Test call"), (made, None, None, None), strict=False)
    return tuple(Chip(tone, name, when) for tone, name, when in chips)
