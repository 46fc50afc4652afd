"""Sign-ins from a browser: which methods work there, the form, the calls of the core, the words of the page."""
