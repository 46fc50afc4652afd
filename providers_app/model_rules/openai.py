"""OpenAI's models (developers.openai.com/api/docs/guides/reasoning and the model pages; refusals seen on the wire)."""

from providers_app.types.rules import ModelRule

_NO_CHAT = ("gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat")
_FIXED = "This model reasons, and takes no sampling parameters."
_WHILE_REASONING = "This model takes sampling parameters only with the reasoning effort none."

RULES: tuple[ModelRule, ...] = (
    ModelRule(
        models=("gpt-3.5", "gpt-4", "chatgpt-4o", *_NO_CHAT),
        params=("reasoning_effort",),
        why="This model does not reason.",
    ),
    # Chat Completions answers 400 and names the Responses API; there both go together.
    ModelRule(
        models=("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6"),
        dialects=("openai_chat",),
        params=("reasoning_effort",),
        when=("tools", "reasoning"),
        instead="none",
        why="Over Chat Completions this model takes tools only with the reasoning effort none.",
    ),
    ModelRule(
        models=("o1", "o3", "o4"),
        params=("reasoning_effort",),
        takes=("low", "medium", "high"),
        why="This model knows the efforts low, medium and high.",
    ),
    ModelRule(
        models=("gpt-5",),
        but=("gpt-5.", *_NO_CHAT),
        params=("reasoning_effort",),
        takes=("minimal", "low", "medium", "high"),
        why="This model always reasons: it knows the efforts minimal, low, medium and high.",
    ),
    ModelRule(
        models=("gpt-5.1",),
        but=_NO_CHAT,
        params=("reasoning_effort",),
        takes=("none", "low", "medium", "high"),
        why="This model knows the efforts none, low, medium and high.",
    ),
    ModelRule(models=("o1", "o3", "o4"), params=("temperature", "top_p"), why=_FIXED),
    ModelRule(models=("gpt-5",), but=("gpt-5.", *_NO_CHAT), params=("temperature", "top_p"), why=_FIXED),
    # Their own default is no reasoning at all.
    ModelRule(
        models=("gpt-5.1", "gpt-5.2", "gpt-5.3"),
        but=_NO_CHAT,
        params=("temperature", "top_p"),
        when=("reasoning",),
        why=_WHILE_REASONING,
    ),
    ModelRule(
        models=("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6"),
        params=("temperature", "top_p"),
        when=("reasoning_not_off",),
        why=_WHILE_REASONING,
    ),
    ModelRule(
        models=("o3", "o4", "gpt-5", "gpt-6"),
        but=_NO_CHAT,
        dialects=("openai_chat",),
        params=("stop",),
        why="This model takes no stop sequences.",
    ),
    ModelRule(
        models=("o1", "o3-mini"),
        params=("parallel_tool_calls",),
        why="This model makes one tool call at a time and takes no such switch.",
    ),
)
