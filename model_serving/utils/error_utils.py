"""The errors that a model may raise, each with its status."""

from model_serving.errors import BodyTooLarge as BodyTooLarge
from model_serving.errors import ClientGone as ClientGone
from model_serving.errors import DeadlineExceeded as DeadlineExceeded
from model_serving.errors import InvalidInput as InvalidInput
from model_serving.errors import ModelNotReady as ModelNotReady
from model_serving.errors import Overloaded as Overloaded
from model_serving.errors import ServingError as ServingError
from model_serving.errors import UnsupportedMediaType as UnsupportedMediaType
