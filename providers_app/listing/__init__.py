"""The models that a session can use, as its provider lists them: cached, filtered, ordered."""
