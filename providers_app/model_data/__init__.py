"""Model data without asking a provider: shipped files, the operator's files and settings, by figure.

file        ``models.json``: validated as a whole, or not used
library     the files of all providers and of the operator, and what is known of one model
merge       the models of one provider by id, alias, prefix and version; configured beats listed beats shipped
update      a file brought up to date from a provider's list
"""
