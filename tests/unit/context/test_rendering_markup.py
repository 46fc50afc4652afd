"""Markdown to HTML: nothing that a model or a person writes can act on the page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context_app import markup
from context_app.markup import to_html

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](//evil.example/)",
    "[x](/admin/logout/)",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    '![x](https://evil.example/" onerror="alert(1))',
    "![x][r]\n\n[r]: https://evil.example/p.png",
    "<javascript:alert(1)>",
    '[x](https://a.example/ "title\\" onmouseover=\\"alert(1)")',
    '```"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "<iframe src=https://evil.example></iframe>",
    "<form action=/logout/ method=post><button>x</button></form>",
    "<style>*{display:none}</style>",
    "<div style='position:fixed'>x</div>",
    "<input autofocus onfocus=alert(1)>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[x](https://a.example){hx-get=/admin/}",
    '<a hx-get="/admin/" data-hx-post="/x/">x</a>',
]
ALLOWED_TAGS = set(markup._TAGS)
ALLOWED_ATTRIBUTES = {"class", "title", "href", "rel", "target", "type", "start"}
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[^<>]*?)?)\s*/?>")
ATTRIBUTE = re.compile(r'([a-zA-Z_:][-a-zA-Z0-9_:.]*)\s*=\s*"([^"]*)"')


def check(html: str) -> None:
    """Every tag and attribute in ``html`` is on the list, and every address is a plain web address."""
    for _, name, rest in TAG.findall(html):
        assert name.lower() in ALLOWED_TAGS, html
        for attribute, value in ATTRIBUTE.findall(rest):
            assert attribute in ALLOWED_ATTRIBUTES, html
            if attribute == "href":
                assert value.startswith(("http://", "https://", "mailto:")), html
        assert not re.search(r"\son[a-z]+\s*=", ATTRIBUTE.sub("", rest)), html
    assert "<" not in TAG.sub("", html), html


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_gets_through(attack: str) -> None:
    check(to_html(attack))
    check(to_html(f"text\n\n> {attack}\n\n- {attack}\n"))


@given(st.text(alphabet=st.sampled_from("<>\"'&[]()!`*_~|#-\n :/=javscriptonehd"), max_size=120))
def test_no_text_gets_through(text: str) -> None:
    check(to_html(text))


def test_links_open_elsewhere_and_tell_nothing() -> None:
    html = to_html("[x](https://a.example/?a=1&b=2)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "a=1&amp;b=2" in html


def test_a_remote_image_loads_nothing() -> None:
    html = to_html("![chart](https://evil.example/p.png?leak=1)")
    assert "<img" not in html
    assert "Image from evil.example, not loaded" in html
    assert 'class="remote-image"' in html


def test_code_has_language_colours_and_a_copy_button() -> None:
    html = to_html("```python\ndef f(): return 'x' # why\n```")
    assert '<span class="code-lang">Python</span>' in html
    assert '<button type="button" class="code-copy">Copy</button>' in html
    for name in ("hl-k", "hl-f", "hl-s", "hl-c"):
        assert f'class="{name}"' in html


def test_an_unknown_language_keeps_its_name() -> None:
    assert '<span class="code-lang">nolang</span>' in to_html("```nolang\nx\n```")


def test_code_text_is_kept_to_the_character() -> None:
    code = 'if a < b && c:\n\tprint("<&>")\n\n\n    # end'
    html = to_html(f"```python\n{code}\n```")
    body = re.sub(r"<[^>]+>", "", html.split("<pre><code>")[1].split("</code></pre>")[0])
    assert body.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&") == code + "\n"


def test_tables_and_strikethrough_without_inline_style() -> None:
    html = to_html("| a | b |\n|:-:|--:|\n| 1 | ~~2~~ |")
    assert 'class="side-center"' in html
    assert 'class="side-right"' in html
    assert "<s>2</s>" in html
    assert "style" not in html


def test_what_is_too_large_is_shown_as_it_is() -> None:
    html = to_html("*a*" + "x" * markup.MAX_CHARS)
    assert html.startswith('<pre class="plain">*a*')


def test_nothing_gives_nothing() -> None:
    assert to_html(" \n ") == ""
