"""Nested lists of numbers as arrays, fast."""

from model_serving.arrays import as_array as as_array
