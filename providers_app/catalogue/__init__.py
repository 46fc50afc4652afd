"""The models that there are: what files, live lists and the operator's settings say of them, figure by figure.

listing     the models of a session: asked, kept with their age, asked anew behind the caller
lists       what is kept of one session's list
access      reading a list for pages, which wait for nobody
facts       what is known of one model without asking anybody
file        ``models.json``: read strictly, or not at all
library     the files of all providers and of the operator
shelf       their entries by id, alias, beginning and version
overrides   figures that the operator sets
merge       configured beats listed beats shipped, figure by figure
abilities   what a model can do, from what its list says
search      filters, and names with slips
update      bringing a file up to date from a list
"""
