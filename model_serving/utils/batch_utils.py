"""What answers concurrent calls of a method by one run."""

from model_serving.batching.decorator import batched as batched
