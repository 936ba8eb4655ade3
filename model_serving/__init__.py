"""model-serving: each model behind a validated JSON endpoint."""

__version__ = '1.0.0'
