"""Read logins out of what other programs stored: text in, ``ImportedLogin`` out. ``services.imports`` stores them.

Files that only one provider can read (auth.json of a CLI, credentials of a cloud) are read by its own package.
"""
