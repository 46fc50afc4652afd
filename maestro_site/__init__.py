"""The site: settings, addresses and commands. Joins the apps below it and owns nothing of theirs."""

__version__ = "0.1.0"


def setup() -> None:
    """Prepare Maestro in a script or a notebook, as its commands do: settings, data directory, database, keys, owner.

    Call it once, before the first use of ``providers_app.provider``; a running event loop is no obstacle. With the
    embedded database pending migrations are applied. Raises ``NotConfigured`` with what to do.
    """
    from concurrent.futures import ThreadPoolExecutor

    from maestro_site.bootstrap import prepare_script

    # On a thread of its own: Django refuses its database where an event loop runs, as it does in a notebook.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(prepare_script).result()
