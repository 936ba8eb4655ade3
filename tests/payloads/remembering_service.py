"""The service of these tests: models that count their runs, and remember their answers."""

import asyncio
from typing import Any

from flask import Response, after_this_request, request, session
from flask_restful import Resource

from model_serving.errors import ModelNotReady
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

schema: dict[str, Any] = {'type': 'object', 'properties': {'x': {'type': 'number'}}, 'required': ['x']}
runs: dict[str, int] = {}
shared: dict[str, Any] = {}


def run(name: str) -> dict[str, Any]:
    """How often the model of that name has run."""
    runs[name] = runs.get(name, 0) + 1
    return {'run': runs[name]}


class RememberingResource(Resource):  # type: ignore[misc]
    """Remembers its answers."""

    remember_mib = 1

    @validate_json(schema)
    def post(self) -> Any:
        """Count the run; fail where it is asked for a negative number."""
        if request.json['x'] < 0:
            run('failed')
            raise ModelNotReady(f'after {runs["failed"]} runs')
        return run('Count')


class AsyncResource(Resource):  # type: ignore[misc]
    """The same in the event loop."""

    remember_mib = 0.5

    @validate_json(schema)
    async def post(self) -> Any:
        """Count the run."""
        await asyncio.sleep(0.001)
        return run('Async')


class ChangingResource(RememberingResource):
    """Changes what it has returned."""

    @validate_json(schema)
    def post(self) -> Any:
        """The same object each time."""
        shared['last'] = request.json['x']
        return shared


class TupleResource(RememberingResource):
    """Answers with a header."""

    @validate_json(schema)
    def post(self) -> Any:
        """Count the run."""
        return run('Tuple'), 200, {'X-Run': str(runs['Tuple'])}


class WholeResource(RememberingResource):
    """Answers with a response."""

    @validate_json(schema)
    def post(self) -> Any:
        """Count the run."""
        return Response(f'{{"run": {run("Whole")["run"]}}}', mimetype='application/json')


class CookieResource(RememberingResource):
    """Sets a cookie beside its answer."""

    @validate_json(schema)
    def post(self) -> Any:
        """Count the run."""
        if request.json['x'] > 0:
            session['seen'] = True
        else:
            after_this_request(lambda response: (response.set_cookie('run', '1'), response)[1])  # type: ignore[func-returns-value]
        return run('Cookie')


class ForgetfulResource(Resource):  # type: ignore[misc]
    """Remembers nothing."""

    @validate_json(schema)
    def post(self) -> Any:
        """Count the run."""
        return run('Forgetful')


RESOURCES = {
    'Count': RememberingResource,
    'Async': AsyncResource,
    'Changing': ChangingResource,
    'Tuple': TupleResource,
    'Whole': WholeResource,
    'Cookie': CookieResource,
    'Forgetful': ForgetfulResource,
}


def create_app() -> Any:
    """The application."""
    app, _ = small_service(RESOURCES)
    app.secret_key = 'not one'
    return app


app = create_app()
