"""The OpenAI SDK, with one client for all calls."""

import asyncio
import sys

import work
from openai import AsyncOpenAI


async def everything() -> None:
    """Do the work."""
    client = AsyncOpenAI(api_key="sk-bench-0123456789", base_url=sys.argv[1])
    messages = [{"role": "user", "content": "Hello"}]

    async def plain(number: int) -> None:
        answer = await client.chat.completions.create(model="mock", messages=messages, max_tokens=100)
        assert answer.choices[0].message.content

    async def stream(number: int) -> int:
        pieces = 0
        answer = await client.chat.completions.create(model="mock-n100", messages=messages, max_tokens=100, stream=True)
        async for chunk in answer:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        return pieces

    await work.main(plain, stream)


if __name__ == "__main__":
    asyncio.run(everything())
