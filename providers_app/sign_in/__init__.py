"""A sign-in, from its first address to the stored session; and sessions that need none."""
