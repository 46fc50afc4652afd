"""Estimate the tokens of a text without a vocabulary file."""

import re

# Scripts in which one character is about one token: kana, ideographs and their punctuation, Hangul, full-width forms.
_DENSE = re.compile(
    "[\u2e80-\u2fdf\u3000-\u30ff\u3100-\u312f\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+"
)
_CHARS_PER_TOKEN_ASCII = 4
_CHARS_PER_TOKEN_OTHER = 2.5


def estimate(text: str) -> int:
    """Return about how many tokens ``text`` has, for display and budgets; a provider's own count wins.

    One per 4 ASCII characters, one per character of a dense script, one per 2.5 others; at least 1 unless it is empty.
    """
    if not text:
        return 0
    if text.isascii():
        return -(-len(text) // _CHARS_PER_TOKEN_ASCII)
    rest = _DENSE.sub("", text)
    dense = len(text) - len(rest)
    plain = len(rest.encode("ascii", "ignore"))
    return max(1, round(dense + plain / _CHARS_PER_TOKEN_ASCII + (len(rest) - plain) / _CHARS_PER_TOKEN_OTHER))
