"""The author's kit: what the two files of a model import, under names that stay."""
