"""POST /v1/CO2Model: forecast of carbon dioxide."""

from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.models.co2_model import HISTORY_MONTHS, CO2Model
from model_serving.utils.validation_utils import validate_json

co2_model_instance = CO2Model()

MAUNA_LOA_1999_TO_2001 = [
    *(368.12, 368.85, 369.60, 370.98, 370.84, 370.25, 369.00, 366.70, 364.68, 365.14, 366.65, 367.90),
    *(369.02, 369.38, 370.40, 371.54, 371.65, 371.62, 369.94, 367.95, 366.54, 366.72, 368.12, 369.44),
    *(370.18, 371.32, 372.06, 372.78, 373.80, 373.06, 371.30, 369.42, 367.88, 368.05, 369.38, 371.02),
]

co2_model_schema: dict[str, Any] = {
    'title': 'Carbon dioxide forecast',
    'description': (
        'Forecasts the monthly mean of carbon dioxide in the air, in parts per million (ppm), '
        'for the 12 months after a history such as that of Mauna Loa.'
    ),
    'type': 'object',
    'properties': {
        'instances': {
            'title': 'Histories',
            'description': 'One or more histories.',
            'type': 'array',
            'minItems': 1,
            'items': {
                'type': 'object',
                'properties': {
                    'history': {
                        'title': 'History',
                        'description': (
                            f'Monthly means in ppm, oldest first, no month left out; '
                            f'the last {HISTORY_MONTHS} are used.'
                        ),
                        'type': 'array',
                        'minItems': HISTORY_MONTHS,
                        'items': {'type': 'number', 'minimum': 200, 'maximum': 1000},
                    },
                },
                'required': ['history'],
                'additionalProperties': False,
            },
        },
    },
    'required': ['instances'],
    'additionalProperties': False,
    'examples': [{'instances': [{'history': MAUNA_LOA_1999_TO_2001}]}],
}

months = {'type': 'array', 'items': {'type': 'number'}, 'minItems': 12, 'maxItems': 12}
co2_model_response: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'predictions': {
            'type': 'array',
            'items': {'type': 'object', 'properties': {'ppm': months}, 'required': ['ppm']},
        },
    },
    'required': ['predictions'],
}


class CO2ModelResource(Resource):
    """Forecasts carbon dioxide."""

    @validate_json(co2_model_schema, response=co2_model_response)
    def post(self) -> Any:
        """Forecast the year after each history."""
        json = request.json
        forecasts = co2_model_instance.predict([instance['history'] for instance in json['instances']])
        return {'predictions': [{'ppm': forecast} for forecast in forecasts]}
