"""Strict local servers that behave like the providers: same checks, same framing, same errors, faults on request.

``server.py`` runs one in a thread, ``ledger.py`` is what it saw, ``plan.py`` how a name or key asks for a script
and its faults, ``shapes.py`` the checks, ``script.py`` what the model says; one folder per vendor holds only its wire.
"""
