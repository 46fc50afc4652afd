"""``manage.py runserver``: Django's development server on daphne, which brings Twisted and so is loaded only here."""

from daphne.management.commands.runserver import Command

__all__ = ["Command"]
