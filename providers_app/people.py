"""What the provider core may know of the person who acts: the e-mail address that an enterprise gateway asks for."""

from typing import Protocol

from providers_app.ports import Owner


class People(Protocol):
    """Where people live. Plugged in by the site."""

    async def email_of(self, owner: Owner) -> str:
        """The person's e-mail address; empty where there is none, and for the installation itself."""
        ...


class _Installed:
    def __init__(self) -> None:
        self.people: People | None = None


_installed = _Installed()


def install(people: People | None) -> None:
    """Plug in; ``None`` takes it out again."""
    _installed.people = people


async def email_of(owner: Owner | None) -> str:
    """The e-mail address of the owner; empty where nobody acts or nothing is plugged in."""
    if owner is None or _installed.people is None:
        return ""
    return await _installed.people.email_of(owner)
