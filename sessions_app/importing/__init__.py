"""Reading logins out of what other programs stored: text in, ``ImportedLogin`` out. ``services.importing`` stores.

    sources      which kind of file a text is, and the one door to the readers
    keys         keys.json of the llm tool, .env files: plain keys of any provider
    settings     keys and files that the environment of this installation names
    legacy       an export of the earlier product's table saved_authentications, JSON or CSV

What only one provider can read (auth.json of a CLI, credentials of a cloud) that provider's own package reads
(``providers_app.registry.file_formats``).
"""
