import os
from pathlib import Path

import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer
from skops.io.exceptions import UntrustedTypesFoundException

from data.make_iris_model import FILE, held_out, train
from model_serving.models.iris_model import MEASUREMENTS, IrisModel


@pytest.fixture(scope='module')
def model() -> IrisModel:
    return IrisModel()


def test_shipped_file_tells_held_out_flowers_apart(model: IrisModel) -> None:
    rows, truth = held_out()
    labels, _ = model.predict(rows)
    assert (truth == labels).mean() >= 0.95


def test_shipped_file_was_made_by_the_script(model: IrisModel) -> None:
    rows, _ = held_out()
    _, probabilities = model.predict(rows)
    assert train().predict_proba(rows) == pytest.approx(probabilities, abs=1e-6)


def test_probabilities_sum_to_one_and_agree_with_the_label(model: IrisModel) -> None:
    labels, probabilities = model.predict(held_out()[0])
    assert probabilities.shape == (45, 3)
    assert probabilities.sum(1) == pytest.approx(1)
    assert [model.species[column] for column in probabilities.argmax(1)] == labels


def test_a_row_has_the_same_answer_alone_and_in_a_batch(model: IrisModel) -> None:
    rows = held_out()[0]
    labels, probabilities = model.predict(rows)
    for row, label, together in zip(rows, labels, probabilities, strict=True):
        [alone_label], [alone] = model.predict([row])
        assert alone_label == label
        assert alone == pytest.approx(together, abs=1e-9)


def test_species_and_measurements_are_named(model: IrisModel) -> None:
    assert model.species == ['setosa', 'versicolor', 'virginica']
    assert len(MEASUREMENTS) == model.pipeline.n_features_in_


def test_shipped_file_needs_no_trust() -> None:
    assert skops.io.get_untrusted_types(file=FILE) == []


def test_a_file_with_an_unknown_type_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / 'harmful.skops'
    skops.io.dump(FunctionTransformer(os.remove), path)
    monkeypatch.setenv('MODEL_SERVING_IRIS_MODEL_PATH', str(path))
    with pytest.raises(UntrustedTypesFoundException, match='remove'):
        IrisModel()
