"""The providers, their operations, options and settings, and the checks that a package has to pass."""
