"""``manage.py welcome [USER]``: a new one-time sign-in link."""

from typing import Any

from django.conf import settings
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
        base = (options["base"] or welcome.site_address()).rstrip("/")
        token = welcome.create(user)
        self.stdout.write(f"Open {base}/welcome/{token}")
        public = settings.MAESTRO.public_url.rstrip("/")
        if not options["base"] and public not in ("", base):  # `up` runs here, and a proxy in front of it
            self.stdout.write(f"From other machines: {public}/welcome/{token}")
        self.stdout.write(f"It signs in {user.get_username()}, once, within 15 minutes.")
        self.stdout.flush()
