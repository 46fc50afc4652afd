"""Forms of the chat page."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest

from context_app.models import Context
from providers_app.types.chat import ChatParams

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
PARAM_FIELDS = ("max_output_tokens", "temperature", "top_p", "reasoning_effort")


def search_text(request: HttpRequest) -> str:
    """Return the search text (``q``) without NUL, which no database can look for."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:200]


def _fits(text: str) -> None:
    """Refuse text that is longer than a chunk may be."""
    limit = settings.MAESTRO.context.max_chunk_chars
    if len(text) > limit:
        raise forms.ValidationError(f"This is {len(text):,} characters; a chunk has at most {limit:,}.")


def _number(label: str, help_text: str, **attrs: Any) -> forms.Field:
    """Return an optional number field: whole numbers for the input mode ``numeric``."""
    field = forms.IntegerField if attrs["inputmode"] == "numeric" else forms.FloatField
    widget = forms.NumberInput(attrs={"placeholder": "Provider's default", **attrs})
    return field(label=label, required=False, help_text=help_text, widget=widget)


class NoteForm(forms.Form):
    """A note to be sent with the next request."""

    content = forms.CharField(
        label="Note",
        validators=(_fits,),
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "Something the model should know"}),
        error_messages={"required": "Write something first."},
    )
    role = forms.ChoiceField(
        label="Sent as", choices=(("user", "Message text"), ("system", "System text")), required=False
    )


class TitleForm(forms.Form):
    """A chat's title."""

    title = forms.CharField(label="Title", max_length=200, required=False, strip=True)


class ChooseForm(forms.Form):
    """The session (or ``alias:<id>``) and model to use from the next message on."""

    session = forms.RegexField(r"\A(?:alias:)?[0-9a-fA-F-]{32,36}\Z", max_length=50)
    model = forms.CharField(max_length=200, strip=True)


class ParametersForm(forms.Form):
    """Parameters of the next requests; a blank field keeps the provider's default."""

    max_output_tokens = _number("Max output", "The longest answer, in tokens.", min=1, inputmode="numeric")
    temperature = _number("Temperature", "Low is steady, high is varied.", step="0.1", inputmode="decimal")
    top_p = _number("Top p", "Change this or the temperature, not both.", step="0.05", inputmode="decimal")
    reasoning_effort = forms.ChoiceField(
        label="Reasoning effort",
        required=False,
        choices=(("", "Provider's default"), *((name, name.capitalize()) for name in EFFORTS)),
        help_text="How long the model may think before it answers.",
    )
    continuing = forms.ChoiceField(
        label="When an answer breaks off",
        required=False,
        choices=Context.Continuing.choices,
        help_text="What Continue does, and whether answers continue automatically where nothing is lost or repeated.",
    )
    system = forms.CharField(
        label="System text",
        required=False,
        validators=(_fits,),
        help_text="Sent before everything else. It appears in the context panel.",
        widget=forms.Textarea(attrs={"rows": 6, "placeholder": "You are a careful reviewer…"}),
    )

    def params(self) -> dict[str, Any]:
        """Return the chosen parameters by their ``ChatParams`` names, without blank ones."""
        known = set(ChatParams.__struct_fields__)
        values = {name: self.cleaned_data.get(name) for name in PARAM_FIELDS if name in known}
        return {name: value for name, value in values.items() if value not in (None, "")}
