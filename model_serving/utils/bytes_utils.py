"""The bytes of a property with `contentEncoding: base64`."""

from model_serving.uploads.files import base64_bytes as base64_bytes
