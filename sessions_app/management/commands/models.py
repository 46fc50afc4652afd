"""``manage.py models SESSION``: list the models that a session sees, with the source of each figure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from providers_app import provider
from providers_app.listing.search import SORTS, ModelQuery, checked, search
from providers_app.model_data.library import host_of, known_models
from providers_app.types.catalogue import ModelInfo
from sessions_app.management import terminal
from sessions_app.presenters import model_rows
from sessions_app.presenters.model_rows import Row

HEADS = ("MODEL", "WINDOW", "OUTPUT", "$ IN/OUT", "READS", "STAGE", "SOURCE")
RIGHT = (1, 2, 3)


class Command(terminal.TerminalCommand):
    help = (
        "List the models that a session sees, asked from its provider and completed by what is known of them. "
        "SOURCE says who told the figures: the provider, Maestro's model file with the age of what it says, or the "
        "operator's configuration."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        terminal.add_session(parser)
        parser.add_argument("--search", default="", metavar="WORDS", help="words that must be in id or name")
        parser.add_argument("--supports", action="append", default=[], metavar="CAPABILITY", help="may be repeated")
        parser.add_argument("--reads", action="append", default=[], metavar="MODALITY", help="such as image, audio")
        parser.add_argument("--min-window", type=int, default=0, metavar="TOKENS", help="smallest context window")
        parser.add_argument("--max-price", type=float, metavar="DOLLARS", help="per million input tokens, at most")
        parser.add_argument("--lifecycle", action="append", default=[], metavar="STAGE", help="such as active")
        parser.add_argument("--sort", default="", metavar="ORDER", help=f"one of: {', '.join(SORTS)}")
        parser.add_argument("--known", dest="cached", action="store_true", help="what is known without a request")

    def run(self, options: dict[str, Any]) -> None:
        """Print the models that the options choose."""
        chosen: dict[str, Any] = {name: options[name] for name in ("min_window", "max_price", "sort")}
        chosen |= {name: tuple(options[name]) for name in ("supports", "reads", "lifecycle")}
        query = checked(ModelQuery(text=options["search"], **chosen))
        session = terminal.session_of(options)
        listed: Sequence[ModelInfo]
        if options["cached"]:
            listed = known_models(session.provider, host=host_of(session.base_url), session=session.name)
        else:
            listed = terminal.models_of(session)
        found = search(listed, query, provider.provider_capabilities(session.provider))
        if not found:
            nothing = "Nothing is known of its models." if options["cached"] else "The provider lists no models."
            self.note("No model matches these filters." if listed else nothing)
        if self.as_json:
            # Without the provider's own entry.
            plain = (msgspec.to_builtins(model).items() for model in found)
            self.dump([{name: value for name, value in items if name != "raw"} for items in plain])
        elif found:
            today = datetime.now(UTC).date()
            self.print_table([HEADS, *(_line(model_rows.row(model, today)) for model in found)], right=RIGHT)


def _line(row: Row) -> tuple[str, ...]:
    model = row.model
    prices = [f"{price:g}" if price is not None else "-" for price in (model.input_price, model.output_price)]
    stage = row.warned.text if row.warned is not None else (model.lifecycle or "")
    sources = {cell.label or "provider" for cell in (row.window, row.output, row.price_in) if cell.title}
    return (
        model.id,
        f"{model.context_window:,}" if model.context_window else "-",
        f"{model.max_output_tokens:,}" if model.max_output_tokens else "-",
        "/".join(prices) if prices != ["-", "-"] else "-",
        ", ".join(model.input_modalities),
        stage,
        ", ".join(sorted(sources)) or ("provider" if model.source == "provider" else row.origin),
    )
