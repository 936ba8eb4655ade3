"""How a resource declares for OpenAI's clients that its model makes embeddings."""

from model_serving.protocols.embeddings import Embeddings as Embeddings
