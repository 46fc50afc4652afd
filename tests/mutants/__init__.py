"""Mutation testing: small changes of the product, each of which some test has to notice. See ``__main__``."""
