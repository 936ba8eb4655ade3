"""`@batched`: one run of the model answers concurrent calls.

- `batcher.has_hanging_batch`: whether a batch for a model runs past the deadlines of all its callers
- `decorator.batched`: the decorator
"""
