"""The networks that all contenders serve, and what they answer when asked directly."""

import itertools
import shutil

import numpy
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

from benchmarks.environments import MODELS, ROOT

Floats = NDArray[numpy.float32]


def make_models() -> None:
    """Put digits.onnx, which ships with the service, and heavy.onnx into MODELS."""
    MODELS.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / 'data' / 'digits_model.onnx', MODELS / 'digits.onnx')
    onnx.save(heavy_network(), MODELS / 'heavy.onnx')


def heavy_network() -> onnx.ModelProto:
    """A perceptron 64-2048-2048-10 with weights drawn from a fixed seed."""
    sizes = (64, 2048, 2048, 10)
    random = numpy.random.default_rng(0)
    nodes, weights, tensor = [], [], 'pixels'
    for layer, (rows, columns) in enumerate(itertools.pairwise(sizes), 1):
        matrix = (random.standard_normal((rows, columns)) * numpy.sqrt(2 / rows)).astype(numpy.float32)
        weights.append(numpy_helper.from_array(matrix, f'weights{layer}'))
        nodes.append(helper.make_node('MatMul', [tensor, f'weights{layer}'], [f'sum{layer}']))
        nodes.append(helper.make_node('Relu', [f'sum{layer}'], [f'hidden{layer}']))
        tensor = f'hidden{layer}'
    nodes.pop()
    nodes.append(helper.make_node('ArgMax', [f'sum{len(sizes) - 1}'], ['label'], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        'heavy',
        [helper.make_tensor_value_info('pixels', TensorProto.FLOAT, [None, 64])],
        [helper.make_tensor_value_info('label', TensorProto.INT64, [None])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def digit_rows(count: int) -> Floats:
    """The first rows [count, 64] of scikit-learn's digits, 0..16."""
    return numpy.asarray(load_digits().data[:count], numpy.float32)


def labels(name: str, rows: Floats) -> list[int]:
    """What a network answers in onnxruntime itself."""
    session = onnxruntime.InferenceSession(MODELS / f'{name}.onnx')
    answer: list[int] = session.run(['label'], {'pixels': rows})[0].tolist()
    return answer
