"""Model data without asking a provider: shipped files, the operator's files and settings, by figure."""
