"""The version of this package, in the one place that names it."""

__version__ = '2.0.0'
