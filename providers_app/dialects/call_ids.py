"""Tool-call ids as a wire accepts them, derived from our own so that the same history always gives the same ids.

Nothing is ever cut off (two long ids may begin alike): what does not fit is replaced by a hash. Nothing is read out of
an id either. The forms are those of the providers' errors and SDKs: OpenAI's "string_above_max_length ... maximum
length 40", Mistral's "must be a-z, A-Z, 0-9, with a length of 9", Anthropic's ``^[a-zA-Z0-9_-]+$``.
"""

import hashlib
import re
from functools import cached_property

import msgspec

from providers_app.types.chat import ToolCallPart

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class IdForm(msgspec.Struct, frozen=True, dict=True):
    """Which tool-call ids a wire accepts (``pattern``), and how others are replaced: prefix and hash of ``length``."""

    pattern: str
    prefix: str = "call_"
    length: int = 24

    @cached_property
    def _matching(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def fits(self, call_id: str) -> bool:
        """Is this id accepted as it is?"""
        return self._matching.fullmatch(call_id) is not None


OPENAI_IDS = IdForm(r"[\x21-\x7e]{1,40}")
RESPONSES_IDS = IdForm(r"[\x21-\x7e]{1,64}")
ANTHROPIC_IDS = IdForm(r"[a-zA-Z0-9_-]{1,64}", "toolu_")
GEMINI_IDS = IdForm(r"[\x21-\x7e]{1,128}")
NINE_ALPHANUMERICS = IdForm(r"[a-zA-Z0-9]{9}", "", 9)


class CallIds:
    """The wire ids of one request.

    A call has, in this order, the first of these that fits and that no earlier call has: the id that the asked provider
    itself gave it, our own id, a hash of our own id. So an id of another provider never reaches this one.
    """

    def __init__(self, form: IdForm, provider: str) -> None:
        self._form = form
        self._provider = provider
        self._used: set[str] = set()

    def of(self, call: ToolCallPart) -> tuple[bool, str]:
        """Is it the asked provider's own id, and the id."""
        given = call.provider_id
        if given and call.origin is not None and call.origin.provider == self._provider and self._free(given):
            self._used.add(given)
            return True, given
        chosen, attempt = call.id, 0
        while not self._free(chosen):
            chosen = self._form.prefix + base62(f"{call.id}\0{attempt}", self._form.length)
            attempt += 1
        self._used.add(chosen)
        return False, chosen

    def _free(self, call_id: str) -> bool:
        return call_id not in self._used and self._form.fits(call_id)


def base62(text: str, length: int) -> str:
    """The first ``length`` digits of a hash of ``text``."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return "".join(digits)
