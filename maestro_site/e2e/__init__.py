"""One login checked from end to end, through the universal interface alone: local servers and real providers alike.

    authentication ─▶ models ─▶ streaming ─▶ validation ─▶ interruption ─▶ refusals ─▶ clean-up

``course`` runs the steps in order and cleans up whatever happens; ``steps`` are the steps, each a function over
``provider``; ``signing_in`` waits for a person; ``answers`` judges an answer. Nothing here prints.
"""
