"""Which parameters the models of one vendor take, as data, for every provider that serves them (``rules.py``)."""
