"""Template tags of all pages: icons, states, times, numbers, form controls."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app import selectors as sessions
from sessions_app.services import addresses

register = template.Library()

PILL_KINDS = ("ok", "warn", "bad", "mute", "info")
"""Kinds of pill: fine, soon a problem, a problem, switched off or unknown, going on."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
_CONTROLS = ((forms.CheckboxInput, "checkbox"), (forms.Select, "select"), (forms.Textarea, "textarea"))


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Render the icon ``name`` of ``static/icons/sprite.svg``, hidden from screen readers beside its text."""
    markup = '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>'
    return format_html(markup, f"icon {classes}".strip(), static("icons/sprite.svg"), name)


@register.simple_tag
def pill(kind: str, text: str) -> SafeString:
    """Render a state in words: ``kind`` is one of ``PILL_KINDS``; any other is shown as ``mute``."""
    return format_html('<span class="pill pill-{}">{}</span>', kind if kind in PILL_KINDS else "mute", text)


def relative(moment: datetime, now: datetime) -> str:
    """Return ``moment`` as seen from ``now``: "now", "4 m ago", "in 41 m", "17 d ago". Both are aware."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, letter in _UNITS:
        if size >= unit:
            words = f"{int(size // unit)} {letter}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "now"


@register.filter
def ago(value: datetime | None, missing: str = "never") -> SafeString | str:
    """Render a relative time, the exact one on hover; ``static/js/app.js`` updates it. ``None`` gives ``missing``."""
    if not isinstance(value, datetime):
        return missing
    moment = value if timezone.is_aware(value) else value.replace(tzinfo=UTC)
    exact = timezone.localtime(moment)
    return format_html(
        '<time class="num" datetime="{}" title="{}" data-relative>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="seconds"),
        exact.strftime("%a %d %b %Y, %H:%M:%S %Z").strip(),
        relative(moment, timezone.now()),
    )


@register.filter
def until(value: datetime | None, within: int = 0) -> bool:
    """Return True when ``value`` lies less than ``within`` seconds ahead, or is past."""
    return isinstance(value, datetime) and value - timezone.now() < timedelta(seconds=within)


@register.filter
def compact(value: float | None) -> str:
    """Shorten a count: 950, 1.2k, 33.4k, 200k, 2.41M. ``None`` gives a dash."""
    if value is None:
        return "–"
    number, sign = abs(value), "−" if value < 0 else ""
    # What would round to 1000.0k is a million already.
    for least, size, letter in ((999_950, 1_000_000, "M"), (1_000, 1_000, "k")):
        if number >= least:
            digits = 2 if letter == "M" and number < 10 * size else 1
            return sign + f"{number / size:.{digits}f}".rstrip("0").rstrip(".") + letter
    return f"{sign}{number:g}"


@register.filter
def money(value: float | None) -> str:
    """Format dollars without a sign: 3, 0.25, 0.075. ``None`` gives a dash."""
    return "–" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


@register.filter
def initials(user: Any) -> str:
    """Return two letters for a person: of the full name where there is one, else of the user name."""
    name = (user.get_full_name() if hasattr(user, "get_full_name") else "") or str(user)
    if not (words := re.sub("[_.-]", " ", name).split()):
        return "?"
    return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()


@register.simple_tag
def control(field: BoundField, **attributes: str) -> SafeString:
    """Render the widget of a form field with our class, tied to its help and its error for screen readers.

    Extra attributes are given with underscores: ``{% control field hx_get="/x/" placeholder="..." %}``.
    """
    widget = field.field.widget
    attrs: dict[str, Any] = {key.replace("_", "-"): value for key, value in attributes.items()}
    kind = next((kind for widgets, kind in _CONTROLS if isinstance(widget, widgets)), "input")
    attrs["class"] = " ".join(filter(None, (kind, widget.attrs.get("class", ""), attrs.get("class", ""))))
    described = ("help" if field.help_text else "", "error" if field.errors else "")
    if any(described):
        attrs["aria-describedby"] = " ".join(f"{field.auto_id}_{part}" for part in described if part)
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)


@register.filter
def with_codes(errors: Any) -> list[tuple[str, str]]:
    """Return the errors of a form field as (text, code); the code is blank where the error has none to show."""
    return [(" ".join(error.messages), getattr(error, "shown_code", "")) for error in errors.as_data()]


@register.filter
def private_address(form: forms.BaseForm) -> str:
    """Return the private address that was refused in a form and can be allowed, else an empty text."""
    found = (error for errors in form.errors.as_data().values() for error in errors)
    return next((address for error in found if (address := getattr(error, "private_address", ""))), "")


@register.simple_tag
def installation_owners() -> str:
    """Return the names of the people who may allow private addresses."""
    return addresses.owners()


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Return True for a field whose label stands behind its box."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.simple_tag(takes_context=True)
def attention_count(context: template.RequestContext) -> int:
    """Count the sessions of the signed-in person that need attention: one query per page."""
    user = context.get("user")
    return sessions.attention_count(user.pk) if user is not None and user.is_authenticated else 0
