from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch

    from model_serving.models.co2_model import CO2Model

pytestmark = pytest.mark.torch


@pytest.fixture(scope='module')
def script() -> ModuleType:
    # Imported here: without PyTorch, these tests are deselected after the file was read.
    import data.make_co2_model

    return data.make_co2_model


@pytest.fixture(scope='module')
def model() -> 'CO2Model':
    from model_serving.models.co2_model import CO2Model

    return CO2Model()


def error(script: ModuleType, model: 'CO2Model', histories: 'torch.Tensor', years: 'torch.Tensor') -> float:
    forecast = model.predict(histories.tolist())
    return float(((forecast - years.numpy()) ** 2).mean() ** 0.5)


def test_shipped_weights_beat_the_naive_forecast_on_held_out_years(
    script: ModuleType, model: 'CO2Model'
) -> None:
    histories, years = script.held_out()
    naive = script.rmse(script.naive_forecast(histories), years)
    assert naive == pytest.approx(0.810, abs=0.001)
    assert error(script, model, histories, years) < 0.75 * naive


def test_the_naive_forecast_is_stronger_than_last_year_again(script: ModuleType) -> None:
    histories, years = script.held_out()
    naive = script.rmse(script.naive_forecast(histories), years)
    mean_gain = (histories[:, -12:] - histories[:, -24:-12]).mean(1, keepdim=True)
    assert naive < script.rmse(histories[:, -12:] + mean_gain, years)
    assert naive < script.rmse(histories[:, -12:], years)


def test_held_out_months_are_not_trained_on(script: ModuleType) -> None:
    train, unseen = script.split()
    histories, years = script.held_out()
    assert (len(train), len(unseen)) == (406, 120)
    assert years[0].tolist() == unseen[:12].tolist()
    assert histories[0].tolist() == train[-36:].tolist()


def test_shipped_weights_were_made_by_the_script(script: ModuleType, model: 'CO2Model') -> None:
    histories, years = script.held_out()
    trained_again = script.rmse(script.train()(histories), years)
    assert trained_again == pytest.approx(error(script, model, histories, years), abs=0.05)


def test_only_the_last_36_months_are_looked_at(script: ModuleType, model: 'CO2Model') -> None:
    train, _ = script.split()
    long, short = train.tolist(), train[-36:].tolist()
    assert model.predict([long, short])[0] == pytest.approx(model.predict([short])[0], abs=1e-3)


def test_a_row_has_the_same_answer_alone_and_in_a_batch(script: ModuleType, model: 'CO2Model') -> None:
    histories = script.held_out()[0][:20].tolist()
    together = model.predict(histories)
    assert together.shape == (20, 12)
    for history, forecast in zip(histories, together, strict=True):
        assert model.predict([history])[0] == pytest.approx(forecast, abs=1e-3)


def test_a_file_that_could_run_code_is_refused(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pickle

    import torch

    torch.save(script.CO2Network(), tmp_path / 'whole.pt')
    monkeypatch.setenv('MODEL_SERVING_CO2_MODEL_PATH', str(tmp_path / 'whole.pt'))
    from model_serving.models.co2_model import CO2Model

    with pytest.raises(pickle.UnpicklingError, match='weights_only'):
        CO2Model()


def test_threads_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from model_serving.models.co2_model import CO2Model

    before = torch.get_num_threads()
    monkeypatch.setenv('MODEL_SERVING_CO2_MODEL_THREADS', '3')
    try:
        CO2Model()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
