"""The providers, their operations, and the checks that a package has to pass.

discovery       provider packages: the folders of ``providers/`` and installed entry points, loaded on first use
resolver        (provider, operation) -> behaviour; the session that a caller names
compliance      checks of packages against the Protocols, with stable ids
options         options that a provider declares for its sessions, judged in one place for every door
file_formats    files of other programs that installed providers can read
"""
