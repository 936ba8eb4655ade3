"""Carbon dioxide in the air, in PyTorch: the only file of the service that imports it."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray
from torch import nn

from model_serving.utils.cpu_utils import numeric_threads
from model_serving.utils.settings_utils import ROOT, load_settings, setting

HISTORY_MONTHS = 36
FORECAST_MONTHS = 12
TYPICAL_CHANGE_PPM = 5.0


@dataclasses.dataclass(frozen=True)
class CO2Settings:
    """`conf/co2_model.conf`, or `MODEL_SERVING_CO2_MODEL_<NAME>`."""

    path: Path = ROOT / 'data' / 'co2_model.pt'
    threads: int = setting(default=0, minimum=0)


class CO2Model:
    """Forecasts carbon dioxide in the air: a recurrent network in PyTorch, made by data/make_co2_model.py."""

    section = 'co2_model'

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing CO2 Model ...')
        settings = load_settings(CO2Settings, self.section)
        torch.set_num_threads(settings.threads or numeric_threads())
        self.network = CO2Network()
        # Weights only: unlike a whole pickled model, such a file cannot run code.
        self.network.load_state_dict(torch.load(settings.path, weights_only=True))
        self.network.eval()

    def predict(self, histories: Sequence[Sequence[float]]) -> NDArray[numpy.float32]:
        """Return the next 12 monthly means [n, 12] after n histories of monthly means, oldest first; all ppm.

        A history has at least 36 months without a gap; the last 36 are looked at.
        """
        recent = torch.tensor([history[-HISTORY_MONTHS:] for history in histories], dtype=torch.float32)
        with torch.inference_mode():
            forecast: NDArray[numpy.float32] = self.network(recent).numpy()
        return forecast


class CO2Network(nn.Module):
    """The naive forecast, corrected by a GRU that reads the history year by year."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(12, 32, batch_first=True)
        self.correction = nn.Linear(32, FORECAST_MONTHS)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Turn histories [n, 36] into forecasts [n, 12], both in ppm."""
        changes = (history - history[:, -1:]) / TYPICAL_CHANGE_PPM
        years = changes.reshape(-1, HISTORY_MONTHS // 12, 12)
        outputs, _ = self.gru(years)
        correction: torch.Tensor = self.correction(outputs[:, -1])
        return naive_forecast(history) + correction


def naive_forecast(history: torch.Tensor) -> torch.Tensor:
    """Return last year again, raised by what its last month gained on the one a year before: [n, 12] ppm."""
    return history[:, -12:] + (history[:, -1:] - history[:, -13:-12])
