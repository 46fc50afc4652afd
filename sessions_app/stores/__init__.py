"""The stores that the provider core is given, in Django's database, and the threads that they work on."""
