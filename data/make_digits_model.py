"""Makes digits_model.onnx: handwritten digits, 8x8 cells of 0..16, from scikit-learn's load_digits.

    python -m data.make_digits_model

The classifier should also recognise digits drawn with a mouse or a finger, so two kinds of rows are added to
the training rows: the training rows shifted, rotated, scaled and thickened, and digits rendered from strokes
as a page does it. The held-out rows are scikit-learn's own; they are neither changed nor trained on.
"""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from data.model_files import note_sum

FILE = Path(__file__).with_name('digits_model.onnx')
SEED = 2018
VARIANTS_PER_ROW = 24
DRAWINGS_PER_DIGIT = 1800
EPOCHS = 40

Floats: TypeAlias = NDArray[numpy.float64]
Labels: TypeAlias = NDArray[numpy.int64]
Point: TypeAlias = tuple[float, float]
Stroke: TypeAlias = Sequence[Point]


def split() -> tuple[Floats, Floats, Labels, Labels]:
    """Training rows, held-out rows, training labels, held-out labels: the same split every time."""
    rows, labels = load_digits(return_X_y=True)
    train_rows, held_out_rows, train_labels, held_out_labels = train_test_split(
        rows, labels, test_size=0.25, stratify=labels, random_state=SEED
    )
    return train_rows, held_out_rows, train_labels, held_out_labels


def held_out() -> tuple[Floats, Labels]:
    """The 450 rows, [450, 64] of 0..16, that the model has never seen, and their labels."""
    _, rows, _, labels = split()
    return rows, labels


def vary(row: Floats, random: numpy.random.Generator) -> Floats:
    """One training row as another hand might have written it: [64] of 0..16 in and out."""
    angle, shear = random.normal(0, 0.10, 2)
    turn = numpy.array([[numpy.cos(angle), -numpy.sin(angle)], [numpy.sin(angle), numpy.cos(angle)]])
    matrix = turn @ numpy.array([[1, 0], [shear, 1]]) / random.uniform(0.88, 1.12, (1, 2))
    centre = numpy.array([3.5, 3.5])
    offset = centre - matrix @ (centre + random.uniform(-0.8, 0.8, 2))
    image = affine_transform(row.reshape(8, 8), matrix, offset, order=1)
    varied: Floats = numpy.clip(numpy.round(image * random.uniform(0.8, 1.35)), 0, 16).ravel()
    return varied


def arc(centre: Point, half: Point, start: float, end: float) -> Stroke:
    """Points on the ellipse with half axes `half`, from angle to angle in degrees: 0 = right, 90 = down."""
    angles = numpy.radians(numpy.linspace(start, end, 24))
    circle = numpy.stack([numpy.cos(angles), numpy.sin(angles)], -1)
    return [(x, y) for x, y in (circle * half + centre).tolist()]


DRAWINGS: dict[int, list[list[Stroke]]] = {
    0: [
        [arc((0.5, 0.5), (0.32, 0.5), -90, 270)],
        [arc((0.5, 0.5), (0.45, 0.5), -90, 270)],
        [arc((0.5, 0.5), (0.38, 0.5), -90, 270), [(0.78, 0.15), (0.22, 0.85)]],
    ],
    1: [
        [[(0.5, 0.0), (0.5, 1.0)]],
        [[(0.3, 0.25), (0.5, 0.0), (0.5, 1.0)]],
        [[(0.3, 0.2), (0.5, 0.0), (0.5, 1.0)], [(0.25, 1.0), (0.75, 1.0)]],
    ],
    2: [
        [[*arc((0.5, 0.27), (0.32, 0.27), -170, 40), (0.15, 1.0), (0.85, 1.0)]],
        [
            [
                *arc((0.5, 0.25), (0.3, 0.25), -160, 50),
                (0.2, 0.95),
                *arc((0.25, 0.88), (0.1, 0.1), 120, 290),
                (0.9, 1.0),
            ]
        ],
    ],
    3: [
        [[*arc((0.45, 0.25), (0.3, 0.25), -150, 90), *arc((0.45, 0.75), (0.36, 0.25), -90, 150)]],
        [[(0.2, 0.0), (0.8, 0.0), (0.45, 0.4), *arc((0.45, 0.7), (0.36, 0.3), -80, 140)]],
    ],
    4: [
        [[(0.65, 1.0), (0.65, 0.0), (0.15, 0.65), (0.9, 0.65)]],
        [[(0.2, 0.0), (0.15, 0.5), (0.85, 0.5)], [(0.75, 0.0), (0.7, 1.0)]],
        [[(0.5, 0.0), (0.15, 0.65), (0.9, 0.65)], [(0.6, 0.4), (0.6, 1.0)]],
    ],
    5: [
        [[(0.8, 0.0), (0.25, 0.0), (0.2, 0.45), *arc((0.45, 0.68), (0.36, 0.32), -120, 140)]],
        [[(0.25, 0.0), (0.22, 0.42), *arc((0.45, 0.7), (0.34, 0.3), -110, 150)], [(0.25, 0.0), (0.85, 0.0)]],
    ],
    6: [
        [[(0.65, 0.0), (0.3, 0.4), *arc((0.5, 0.72), (0.3, 0.28), -180, 180)]],
        [[*arc((0.75, 0.6), (0.55, 0.6), -100, -180), *arc((0.5, 0.7), (0.3, 0.3), -180, 180)]],
    ],
    7: [
        [[(0.15, 0.0), (0.85, 0.0), (0.4, 1.0)]],
        [[(0.15, 0.0), (0.85, 0.0), (0.4, 1.0)], [(0.3, 0.5), (0.85, 0.5)]],
        [[(0.15, 0.15), (0.15, 0.0), (0.85, 0.0), (0.55, 0.45), (0.45, 1.0)]],
    ],
    8: [
        [arc((0.5, 0.25), (0.27, 0.25), -90, 270), arc((0.5, 0.75), (0.32, 0.25), -90, 270)],
        [[*arc((0.5, 0.25), (0.28, 0.25), -30, -270), *arc((0.5, 0.75), (0.3, 0.25), -90, 250), (0.75, 0.1)]],
    ],
    9: [
        [[*arc((0.5, 0.28), (0.3, 0.28), 0, -360), (0.75, 1.0)]],
        [arc((0.5, 0.28), (0.3, 0.28), 0, -360), [(0.8, 0.1), (0.78, 1.0)]],
        [[*arc((0.5, 0.28), (0.3, 0.28), 0, -360), (0.8, 0.6), *arc((0.5, 0.75), (0.3, 0.25), 0, 130)]],
    ],
}
"""Each digit's ways of being drawn: the pen's strokes in a box of 1 x 1, y down."""


def draw(digit: int, random: numpy.random.Generator) -> Floats:
    """A drawing of `digit` in an unsteady hand, as a page sends it: [64] of 0..16."""
    ways = DRAWINGS[digit]
    way = ways[random.integers(len(ways))]
    slant, shear = random.normal(0, 0.10, 2)
    hand = numpy.array([[numpy.cos(slant), numpy.sin(slant)], [-numpy.sin(slant) - shear, numpy.cos(slant)]])
    hand[0] *= numpy.exp(random.uniform(-0.9, 0.4))  # From narrow, 0.4, to wide, 1.5.
    strokes = [numpy.asarray(stroke) @ hand for stroke in way]
    strokes = [stroke + random.normal(0, 0.012, stroke.shape) for stroke in strokes]
    return count(render(strokes, pen=random.uniform(2.5, 5.0)))


def render(strokes: Sequence[Floats], pen: float) -> NDArray[numpy.bool_]:
    """Strokes cropped, scaled to fit and centred on 32x32 dots, drawn with a round pen `pen` dots wide."""
    points = numpy.concatenate(strokes)
    low, high = points.min(0), points.max(0)
    scale = (32 - pen) / (high - low).max()
    dots = numpy.stack(numpy.meshgrid(numpy.arange(32) + 0.5, numpy.arange(32) + 0.5), -1)
    inked = numpy.zeros((32, 32), bool)
    for stroke in strokes:
        path = (stroke - (low + high) / 2) * scale + 16
        for start, end in itertools.pairwise(path):
            inked |= _distance(dots, start, end) <= pen / 2
    return inked


def _distance(dots: Floats, start: Floats, end: Floats) -> Floats:
    along = end - start
    place = numpy.clip((dots - start) @ along / numpy.maximum(along @ along, 1e-9), 0, 1)
    distance: Floats = numpy.linalg.norm(dots - start - place[..., None] * along, axis=-1)
    return distance


def count(inked: NDArray[numpy.bool_]) -> Floats:
    """The inked dots in each 4x4 block of 32x32, which is how the 8x8 rows of load_digits were made."""
    cells: Floats = inked.reshape(8, 4, 8, 4).sum((1, 3)).astype(float).ravel()
    return cells


def training_rows() -> tuple[Floats, Labels]:
    """The training rows, their variants and the drawings, with their labels."""
    random = numpy.random.default_rng(SEED)
    rows, _, labels, _ = split()
    variants = [vary(row, random) for row in rows for _ in range(VARIANTS_PER_ROW)]
    digits = numpy.repeat(numpy.arange(10), DRAWINGS_PER_DIGIT)
    drawings = [draw(digit, random) for digit in digits.tolist()]
    return numpy.concatenate([rows, variants, drawings]), numpy.concatenate(
        [labels, numpy.repeat(labels, VARIANTS_PER_ROW), digits]
    )


def train() -> Pipeline:
    """A scaler from 0..16 to 0..1 and a multilayer perceptron, in one pipeline."""
    scaler = MinMaxScaler().fit([[0.0] * 64, [16.0] * 64])
    network = MLPClassifier((160, 96), alpha=0.03, batch_size=128, max_iter=EPOCHS, tol=0, random_state=SEED)
    rows, labels = training_rows()
    with warnings.catch_warnings():
        # The number of epochs is a choice, so reaching it is no failure to converge.
        warnings.simplefilter('ignore', ConvergenceWarning)
        network.fit(scaler.transform(rows), labels)
    return make_pipeline(scaler, network)


def main() -> None:
    import onnx
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    pipeline = train()
    rows, labels = held_out()
    accuracy = pipeline.score(rows, labels)
    model = convert_sklearn(
        pipeline,
        name='digits',
        initial_types=[('pixels', FloatTensorType([None, 64]))],
        options={'zipmap': False},
        target_opset=18,
    )
    made_by = {'made_by': 'data/make_digits_model.py', 'held_out_accuracy': f'{accuracy:.4f}'}
    onnx.helper.set_model_props(model, made_by)
    onnx.save(model, FILE)
    note_sum(FILE)
    print(f'{FILE.name}: {FILE.stat().st_size:,} bytes, held-out accuracy {accuracy:.4f}')


if __name__ == '__main__':
    main()
