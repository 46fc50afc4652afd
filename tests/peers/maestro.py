"""Maestro through its universal interface: a stored session with a sealed key, advice, and the report to the store."""

import asyncio
import os
import sys

import work


def main() -> None:
    """Make an installation in the data folder of the environment, connect a session, do the work."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "maestro_site.settings"
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user, _ = get_user_model().objects.get_or_create(username="bench")
    base_url = sys.argv[1]

    from providers_app import loop, provider
    from providers_app.types.events import TextDelta

    async def plain(number: int) -> None:
        result = await provider.complete_chat("remote", "bench", "Hello", model="mock", max_output_tokens=100)
        assert result.complete and result.text

    async def stream(number: int) -> int:
        pieces = 0
        async for event in provider.stream_chat("remote", "bench", "Hello", model="mock-n100", max_output_tokens=100):
            pieces += isinstance(event, TextDelta)
        return pieces

    async def everything() -> None:
        loop.attach(asyncio.get_running_loop())
        with provider.acting_as(user):
            await provider.create_session(
                "remote", "api_key", name="bench", api_key="sk-bench-0123456789", base_url=base_url
            )
            await work.main(plain, stream)
        await loop.shutdown()

    asyncio.run(everything())


if __name__ == "__main__":
    main()
