"""The plan of a run, and its report."""

from typing import Any, Literal

import msgspec

from providers_app.types.catalogue import AuthType
from providers_app.types.chat import ChatResult
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient

PROMPT = (
    "How would you write a FastAPI application that handles Stripe-based subscriptions? "
    "Include error handling and webhook verification."
)
"""The standard prompt, the same for every provider."""


class Failed(Exception):
    """A step failed; the message says why."""

    def __init__(self, words: str, code: str = "") -> None:
        super().__init__(words)
        self.code = code


class Skipped(Exception):
    """A step cannot be run here; the message says why."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one run.

    ``session`` (id or name) is an existing login, which is not changed; ``broken_model`` a model whose answers break
    off, ``limited_model`` one that is refused once with 429; ``timeout_s`` the whole wait for a person (``None``: no
    limit); ``renew_at`` the share of a sign-in's lifetime after which a new one is begun.
    """

    provider: str
    auth_type: AuthType
    owner: Any
    session: str = ""
    model: str = ""
    broken_model: str = ""
    limited_model: str = ""
    key: Secret = Secret("")
    base_url: str = ""
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    keep: bool = False
    flow: str = ""
    method: str = ""
    client: OAuthClient = OAuthClient()
    given: dict[str, Secret] = msgspec.field(default_factory=dict)
    agree: bool = False
    local_browser: bool = True
    timeout_s: float | None = None
    renew_at: float = 0.8


class Step(msgspec.Struct, frozen=True):
    """The result of one step. ``words`` is a sentence, ``code`` the stable code of a typed error."""

    name: str
    outcome: Literal["pass", "fail", "skip"]
    seconds: float
    words: str
    code: str = ""


class State(msgspec.Struct):
    """State shared by the steps; ``name`` is that of the session."""

    name: str
    model: str = ""
    result: ChatResult | None = None


class Report(msgspec.Struct):
    """The report of a run."""

    plan: Plan
    state: State
    steps: list[Step] = msgspec.field(default_factory=list)
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """True when no step failed and the run was not interrupted."""
        return not self.interrupted and all(step.outcome != "fail" for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON types, without secrets and without the answer's text."""
        usage = self.state.result.usage if self.state.result else None
        tokens = {"input": usage.input_tokens, "output": usage.output_tokens, "source": usage.source} if usage else None
        steps = [
            {"name": step.name, "outcome": step.outcome, "seconds": round(step.seconds, 3), "message": step.words}
            | {"code": step.code or None}
            for step in self.steps
        ]
        return {
            "provider": self.plan.provider,
            "auth_type": self.plan.auth_type,
            "session": self.state.name,
            "model": self.state.model or None,
            "passed": self.passed,
            "interrupted": self.interrupted,
            "usage": tokens,
            "steps": steps,
        }
