"""GET /docs: Swagger UI, which shows /openapi.json and calls what it shows."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any, ClassVar

from flask import Response, make_response, render_template, send_from_directory
from flask_restful import Resource

from model_serving.content_policy import policy_of

DOCS_URLS = ('/docs', '/docs/<any("swagger-ui.css", "swagger-ui-bundle.js"):filename>')


class DocsResource(Resource):
    """Shows this documentation as a page, on which each operation can be tried out."""

    access = 'docs'
    answers: ClassVar[dict[str, Any]] = {'text/html': {'type': 'string'}}

    def get(self, filename: str | None = None) -> Response:
        """The page, or one of the two files of Swagger UI that it uses."""
        if filename is None:
            page = render_template('docs.html')
            return make_response(page, {'Content-Security-Policy': policy_of(page.encode())})
        # Located without importing the package, which would import all of its dependencies.
        files = Path(str(distribution('flask-swagger-ui').locate_file('flask_swagger_ui/dist')))
        return send_from_directory(files, filename)
