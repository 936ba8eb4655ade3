"""Makes iris_model.skops: the species of an iris from four measurements, from scikit-learn's load_iris.

python -m data.make_iris_model
"""

from pathlib import Path
from typing import TypeAlias

import numpy
import skops.io
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from data.model_files import note_sum

FILE = Path(__file__).with_name('iris_model.skops')
SEED = 2018

Rows: TypeAlias = NDArray[numpy.float64]
Labels: TypeAlias = NDArray[numpy.str_]


def split() -> tuple[Rows, Rows, Labels, Labels]:
    """Training rows, held-out rows, training labels, held-out labels: the same split every time."""
    iris = load_iris()
    labels = iris.target_names[iris.target]
    train_rows, held_out_rows, train_labels, held_out_labels = train_test_split(
        iris.data, labels, test_size=0.3, stratify=labels, random_state=SEED
    )
    return train_rows, held_out_rows, train_labels, held_out_labels


def held_out() -> tuple[Rows, Labels]:
    """The 45 rows, [45, 4] in cm, that the model has never seen, and their labels."""
    _, rows, _, labels = split()
    return rows, labels


def train() -> Pipeline:
    """A scaler and a logistic regression, whose classes are the names of the species."""
    rows, _, labels, _ = split()
    return make_pipeline(StandardScaler(), LogisticRegression(C=10)).fit(rows, labels)


def main() -> None:
    pipeline = train()
    skops.io.dump(pipeline, FILE)
    note_sum(FILE)
    accuracy = pipeline.score(*held_out())
    print(f'{FILE.name}: {FILE.stat().st_size:,} bytes, held-out accuracy {accuracy:.4f}')


if __name__ == '__main__':
    main()
