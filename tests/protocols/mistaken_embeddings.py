"""Resources that declare embeddings which their schemas do not have."""

from typing import Any

from flask_restful import Resource

from model_serving.utils.embedding_utils import Embeddings
from model_serving.utils.validation_utils import validate_json
from tests.protocols.embeddings_service import ANSWER, TEXTS


class NoTextsResource(Resource):
    """Names no property of its schema."""

    embeddings = Embeddings(texts='sentences', vectors='vectors')

    @validate_json(TEXTS)
    def post(self) -> Any:
        """Nothing."""
        return {}


class NoVectorsResource(Resource):
    """Names no property of its answer."""

    embeddings = Embeddings(texts='texts', vectors='rows')

    @validate_json(TEXTS, response=ANSWER)
    def post(self) -> Any:
        """Nothing."""
        return {}
