"""Forms of a sign-in to a provider: what a flow needs before it begins, and the answer that is pasted."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.html import escape

from providers_app.behaviours.oauth import LoginField, OAuthFlow
from providers_app.types.credentials import Secret
from sessions_app.forms import QUIET, KeyField, NameForm, PastedField, SecretArea, declared_field
from sessions_app.sign_in.browser_location import Choice

MAX_FIELD_CHARS = 500
MAX_SECRET_CHARS = 16_384  # a service account's JSON with its key has about 2,400
MAX_ANSWER_CHARS = 8_192


class OnceInput(forms.PasswordInput):
    """A line of text that is seen while it is typed and never rendered again."""

    input_type = "text"


class SignInForm(NameForm):
    """The last step before a sign-in begins: name, what the flow asks for, the person's own client, method, consent.

    ``fixed_name``: the session exists and keeps its name. Methods that cannot work from this browser are refused.
    """

    client_id = PastedField(label="Client ID", max_length=MAX_FIELD_CHARS, widget=forms.TextInput(attrs=QUIET))
    client_secret = KeyField(label="Client secret", required=False)
    method = forms.ChoiceField(label="How the answer comes back")
    consent = forms.BooleanField(error_messages={"required": "Without this, the sign-in does not begin."})

    def __init__(
        self,
        *args: Any,
        flow: OAuthFlow,
        choices: Sequence[Choice],
        with_client: bool,
        client_required: bool = True,
        fixed_name: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.flow = flow
        self.choices = choices
        self.asked = [field.name for field in flow.fields]
        if fixed_name:
            del self.fields["name"]
        if with_client:
            self.fields["client_id"].required = client_required
        else:
            del self.fields["client_id"], self.fields["client_secret"]
        for field in flow.fields:
            self.fields[_key(field.name)] = _field(field)
        method = self.fields["method"]
        assert isinstance(method, forms.ChoiceField)
        method.choices = [(choice.method, choice.label) for choice in choices]
        method.initial = choices[0].method if choices else ""
        if flow.consent:
            self.fields["consent"].label = flow.consent
        else:
            del self.fields["consent"]

    @property
    def flow_fields(self) -> list[forms.BoundField]:
        """The fields that are this flow's own, in its order."""
        return [self[_key(name)] for name in self.asked]

    @property
    def chosen(self) -> str:
        """The method that is ticked."""
        return str(self["method"].value() or "")

    @staticmethod
    def initial_of(known: Mapping[str, str]) -> dict[str, str]:
        """Return initial values for the flow's own fields."""
        return {_key(name): value for name, value in known.items()}

    def clean_method(self) -> str:
        method = str(self.cleaned_data["method"])
        problem = next((choice.problem for choice in self.choices if choice.method == method), "")
        if problem:
            raise forms.ValidationError(problem, code="method")
        return method

    def given(self) -> dict[str, Secret]:
        """Return what was typed into the flow's own fields, by name, without empty values."""
        found = {name: self.cleaned_data.get(_key(name)) for name in self.asked}
        return {
            name: value if isinstance(value, Secret) else Secret(str(value)) for name, value in found.items() if value
        }


class AnswerForm(forms.Form):
    """The code or the address that came back. It is spent once and never rendered."""

    answer = PastedField(
        label="Code or address",
        max_length=MAX_ANSWER_CHARS,
        strip=True,
        widget=OnceInput(attrs=QUIET | {"class": "input-mono"}),
        error_messages={
            "required": "Paste the code, or the address that you landed on.",
            "max_length": f"This is longer than any code or address ({MAX_ANSWER_CHARS} characters at most).",
        },
    )


def _key(name: str) -> str:
    """Return the form's name of a flow's field, which cannot be one of the form's own."""
    return f"flow_{name}"


def _field(field: LoginField) -> forms.Field:
    if not field.secret:
        return declared_field(field, MAX_SECRET_CHARS if field.multiline else MAX_FIELD_CHARS)
    given: dict[str, Any] = {"label": field.label, "help_text": escape(field.help), "required": field.required}
    # A secret of several lines is the content of a key file.
    return KeyField(widget=SecretArea(attrs=QUIET | {"rows": 6}), **given) if field.multiline else KeyField(**given)
