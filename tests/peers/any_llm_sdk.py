"""any-llm's SDK, over its provider for OpenAI."""

import asyncio
import sys

import work
from any_llm import acompletion


async def everything() -> None:
    """Do the work."""
    common = {"api_key": "sk-bench-0123456789", "api_base": sys.argv[1], "max_tokens": 100}
    messages = [{"role": "user", "content": "Hello"}]

    async def plain(number: int) -> None:
        answer = await acompletion(model="mock", provider="openai", messages=messages, **common)
        assert answer.choices[0].message.content

    async def stream(number: int) -> int:
        pieces = 0
        answer = await acompletion(model="mock-n100", provider="openai", messages=messages, stream=True, **common)
        async for chunk in answer:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        return pieces

    await work.main(plain, stream)


if __name__ == "__main__":
    asyncio.run(everything())
