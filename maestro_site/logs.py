"""The format of log lines: one readable line for people, or one JSON object."""

import logging
import re
import sys

# structlog imports these where they are installed, for features that are not used here; None makes an import fail.
_LEFT_OUT = {"rich", "twisted"} - sys.modules.keys()
for _name in _LEFT_OUT:
    sys.modules[_name] = None  # type: ignore[assignment]
import structlog  # noqa: E402

for _name in _LEFT_OUT:
    del sys.modules[_name]

SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

# A welcome link and the parameters of an OAuth callback are logins until they are spent, and Django logs the address
# of every request that it refuses.
_IN_ADDRESSES = re.compile(r"(/welcome/)[\w-]+|(/oauth/callback/?\?)[^\s'\"<>]+")


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Mask sign-in tokens in addresses anywhere in the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        return _IN_ADDRESSES.sub(r"\1\2***", super().format(record))


def formatter(json: bool = False) -> logging.Formatter:
    """Return the formatter of the stderr handler, which records of every library pass."""
    chain: list[structlog.types.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if json:
        # People get the traceback as lines below the message; a JSON line carries it as one string.
        chain += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        traceback = structlog.dev.plain_traceback
        chain.append(structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=traceback))
    return _Formatter(foreign_pre_chain=list(SHARED), processors=chain)
