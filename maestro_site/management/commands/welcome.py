"""``manage.py welcome [USER]``: a new one-time sign-in link."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from maestro_site.accounts import welcome


class Command(BaseCommand):
    help = "Print a one-time sign-in link (15 minutes, one use). It replaces an earlier one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", nargs="?", help="user name; without it, the owner")
        parser.add_argument("--base", default="", help="address of the site, such as https://maestro.example")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["user"]
        try:
            user = User.objects.get(username=name) if name else welcome.ensure_owner()
        except (User.DoesNotExist, welcome.WelcomeError) as error:
            raise CommandError(f"There is no user {name!r}." if name else str(error)) from None
        if not user.is_active:
            raise CommandError(f"{name} is disabled. Enable the account in /admin/ first.")
        base = options["base"] or welcome.site_address()
        self.stdout.write(f"Open {base.rstrip('/')}/welcome/{welcome.create(user)}")
        self.stdout.write(f"It signs in {user.get_username()}, once, within 15 minutes.")
        self.stdout.flush()
