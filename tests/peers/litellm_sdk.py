"""LiteLLM's SDK, told to stay quiet."""

import asyncio
import os
import sys

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would ask for the map over the network

import litellm
import work

litellm.telemetry = False


async def everything() -> None:
    """Do the work."""
    common = {"api_key": "sk-bench-0123456789", "api_base": sys.argv[1], "max_tokens": 100}
    messages = [{"role": "user", "content": "Hello"}]

    async def plain(number: int) -> None:
        answer = await litellm.acompletion(model="openai/mock", messages=messages, **common)
        assert answer.choices[0].message.content

    async def stream(number: int) -> int:
        pieces = 0
        answer = await litellm.acompletion(model="openai/mock-n100", messages=messages, stream=True, **common)
        async for chunk in answer:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        return pieces

    await work.main(plain, stream)


if __name__ == "__main__":
    asyncio.run(everything())
