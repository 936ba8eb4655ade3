"""Makes co2_model.pt: a forecast of the carbon dioxide over Mauna Loa, from statsmodels' weekly record.

python -m data.make_co2_model
"""

from pathlib import Path
from typing import TypeAlias

import numpy
import torch
from numpy.typing import NDArray
from statsmodels.datasets import co2
from torch import nn

from data.model_files import note_sum
from model_serving.models.co2_model import (
    FORECAST_MONTHS,
    HISTORY_MONTHS,
    CO2Network,
    naive_forecast,
)

FILE = Path(__file__).with_name('co2_model.pt')
SEED = 2018
HELD_OUT_FROM = '1992-01'
EPOCHS = 300
NOISE_PPM = 0.2

Months: TypeAlias = NDArray[numpy.float32]


def split() -> tuple[Months, Months]:
    """Monthly means in ppm: 1958-03 to 1991-12 for training, and 1992-01 to 2001-12, held out."""
    weeks = co2.load_pandas().data['co2']
    # Five of 526 months have no data.
    months = weeks.resample('MS').mean().interpolate()
    train = months[months.index < HELD_OUT_FROM]
    return train.to_numpy('float32'), months[len(train) :].to_numpy('float32')


def windows(months: Months) -> tuple[torch.Tensor, torch.Tensor]:
    """Every history [n, 36] in `months`, and the year [n, 12] that followed it."""
    both = torch.from_numpy(months).unfold(0, HISTORY_MONTHS + FORECAST_MONTHS, 1)
    return both[:, :HISTORY_MONTHS], both[:, HISTORY_MONTHS:]


def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    """Histories [109, 36] and the years after them [109, 12], every one of those months held out."""
    train, unseen = split()
    return windows(numpy.concatenate([train[-HISTORY_MONTHS:], unseen]))


def rmse(forecast: torch.Tensor, truth: torch.Tensor) -> float:
    """The root of the mean squared error, in the unit of both."""
    return float((forecast - truth).detach().square().mean().sqrt())


def train() -> CO2Network:
    """A network trained on the years before HELD_OUT_FROM, with a little noise added to each history."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    network = CO2Network()
    # Begins close to the naive forecast, and learns its errors.
    nn.init.normal_(network.correction.weight, std=0.02)
    nn.init.zeros_(network.correction.bias)
    histories, years = windows(split()[0])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(histories)).split(32):
            noisy = histories[batch] + NOISE_PPM * torch.randn(len(batch), HISTORY_MONTHS)
            loss = (network(noisy) - years[batch]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return network


def main() -> None:
    network = train()
    torch.save(network.state_dict(), FILE)
    note_sum(FILE)
    histories, years = held_out()
    with torch.no_grad():
        error, naive_error = rmse(network(histories), years), rmse(naive_forecast(histories), years)
    size = f'{FILE.stat().st_size:,} bytes'
    print(f'{FILE.name}: {size}, held-out RMSE {error:.3f} ppm, naive {naive_error:.3f} ppm')


if __name__ == '__main__':
    main()
