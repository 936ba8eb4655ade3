"""The service of the tests of /mcp."""

from flask import Flask

from model_serving import Mount
from model_serving import create_app as create_service

NAMES = {
    'test_simple_text': 'Text',
    'test_logging_tool': 'Text',
    'test_streaming_elicitation': 'Text',
    'test_image_content': 'Image',
    'test_audio_content': 'Audio',
    'json_schema_2020_12_tool': 'Keywords',
    'test_error_handling': 'Error',
    'Crash': 'Crash',
    'OddError': 'OddError',
    'Slow': 'Slow',
    'Big': 'Big',
    'List': 'List',
    'Rows': 'Rows',
}
MODELS = [
    Mount('Hello', 'model_serving.resources.xxx_model_resource:XXXModelResource'),
    *(Mount(name, f'tests.protocols.mcp_models:{resource}Resource') for name, resource in NAMES.items()),
    Mount('Broken', 'tests.protocols.broken_model:BrokenResource'),
]


def create_app() -> Flask:
    """The application; the names of some of its models are those of the official conformance suite."""
    return create_service(MODELS)
