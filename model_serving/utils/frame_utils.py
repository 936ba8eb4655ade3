"""Rows of a request as a pandas DataFrame."""

from model_serving.frames import data_frame as data_frame
