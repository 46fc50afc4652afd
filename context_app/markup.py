"""Render Markdown of a model as HTML that is safe to put into a page.

``markdown-it`` (raw HTML off) -> ``pygments`` (class spans only) -> ``nh3`` (allow-list, always the last step). Input
that is too large or too deep becomes escaped text in one ``<pre>``. Some texts take for ever: give those that are not
Maestro's own to ``markup_worker``.
"""

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

MAX_CHARS = 200_000
MAX_NESTING = 24
MAX_HIGHLIGHT_CHARS = 40_000
CLASS_PREFIX = "hl-"
LINK_SCHEMES = ("http://", "https://", "mailto:")


def to_html(source: str) -> str:
    """Return safe HTML of ``source``. Never raises for any text; more than ``MAX_CHARS`` characters are plain text."""
    if not source.strip():
        return ""
    if len(source) > MAX_CHARS:
        return plain_html(source)
    try:
        html = _parser().render(source)
    except RecursionError:
        return plain_html(source)
    return _CLEANER.clean(html)


def plain_html(source: str) -> str:
    """Return ``source`` as escaped text in one block, with its line breaks."""
    return f'<pre class="plain">{escape(source)}</pre>'


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = _link_allowed  # type: ignore[method-assign]
    return parser


def _link_allowed(url: str) -> bool:
    """Allow only addresses with a scheme: a relative one would lead into this installation."""
    return url.strip().lower().startswith(LINK_SCHEMES)


class _Renderer(RendererHTML):
    """Give code a head with its language and a Copy button, and replace images by links, so that none is loaded."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        info = token.info.strip().split(maxsplit=1)
        return code_html(token.content, info[0] if info else "")

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return code_html(tokens[idx].content, "")

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        source = str(token.attrs.get("src", ""))
        label = self.renderInlineAsText(token.children or [], options, env) or "Image"
        if not is_web(source):
            return f'<span class="image-gone">{escape(label)}</span>'
        return (
            f'<a class="remote-image" href="{escape(source)}"><span class="remote-image-name">{escape(label)}</span>'
            f'<span class="remote-image-host">Image from {escape(host_of(source))}, not loaded</span></a>'
        )

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="table-scroll"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>"

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<th{_alignment(tokens[idx])}>"

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<td{_alignment(tokens[idx])}>"


def _alignment(token: Token) -> str:
    """Return the column's alignment as a class, because inline styles are forbidden."""
    style = str(token.attrs.get("style", ""))
    side = style.removeprefix("text-align:")
    return f' class="side-{side}"' if side in {"center", "right"} else ""


def is_web(url: str) -> bool:
    """Return whether an address may be a link of a page: ``http`` or ``https``."""
    return url.lower().startswith(("http://", "https://"))


def host_of(url: str) -> str:
    """Return the host of an address for display, or ``an unknown place``."""
    try:
        return urlsplit(url).hostname or "an unknown place"
    except ValueError:
        return "an unknown place"


def code_html(code: str, language: str) -> str:
    """Return a code block with a head: its language (as the author named it if unknown) and a Copy button."""
    lexer = _lexer(language.lower()) if language else None
    label = lexer.name if lexer is not None else language[:40]
    body = escape(code)
    if lexer is not None and len(code) <= MAX_HIGHLIGHT_CHARS:
        body = _highlight(code, lexer)
    return (
        f'<div class="code-block"><div class="code-head"><span class="code-lang">{escape(label or "Text")}</span>'
        f'<button type="button" class="code-copy">Copy</button></div><pre><code>{body}</code></pre></div>'
    )


def inline_code_html(code: str, language: str) -> str:
    """Return highlighted, escaped code without a block around it."""
    lexer = _lexer(language) if language else None
    return escape(code) if lexer is None or len(code) > MAX_HIGHLIGHT_CHARS else _highlight(code, lexer)


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language[:40], stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _highlight(code: str, lexer: Lexer) -> str:
    """Return ``code`` with class spans."""
    parts: list[str] = []
    for kind, text in lexer.get_tokens(code):
        name = _class_of(kind)
        parts.append(f'<span class="{name}">{escape(text)}</span>' if name else escape(text))
    return "".join(parts)


def _class_of(kind: Any) -> str:
    while kind not in STANDARD_TYPES:
        kind = kind.parent
    return _COLOURED.get(STANDARD_TYPES[kind], "")


_COLOURED = {
    short: CLASS_PREFIX + group
    for group, names in {
        "k": "k kc kd kn kp kr kt ow",
        "s": "s sa sb sc dl sd s2 se sh si sx sr s1 ss",
        "c": "c ch cm cp cpf c1 cs",
        "f": "nf fm nc nt nb",
        "n": "m mb mf mh mi mo il",
        "d": "nd ni na",
        "gd": "gd gr",
        "gi": "gi",
    }.items()
    for short in names.split()
}
"""Pygments' many short classes, mapped to the few colours of the product."""
_PLAIN_TAGS = "p br hr h1 h2 h3 h4 h5 h6 strong em s del code blockquote ul ol li table thead tbody tr"
_CLASSES: dict[str, set[str]] = {
    "div": {"code-block", "code-head", "table-scroll"},
    "span": {"code-lang", "image-gone", "remote-image-name", "remote-image-host", *_COLOURED.values()},
    "button": {"code-copy"},
    "a": {"remote-image"},
    "pre": {"plain"},
    "th": {"side-center", "side-right"},
    "td": {"side-center", "side-right"},
}
_TAGS = {*_PLAIN_TAGS.split(), *_CLASSES}


def _filter(tag: str, attribute: str, value: str) -> str | None:
    if tag == "ol" and attribute == "start":
        return value if value.isdigit() and len(value) < 7 else None
    if tag == "button" and attribute == "type":
        return "button"
    return value


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"script", "style"},
    attributes={"a": {"href"}, "ol": {"start"}, "button": {"type"}},
    attribute_filter=_filter,
    allowed_classes=_CLASSES,
    set_tag_attribute_values={"a": {"target": "_blank"}},
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)
