"""Read logins out of what other programs stored: text in, ``ImportedLogin`` out. ``services.imports`` stores them.

``formats`` recognises the kind of a text and calls its reader, ``keys`` reads plain keys, ``legacy`` the table of the
earlier product. Files that only one provider can read (auth.json of a CLI, credentials of a cloud) are read by that
provider's own package (``providers_app.registry.file_formats``).
"""
