"""Short texts that are made from the request."""

from providers_app.providers.demo.asked import Asked

QUOTED = 280
SENTENCES = (
    "the morning train leaves the valley on time",
    "a lighthouse keeper writes down every passing ship",
    "two gardeners argue about the oldest apple tree",
    "the librarian finds a map between two novels",
    "rain drums on the roof of the empty market hall",
    "a clockmaker winds the tower clock for the last time",
    "the ferry waits until the fog has lifted",
    "children draw a long chalk line down to the harbour",
)


def introduction(asked: Asked) -> str:
    """Says who speaks, repeats the message, and reports exactly what arrived: the effect of the context panel."""
    said = _quote(asked.last_text) if asked.last_text else "> (no text)"
    received = ", ".join(f"{number} {role}" for role, number in asked.counts.items())
    lines = [
        "Hello! I am the **demo model**. I run inside this installation, need no key, and send nothing anywhere.",
        f"You wrote:\n\n{said}",
        (
            f"With that I received {_plural(sum(asked.counts.values()), 'message')} ({received}), about "
            f"{_plural(asked.prompt_tokens, 'token')} in all. Exclude or delete a chunk in the context panel, ask "
            "again, and this number falls."
        ),
    ]
    if asked.system_text:
        lines.append(f"The system text that came with it begins:\n\n{_quote(asked.system_text)}")
    if asked.tools:
        lines.append("You also offered tools: " + ", ".join(f"`{name}`" for name, _ in asked.tools) + ".")
    lines.append(
        "Things to try:\n\n"
        "- Ask *How would you write a FastAPI application that handles Stripe-based subscriptions?* for a long answer"
        " with code.\n"
        "- Choose `demo-reasoning` or `demo-tools` in the model picker.\n"
        "- Choose one of the faults, such as `demo-midstream-error` or `demo-error-429`, and see how it is shown.\n"
        "- Press Stop in the middle of an answer, or close the tab and come back: the text is kept."
    )
    return "\n\n".join(lines)


def reasoning(text: str) -> str:
    """Thinking aloud about the message."""
    subject = " ".join(text.split())[:120] or "an empty message"
    return (
        f"The message is: “{subject}”. What is wanted here? First I separate what was asked from what I would"
        " like to add.\n\n"
        "There are two ways to answer: short and exact, or long with background. A demo should show both the thinking"
        " and the result, so I keep the answer plain and say what I saw.\n\n"
        "One more check: nothing in it needs a tool, and nothing in it is private. I can answer directly."
    )


def from_results(results: tuple[str, ...]) -> str:
    """An answer that stands on what the tools returned."""
    intro = "The tool answered:" if len(results) == 1 else f"All {len(results)} tools answered:"
    quoted = "\n".join(f"{number}. {_line(result)}" for number, result in enumerate(results, start=1))
    return f"{intro}\n\n{quoted}\n\nThat is what I needed. With a real model, the conclusion would follow here."


def numbered(words: int) -> str:
    """Exactly so many words in numbered sentences, so that a lost or doubled piece is seen at once."""
    made: list[str] = []
    sentence = 0
    while len(made) < words:
        sentence += 1
        body = SENTENCES[(sentence * 5 + sentence // len(SENTENCES)) % len(SENTENCES)]
        made += f"{sentence}. {body[0].upper()}{body[1:]}.".split()
    made = made[:words]
    # A paragraph of sixty words each, joined with what lies between the words.
    paragraphs = [" ".join(made[at : at + 60]) for at in range(0, len(made), 60)]
    return "\n\n".join(paragraphs)


def _quote(text: str) -> str:
    cut = text if len(text) <= QUOTED else text[:QUOTED].rstrip() + " …"
    return "\n".join(f"> {line}" if line else ">" for line in cut.splitlines())


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= QUOTED else flat[:QUOTED].rstrip() + " …"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
