"""The options of `main.py plan`."""

import math
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from model_serving.addresses import whole_number
from model_serving.commands.capacity.sizing import Demand, Size

LARGEST = 1e9
PERCENT = 100
BUSY = 60
EXAMPLES = {'--rate': 50, '--busy': BUSY, '--cores': 1, '--memory': 1024}


class Request(NamedTuple):
    """The model that is asked, and with how many rows; None: those of its example."""

    model: str
    rows: int | None


class Prices(NamedTuple):
    """What the reader pays, in any currency, for one of each; None where it is not given."""

    instance_hour: float | None = None
    vcpu_second: float | None = None
    gib_second: float | None = None
    million_requests: float | None = None


class Options(NamedTuple):
    """What is asked how often, of instances of which size, at what prices."""

    request: Request
    demand: Demand
    size: Size
    prices: Prices


def read(arguments: Mapping[str, Any]) -> Options:
    """What the arguments say, as docopt reads them, or the defaults. Exits where one has no such value."""

    def number(option: str, largest: float = LARGEST) -> float | None:
        text = arguments[option]
        return None if text is None else _number(option, text, largest)

    busy = (number('--busy', PERCENT) or BUSY) / PERCENT
    return Options(
        Request(arguments['--model'], _rows(arguments['--rows'])),
        Demand(_number('--rate', arguments['--rate'], LARGEST), busy, _threads()),
        Size(number('--cores') or 1, number('--memory')),
        Prices(
            number('--price-instance-hour'),
            number('--price-vcpu-second'),
            number('--price-gib-second'),
            number('--price-million-requests'),
        ),
    )


def _rows(text: str | None) -> int | None:
    if text is None:
        return None
    wanted = 'a number from 1 to 65535; leave it out to have the rows of the example'
    return whole_number(text) or sys.exit(f'plan: --rows: {text!r} is not {wanted}')


def _threads() -> int:
    text = os.environ.get('THREADS') or '8'
    return whole_number(text) or sys.exit(f'THREADS: {text!r} is not a number from 1 to 65535')


def _number(option: str, text: str, largest: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= largest:
        example = EXAMPLES.get(option, 0.05)
        sys.exit(
            f'plan: {option}: {text!r} is not a number above 0, up to {largest:g}; try {option}={example}'
        )
    return number
