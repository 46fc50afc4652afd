"""A command that has several actions names them where none is given, instead of breaking."""

import pytest
from django.core.management import CommandError, call_command

from context_app.management.commands import contexts
from sessions_app.management.commands import addresses, sessions


@pytest.mark.parametrize("command", [addresses, contexts, sessions])
def test_an_action_is_asked_for(command: object) -> None:
    with pytest.raises(CommandError, match="required: action"):
        call_command(command.Command())  # type: ignore[attr-defined]
