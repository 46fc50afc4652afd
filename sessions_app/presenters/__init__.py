"""Values as pages and commands show them: the status of a session, the figures of a model."""
