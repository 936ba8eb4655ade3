"""A resource that does not load."""

raise RuntimeError('the password is 42')
