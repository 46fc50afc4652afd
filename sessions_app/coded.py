"""A typed error as a form says it."""

from django import forms


class CodedError(forms.ValidationError):
    """What a typed error says beside a field; pages show its stable code (``shown_code``) as something to copy."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, code=code)
        self.shown_code = code
