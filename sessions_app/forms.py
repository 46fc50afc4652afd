"""Forms: they carry text from a page to a service, with limits on its size; the services judge it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django import forms
from django.utils.html import escape

from providers_app import errors
from providers_app.behaviours.keys import MAX_KEY_CHARS
from providers_app.behaviours.oauth import LoginField
from providers_app.registry import options
from providers_app.types import session_limits
from providers_app.types.catalogue import ProviderInfo, SettingField
from providers_app.types.credentials import Secret

QUIET = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}  # kept and corrected by no browser
NOTHING_CHOSEN = "As configured"  # the label of an empty choice: the provider's configuration decides
_SWITCH = {"true": "Yes", "false": "No"}


def key_of(name: str) -> str:
    """Return the form's name of an option, which cannot be one of the form's own."""
    return f"option_{name}"


class CodedError(forms.ValidationError):
    """A typed error beside a field; pages show its stable code (``shown_code``) as something to copy.

    ``private_address`` is the address that an owner of the installation can allow (``http://127.0.0.1:11434``), if any.
    """

    def __init__(self, message: str, *, code: str, private_address: str = "") -> None:
        super().__init__(message, code=code)
        self.shown_code = code
        self.private_address = private_address


class SecretArea(forms.Textarea):
    """A text area whose content goes in and is never rendered again."""

    def format_value(self, value: Any) -> str:
        return ""


class PastedField(forms.CharField):
    """Text that the browser does not cut to ``max_length``: what is longer is sent whole, and refused with a word."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs: dict[str, Any] = super().widget_attrs(widget)
        attrs.pop("maxlength", None)
        return attrs


class KeyField(PastedField):
    """A key that goes in and never comes back: what was typed is not rendered again, and the value is a ``Secret``."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.PasswordInput(render_value=False, attrs=QUIET))
        super().__init__(max_length=MAX_KEY_CHARS, **kwargs)

    def clean(self, value: Any) -> Any:
        return Secret(super().clean(value))


class NameForm(forms.Form):
    """Rename."""

    name = PastedField(
        label="Name", max_length=200, strip=True, help_text="3 to 50 letters, digits, _ and -.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip


class KeyForm(forms.Form):
    """Replace the key."""

    key = KeyField(label="New key")


class AddressForm(forms.Form):
    """Change the base URL."""

    base_url = PastedField(
        label="Base URL", required=False, max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://host/v1"}),
    )  # fmt: skip


class OptionsForm(forms.Form):
    """A form with the declared options of one auth type; each is judged by itself, and its error stands beside it.

    ``limits``: the limits of a session are asked for too, which a new one need not have.
    """

    def __init__(
        self, *args: Any, card: ProviderInfo | None = None, auth_type: str = "", limits: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.card, self.auth_type = card, auth_type
        self.declared = (options.known if limits else options.declared)(card, auth_type) if card else ()
        for field in self.declared:
            # The limit itself is the core's; this one keeps absurd input from being worked on.
            made: Any = declared_field(field, options.MAX_LINES + 1, field.placeholder)
            if field.choices and not field.required:
                made.choices = [("", field.placeholder or NOTHING_CHOSEN), *made.choices]
            self.fields[key_of(field.name)] = made

    @property
    def plain_options(self) -> list[forms.BoundField]:
        """The options that are always shown."""
        return [self[key_of(field.name)] for field in self.declared if not field.advanced]

    @property
    def advanced_options(self) -> list[forms.BoundField]:
        """The options of the provider that are folded away."""
        own = (field for field in self.declared if field.advanced and field.name not in session_limits.NAMES)
        return [self[key_of(field.name)] for field in own]

    @property
    def limit_options(self) -> list[forms.BoundField]:
        """The limits of the session."""
        return [self[key_of(field.name)] for field in self.declared if field.name in session_limits.NAMES]

    @property
    def limits_open(self) -> bool:
        """``True`` when a limit has a value or an error to show."""
        return any(bound.errors or bound.value() for bound in self.limit_options)

    @property
    def advanced_open(self) -> bool:
        """``True`` when a folded option has a value or an error to show."""
        return any(bound.errors or bound.value() for bound in self.advanced_options)

    @staticmethod
    def initial_of(known: Mapping[str, str]) -> dict[str, str]:
        """Return initial values for the options' fields."""
        return {key_of(name): value for name, value in known.items()}

    def given_options(self) -> dict[str, str]:
        """Return what was typed or chosen, by the option's name, without empty values."""
        found = {field.name: self.cleaned_data.get(key_of(field.name), "") for field in self.declared}
        return {name: value for name, value in found.items() if value}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.card is not None:
            for advice in options.problems(self.card, self.auth_type, self.given_options()):
                name = key_of(advice.field)
                if name in self.fields and name not in self.errors:
                    error = options.error_of(advice)
                    self.add_error(name, CodedError(f"{error.message} {error.hint}".strip(), code=error.code))
        return data


class ConnectForm(NameForm, OptionsForm):
    """The last step of Connect: name, key, address, options. What the provider has no use for is not in the form."""

    key = KeyField(label="API key", required=False)
    base_url = AddressForm.base_fields["base_url"]
    store_anyway = forms.BooleanField(label="Store it although the provider refused it", required=False)

    def __init__(
        self, *args: Any, with_key: bool, with_base_url: bool, base_url_required: bool, key_hint: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # Set when the provider itself refused the login: then, and only then, a person may insist.
        self.refused = bool(self.data.get("store_anyway"))
        if with_key:
            self.fields["key"].required = True
            self.fields["key"].widget.attrs |= {"placeholder": key_hint} if key_hint else {}
        else:
            del self.fields["key"], self.fields["store_anyway"]
        if not with_base_url:
            del self.fields["base_url"]
            return
        # An option may stand for an address; the service knows when there is none.
        choice = next((one.label for one in self.declared if one.addresses), None)
        self.fields["base_url"].required = base_url_required and choice is None
        if not base_url_required:
            self.fields["base_url"].help_text = "Leave it empty for the provider's own address."
        elif choice is not None:
            self.fields["base_url"].help_text = escape(f"Leave it empty for the address of what is chosen as {choice}.")


_FIELDS: tuple[tuple[type[errors.ProviderError], str], ...] = (
    (errors.InvalidName, "name"),
    (errors.DuplicateSession, "name"),
    (errors.InvalidCredential, "key"),
    (errors.AddressRefused, "base_url"),
    (errors.InvalidRequest, "base_url"),
    (errors.UnsupportedOperation, "auth_type"),
)


def add_error(
    form: forms.BaseForm, error: errors.ProviderError, field: str | None = None, *, code_in_text: bool = False
) -> None:
    """Put a typed error, with hint and code, next to its field; ``code_in_text`` where no template shows the code."""
    if field is None and isinstance(error, errors.InvalidOption):
        field = key_of(error.field)
    if field is None:
        field = next((name for kind, name in _FIELDS if isinstance(error, kind)), None)
    code, hint, address = f"[{error.code}]" if code_in_text else "", error.hint, ""
    if isinstance(error, errors.AddressRefused) and error.pair and not code_in_text:
        typed = str(form.data.get(field or "", "")).strip().lower()
        # The page has a button for what the hint says.
        hint, address = "", f"{'https' if typed.startswith('https:') else 'http'}://{error.pair}"
    text = " ".join(part for part in (error.message, hint, code) if part)
    found = CodedError(text, code=error.code, private_address=address)
    form.add_error(field if field in form.fields else None, found)


@contextmanager
def errors_in(form: forms.BaseForm) -> Iterator[None]:
    """Put a typed error of the block into the form; ``UnknownSession`` passes, because it is no fault of the input."""
    try:
        yield
    except errors.UnknownSession:
        raise
    except errors.ProviderError as error:
        add_error(form, error)


def declared_field(field: SettingField | LoginField, limit: int, placeholder: str = "") -> forms.Field:
    """Return the form field of what a provider package declares, as text: pages show labels and help as markup."""
    given: dict[str, Any] = {"label": field.label, "help_text": escape(field.help), "required": field.required}
    if field.choices:
        labels = field.choice_labels or [_SWITCH.get(choice, choice) for choice in field.choices]
        return forms.ChoiceField(choices=list(zip(field.choices, labels, strict=True)), **given)
    attributes = QUIET | ({"placeholder": placeholder} if placeholder else {})
    widget = forms.Textarea(attrs={**attributes, "rows": 4}) if field.multiline else forms.TextInput(attrs=attributes)
    return PastedField(widget=widget, max_length=limit, strip=True, **given)
