"""What a view that takes long may ask about its request."""

from model_serving.jobs.cancellation import check_cancelled as check_cancelled
