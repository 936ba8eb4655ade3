"""How a resource declares its model's tensors for the other protocols."""

from model_serving.protocols.signature import Signature as Signature
from model_serving.protocols.signature import Tensor as Tensor
