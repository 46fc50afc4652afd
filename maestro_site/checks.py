"""What ``manage.py check --tag settings`` says of the environment."""

from typing import Any

from django.core.checks import CheckMessage, Warning

from maestro_site import conf


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A warning for each variable with an earlier name (W001), or that nothing reads: of ours (W002), of earlier ones
    (W003)."""
    earlier = [
        Warning(sentence, hint="The earlier name still works, and is weaker than the new one.", id="maestro_site.W001")
        for sentence in conf.earlier_names()
    ]
    unknown = [
        Warning(sentence, hint="`manage.py up` does not start with it.", id="maestro_site.W002")
        for sentence in conf.unknown_variables()
    ]
    gone = [
        Warning(sentence, hint="Nothing reads it any more.", id="maestro_site.W003")
        for sentence in conf.unknown_earlier_names()
    ]
    return [*earlier, *unknown, *gone]
