"""What a resource validates its requests with."""

from model_serving.schemas.validation import validate_json as validate_json
