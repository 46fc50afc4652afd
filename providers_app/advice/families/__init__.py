"""What is known of families of models, as data; a provider that serves a family names it in its ``rules`` module."""
