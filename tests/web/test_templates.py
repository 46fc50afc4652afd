"""Templates and style sheets: what they may contain, whether the files they name exist, contrast, and the tags."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django import forms
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.utils import timezone

from maestro_site.templatetags import site_tags

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STYLES = sorted((ROOT / "static/css").glob("*.css"))
SCRIPTS = sorted((ROOT / "static/js").glob("*.js"))
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}|<!--.*?-->", re.S)
MODES = ("light", "dark")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sprite() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons/sprite.svg").read_text()))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_has_nothing_that_a_strict_policy_blocks(path: Path) -> None:
    text = COMMENT.sub("", path.read_text())
    tags = re.findall(r"<[a-zA-Z][^>]*>", re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text))
    for tag in tags:
        assert not re.search(r"\sstyle\s*=", tag), tag
        assert not re.search(r"\son[a-z]+\s*=", tag), tag
        assert not re.search(r"\shx-on", tag), tag
        assert "javascript:" not in tag, tag
        assert not re.search(r"hx-(vals|headers)\s*=\s*['\"]js:", tag), tag
    assert "<style" not in text
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.S):
        data = "application/json" in attributes
        assert data or ("src=" in attributes and not body.strip()), "an inline script"


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_names_only_files_and_icons_that_exist(path: Path) -> None:
    text = path.read_text()
    for file in re.findall(r"""\{% static ['"]([^'"]+)['"]""", text):
        assert finders.find(file), file
    for icon in re.findall(r"""\{% icon ['"]([^'"]+)['"]""", text):
        assert icon in sprite(), icon
    for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text):
        assert "//" not in tag, f"{tag} is loaded from elsewhere"


@pytest.mark.parametrize("path", STYLES, ids=name)
def test_a_style_sheet_loads_nothing_from_elsewhere_and_uses_only_known_tokens(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    for address in re.findall(r"url\(\s*['\"]?([^'\")]+)", text):
        assert (path.parent / address).resolve().is_file(), address
    assert "@import" not in text
    everywhere = "".join(sheet.read_text() for sheet in STYLES)
    known = set(re.findall(r"(--[\w-]+)\s*:", everywhere)) | set(
        re.findall(r"setProperty\(\s*[\"'](--[\w-]+)", "".join(script.read_text() for script in SCRIPTS))
    )
    assert set(re.findall(r"var\((--[\w-]+)\s*\)", text)) <= known


def test_vendored_files_are_what_their_list_says() -> None:
    folder = ROOT / "static/vendor"
    rows = dict(re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M))
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "README.md"
    }
    assert rows == files


def tokens() -> dict[str, tuple[str, str]]:
    """Every colour token as (light, dark)."""
    text = (ROOT / "static/css/tokens.css").read_text()
    pairs = {key: (a, b) for key, a, b in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", text)}
    return pairs | {key: (one, one) for key, one in re.findall(r"--([\w-]+): (#\w{6});", text)}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


GROUNDS = ("bg", "surface", "raised", "sunken", "hover", "active")
TEXT_PAIRS = [
    *[(text, ground) for text in ("text", "text-2", "text-3") for ground in GROUNDS],
    *[(f"{state}", f"{state}-soft") for state in ("ok", "warn", "bad", "mute")],
    *[(state, ground) for state in ("ok", "warn", "bad", "accent-text") for ground in ("surface", "bg")],
    ("text-2", "warn-soft"),
    ("text-2", "bad-soft"),
    ("text-2", "accent-soft"),
    ("text-3", "accent-soft"),
    ("accent-text", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("toast-text", "toast"),
    ("toast-text-2", "toast"),
    ("toast-link", "toast"),
    *[(f"code-{part}", "code") for part in ("keyword", "string", "comment", "function", "number", "decorator")],
]
SIGN_PAIRS = [
    *[(sign, "surface") for sign in ("control", "focus", "accent", "ok-dot", "warn-dot", "bad-dot", "mute-dot")],
    *[
        (f"kind-{kind}", "surface")
        for kind in ("system", "file", "summary", "note", "user", "assistant", "tool-call", "tool-result")
    ],
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_can_be_read_on_its_ground(text: str, ground: str, mode: str) -> None:
    colours, side = tokens(), MODES.index(mode)
    assert contrast(colours[text][side], colours[ground][side]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("sign", "ground"), SIGN_PAIRS)
def test_controls_dots_and_bars_stand_out(sign: str, ground: str, mode: str) -> None:
    colours, side = tokens(), MODES.index(mode)
    assert contrast(colours[sign][side], colours[ground][side]) >= 3


def test_the_admin_has_the_same_accent() -> None:
    light, dark = tokens()["accent"]
    assert f"--accent: light-dark({light}, {dark});" in (ROOT / "static/css/admin.css").read_text()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (59, "now"),
        (60, "1 m ago"),
        (3599, "59 m ago"),
        (3600, "1 h ago"),
        (17 * 86400, "17 d ago"),
        (-30, "now"),
        (-41 * 60, "in 41 m"),
        (-5 * 3600, "in 5 h"),
        (-2 * 86400, "in 2 d"),
    ],
)
def test_a_time_is_told_from_now(seconds: int, words: str) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert site_tags.relative(now - timedelta(seconds=seconds), now) == words


def test_a_time_keeps_the_exact_one_and_a_missing_one_says_so() -> None:
    html = site_tags.ago(datetime(2026, 11, 20, 9, 41, 5, tzinfo=UTC))
    assert 'datetime="2026-11-20T09:41:05+00:00"' in html
    assert "20 Nov 2026, 09:41:05" in html
    assert site_tags.ago(None) == "never"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (950, "950"),
        (1200, "1.2k"),
        (33_400, "33.4k"),
        (200_000, "200k"),
        (2_410_000, "2.41M"),
        (-39_112, "−39.1k"),
        (999_949, "999.9k"),
        (999_950, "1M"),
        (None, "–"),
    ],
)
def test_a_count_is_short(value: int | None, words: str) -> None:
    assert site_tags.compact(value) == words


def test_a_pill_escapes_its_words_and_knows_its_kinds() -> None:
    assert site_tags.pill("bad", "<b>") == '<span class="pill pill-bad">&lt;b&gt;</span>'
    styled = set(re.findall(r"\.pill-(\w+)", (ROOT / "static/css/components.css").read_text())) - {"plain"}
    assert styled | {"mute"} == set(site_tags.PILL_KINDS), "mute looks as a pill does by itself"
    assert site_tags.pill("nonsense", "x") == '<span class="pill pill-mute">x</span>'


@pytest.mark.parametrize(
    ("person", "letters"), [("nora", "NO"), ("nora.keller", "NK"), ("Ada M. Lovelace", "AL"), ("x", "X"), ("_", "?")]
)
def test_a_person_is_two_letters(person: str, letters: str) -> None:
    assert site_tags.initials(person) == letters
    assert site_tags.initials(User(username="zz", first_name="Ada", last_name="King")) == "AK"


def test_a_price_has_no_needless_digits() -> None:
    assert [site_tags.money(value) for value in (3, 0.25, 0.075, None)] == ["3", "0.25", "0.075", "–"]


def test_a_time_ahead_is_near_or_not() -> None:
    ahead = timezone.now() + timedelta(seconds=30)
    assert site_tags.until(ahead, 60) and not site_tags.until(ahead, 10) and not site_tags.until(ahead)
    assert site_tags.until(timezone.now() - timedelta(seconds=1)) and not site_tags.until(None, 60)


class Example(forms.Form):
    name = forms.CharField(help_text="Any name.", widget=forms.TextInput({"class": "mono"}))
    kind = forms.ChoiceField(choices=[("a", "A")])
    text = forms.CharField(widget=forms.Textarea, required=False)
    keep = forms.BooleanField(required=False)


def test_a_control_has_our_class_and_is_tied_to_its_help_and_error() -> None:
    form = Example({"name": "", "kind": "a"})
    name = site_tags.control(form["name"], hx_get="/x/", **{"class": "wide"})
    assert 'class="input mono wide"' in name and 'hx-get="/x/"' in name
    assert 'aria-describedby="id_name_help id_name_error"' in name and 'aria-invalid="true"' in name
    classes = {field.name: site_tags.control(field) for field in form if field.name != "name"}
    for field, kind in (("kind", "select"), ("text", "textarea"), ("keep", "checkbox")):
        assert f'class="{kind}"' in classes[field] and "aria-" not in classes[field]
    assert [site_tags.is_checkbox(field) for field in form] == [False, False, False, True]
    assert site_tags.with_codes(form["name"].errors) == [("This field is required.", "")]
