"""The last step of Markdown alone: whatever HTML came before it, only what is allowed leaves it."""

import pytest

from context_app import markup

NO = ' target="_blank" rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<script>alert(1)</script>x", "x"),
        ("<style>p{}</style>x", "x"),
        ("<iframe src=https://a.example>x</iframe>", "x"),
        ('<p onclick="x" style="x" id="x">y</p>', "<p>y</p>"),
        ('<ol start="7"><li>x</li></ol>', '<ol start="7"><li>x</li></ol>'),
        ('<ol start="999999"></ol>', '<ol start="999999"></ol>'),
        ('<ol start="1000000"></ol>', "<ol></ol>"),
        ('<ol start="x1"></ol>', "<ol></ol>"),
        ('<ol start="-1"></ol>', "<ol></ol>"),
        ('<ol type="a"></ol>', "<ol></ol>"),
        ('<button type="submit">x</button>', '<button type="button">x</button>'),
        ('<button type="button" name="x">x</button>', '<button type="button">x</button>'),
        ('<a href="https://a.example/start">x</a>', f'<a href="https://a.example/start"{NO}>x</a>'),
        ('<a href="http://a.example/">x</a>', f'<a href="http://a.example/"{NO}>x</a>'),
        ('<a href="mailto:a@b.example">x</a>', f'<a href="mailto:a@b.example"{NO}>x</a>'),
        ('<a href="javascript:alert(1)">x</a>', f"<a{NO}>x</a>"),
        ('<a href="/sessions/">x</a>', f"<a{NO}>x</a>"),
        ('<a href="https://a.example/" target="_self">x</a>', f'<a href="https://a.example/"{NO}>x</a>'),
    ],
)
def test_only_allowed_tags_and_attributes_leave(html: str, clean: str) -> None:
    assert sorted(markup._CLEANER.clean(html).replace(">", " >").split()) == sorted(clean.replace(">", " >").split())


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("div", "code-block"), ("div", "code-head"), ("div", "table-scroll"), ("span", "code-lang"),
        ("span", "image-gone"), ("span", "remote-image-name"), ("span", "remote-image-host"), ("span", "hl-k"),
        ("button", "code-copy"), ("a", "remote-image"), ("pre", "plain"),
    ],
)  # fmt: skip
def test_a_class_of_the_product_stays_on_its_tag_and_no_other_does(tag: str, name: str) -> None:
    assert f'class="{name}"' in markup._CLEANER.clean(f'<{tag} class="{name} button-danger">x</{tag}>')
    assert name not in markup._CLEANER.clean(f'<p class="{name}">x</p>')


@pytest.mark.parametrize(("side", "kept"), [("center", True), ("right", True), ("left", False)])
def test_the_side_of_a_column_is_a_class(side: str, kept: bool) -> None:
    marks = {"center": ":-:", "right": "--:", "left": ":--"}
    html = markup.to_html(f"| a |\n| {marks[side]} |\n| b |")
    assert (html.count(f'class="side-{side}"') == 2) is kept
    assert "style" not in html and '<div class="table-scroll"><table>' in html


def test_code_keeps_its_lines_its_colours_and_its_own_name_for_its_language() -> None:
    html = markup.to_html("```python title=x\n\n\ndef f(): return 1\n\n```")
    assert '<span class="code-lang">Python</span>' in html and "<pre><code>\n\n" in html
    assert '<span class="hl-k">def</span>' in html and html.count("\n\n") >= 2
    unknown = "l" * 41
    assert f'<span class="code-lang">{"l" * 40}</span>' in markup.to_html(f"```{unknown}\nx\n```")
    assert '<span class="code-lang">Text</span>' in markup.to_html("    x")


@pytest.mark.parametrize("beyond", [0, 1])
def test_text_beyond_the_limits_is_plain(monkeypatch: pytest.MonkeyPatch, beyond: int) -> None:
    monkeypatch.setattr(markup, "MAX_HIGHLIGHT_CHARS", 12 - beyond)
    assert ("hl-" in markup.code_html("def f(): ...", "python")) is not bool(beyond)
    assert ("hl-" in markup.inline_code_html("def f(): ...", "python")) is not bool(beyond)
    monkeypatch.setattr(markup, "MAX_CHARS", 5 - beyond)
    assert ("<strong>" in markup.to_html("**x**")) is not bool(beyond)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://a.example/x", "a.example"), ("nothing", "an unknown place"), ("http://[", "an unknown place")],
)
def test_the_host_of_an_address(url: str, host: str) -> None:
    assert markup.host_of(url) == host
