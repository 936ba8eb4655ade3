"""A worker's share of the cores."""

from model_serving.cores import numeric_threads as numeric_threads
