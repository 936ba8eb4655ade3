"""A model that fails to load."""

raise RuntimeError('no weights')
