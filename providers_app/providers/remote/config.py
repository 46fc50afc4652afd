"""Settings of compatible servers; a session may set those of ``options.QUIRKS`` by the same name."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, create_model, field_validator

from providers_app.providers.remote.options import QUIRKS, SWITCH
from providers_app.providers.remote.servers import AUTO, SERVERS
from providers_app.setting_types import ProviderSettings, setting
from providers_app.text import nearest
from providers_app.types.catalogue import SettingField


class _Config(ProviderSettings):
    """``MAESTRO_PROVIDERS__REMOTE__...``"""

    base_url: str = setting("", "Address for sessions that have none of their own, with /v1.")
    server: str = setting(AUTO, "The kind of server, for sessions that choose none; auto: by its address.")

    @field_validator("server")
    @classmethod
    def _known_server(cls, value: str) -> str:
        if value not in (AUTO, *SERVERS):
            raise ValueError(f"there is no kind of server {value!r}. {nearest(value, (AUTO, *SERVERS))}")
        return value


def _quirk(field: SettingField) -> Any:
    kind: Any = Literal[("", *field.choices)] if field.choices else str
    if field.choices == SWITCH:  # True and False of Python mean the words
        lower = BeforeValidator(lambda value: str(value).lower() if isinstance(value, bool | str) else value)
        kind = Annotated[kind, lower]
    return kind, setting("", field.help)


Config = create_model("Config", __base__=_Config, **{field.name: _quirk(field) for field in QUIRKS})
