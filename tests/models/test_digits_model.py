import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import pytest

from data.make_digits_model import DRAWINGS, FILE, count, draw, held_out, render, split
from model_serving.models.digits_model import DigitsModel, session_options
from model_serving.settings import ROOT


@pytest.fixture(scope='module')
def model() -> DigitsModel:
    return DigitsModel()


def accuracy(model: DigitsModel, rows: Any, truth: Any) -> float:
    labels, _ = model.predict(rows)
    return float((labels == truth).mean())


def test_shipped_file_reads_held_out_digits(model: DigitsModel) -> None:
    assert accuracy(model, *held_out()) >= 0.97


def test_shipped_file_was_made_by_the_script(model: DigitsModel) -> None:
    written = model.session.get_modelmeta().custom_metadata_map
    assert written['made_by'] == 'data/make_digits_model.py'
    assert float(written['held_out_accuracy']) == pytest.approx(accuracy(model, *held_out()), abs=0.003)


def test_held_out_rows_are_not_trained_on() -> None:
    train_rows, held_out_rows, _, _ = split()
    assert not {row.tobytes() for row in train_rows} & {row.tobytes() for row in held_out_rows}


@pytest.mark.parametrize('digit', range(10))
def test_drawings_in_an_unsteady_hand_are_read(model: DigitsModel, digit: int) -> None:
    # A seed that the training did not see.
    random = numpy.random.default_rng(12345)
    drawings = [draw(digit, random) for _ in range(50)]
    assert accuracy(model, drawings, digit) >= 0.94


@pytest.mark.parametrize('pen', [2, 3, 4, 5])
@pytest.mark.parametrize('digit', [0, 1, 7])
def test_plain_drawings_are_read_with_confidence(model: DigitsModel, digit: int, pen: float) -> None:
    ways = [[numpy.asarray(stroke) for stroke in way] for way in DRAWINGS[digit]]
    labels, probabilities = model.predict([count(render(way, pen)) for way in ways])
    assert set(labels) == {digit}
    assert probabilities[:, digit].min() > 0.9


def test_probabilities_sum_to_one_and_agree_with_the_label(model: DigitsModel) -> None:
    labels, probabilities = model.predict(held_out()[0])
    assert probabilities.shape == (450, 10)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert (probabilities.argmax(1) == labels).all()


def test_a_row_has_the_same_answer_alone_and_in_a_batch(model: DigitsModel) -> None:
    rows = held_out()[0][:33]
    labels, probabilities = model.predict(rows)
    for row, label, together in zip(rows, labels, probabilities, strict=True):
        [alone_label], [alone] = model.predict([row])
        assert alone_label == label
        assert alone == pytest.approx(together, abs=1e-6)


def test_file_and_threads_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / 'copy.onnx'
    copy.write_bytes(FILE.read_bytes())
    monkeypatch.setenv('MODEL_SERVING_DIGITS_MODEL_PATH', str(copy))
    monkeypatch.setenv('MODEL_SERVING_DIGITS_MODEL_THREADS', '3')
    model = DigitsModel()
    assert model.session._model_path == str(copy)
    assert model.session.get_session_options().intra_op_num_threads == 3


def test_threads_are_the_share_of_the_cores_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    assert DigitsModel().session.get_session_options().intra_op_num_threads == 2


def test_session_threads_sleep_between_calls() -> None:
    options = session_options(2)
    assert options.get_session_config_entry('session.intra_op.allow_spinning') == '0'
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


def test_a_file_that_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / 'text.onnx').write_text('not a model')
    monkeypatch.setenv('MODEL_SERVING_DIGITS_MODEL_PATH', str(tmp_path / 'text.onnx'))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf):
        DigitsModel()


def test_loading_writes_nothing_to_the_home_folder(tmp_path: Path) -> None:
    """ONNX Runtime reports to its maker unless it is told not to, and keeps its notes there."""
    script = 'from model_serving.models.digits_model import DigitsModel; DigitsModel()'
    environment = {**os.environ, 'HOME': str(tmp_path)}
    environment.pop('ORT_DISABLE_TELEMETRY', None)
    subprocess.run([sys.executable, '-c', script], cwd=ROOT, env=environment, check=True, timeout=60)

    assert list(tmp_path.iterdir()) == []
