"""The site: settings, addresses and commands. Joins the apps below it and owns nothing of theirs."""

__version__ = "0.1.0"
