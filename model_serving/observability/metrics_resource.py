"""GET /metrics: what Prometheus reads."""

from typing import Any, ClassVar

from flask import Response, abort, current_app, request
from flask_restful import Resource

from model_serving.observability.exposition import exposition


class MetricsResource(Resource):
    """Shows the metrics of all workers."""

    access = 'metrics'
    answers: ClassVar[dict[str, Any]] = {
        'text/plain': {'type': 'string'},
        'application/openmetrics-text': {'type': 'string'},
    }

    def get(self) -> Response:
        """The metrics; 404 where the setting `metrics` is off."""
        if not current_app.config['METRICS']:
            abort(404)
        text, media_type = exposition(request.headers.get('Accept', ''), current_app.config['VERSION'])
        return Response(text, content_type=media_type)
