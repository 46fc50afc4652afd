"""``make bench-peers``: Maestro as a library beside its peers, the same work against one mock upstream in one run."""
