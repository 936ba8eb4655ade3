"""A model that fails to load."""

raise RuntimeError('the file is not there')
