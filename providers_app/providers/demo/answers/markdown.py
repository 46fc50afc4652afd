"""One answer with every Markdown element, and with what a careful page must not let through."""

SHOWCASE = '''# A heading of the first level

Plain text with *emphasis*, **strong words**, ~~crossed out~~, `inline code`, a [link](https://example.org/), and a line
that is long enough to wrap on a narrow screen so that the wrapping can be looked at.

## Lists

1. First
2. Second
   - nested, with a `code span`
   - nested again
3. Third

- [x] a task that is done
- [ ] a task that is open

## A table

| Provider | Dialect | Streams |
|:---------|:-------:|--------:|
| anthropic | anthropic_messages | yes |
| openai | openai_responses | yes |
| gemini | gemini_generate | yes |

## Code

```python
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A point in the plane."""

    x: float
    y: float

    def moved(self, dx: float = 0.0, dy: float = 0.0) -> "Point":
        return Point(self.x + dx, self.y + dy)
```

```sql
SELECT provider, count(*) FROM sessions WHERE status = 'active' GROUP BY provider ORDER BY 2 DESC;
```

```
a block without a language: <b>not bold</b> & "not escaped twice"
```

## Quotes and rules

> A quotation
> over two lines
>
> > and one inside it

---

## Characters

Umlauts äöü ß, accents éèê, Greek αβγ, 世界, السلام, emoji 👩‍🚀 🏳️‍🌈,
a zero-width joiner, and “typographic” quotes — with a dash.

## What must not run or load

<script>document.title = "a script ran"</script>

<img src="x" onerror="document.title = 'a handler ran'">

[a link with a script](javascript:document.title='a link ran')

![a remote picture](https://example.org/pixel.png)
'''
