"""The provider core: the universal interface is ``providers_app.provider``.

Settings that were not injected have the defaults of ``registry.settings``. Whichever part of the core is imported
first, ``conf`` learns here where they are.
"""

from providers_app import conf


def _defaults() -> conf.Defaults:
    from providers_app.registry import settings  # not before it is needed: it builds the models of all settings

    return settings


conf.defaults_from(_defaults)
