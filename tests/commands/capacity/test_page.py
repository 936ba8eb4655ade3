"""docs/capacity.md: its example follows from what was measured, and its table of options is complete."""

import re

import pytest

import main
from model_serving.commands.capacity.measure import Measured
from model_serving.commands.capacity.options import Options, Prices, Request
from model_serving.commands.capacity.report import report
from model_serving.commands.capacity.sizing import Cost, Demand, Size
from tests.service_process import ROOT

PAGE = (ROOT / 'docs' / 'capacity.md').read_text()
NUMBER = re.compile(r'[\d,]*\d(?:\.\d+)?')
ROUNDED = 0.03
"""What the figures of the example were rounded to."""


def example() -> str:
    [text] = re.findall(r'^```text\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
    return text.rstrip()


def shown(row: str) -> float:
    found = re.search(rf'^  {re.escape(row)} +([\d.]+)', example(), re.MULTILINE)
    assert found
    return float(found[1])


def test_example_follows_from_what_was_measured() -> None:
    alone, together = (shown(f'CPU time of a request, {who}') / 1e3 for who in ('one client', '8 clients'))
    cost = Cost(
        cpu_s=max(alone, together),
        slot_s=shown('time for which a call holds a slot') / 1e3,
        first_mib=shown('memory of one worker'),
        further_mib=shown('memory of each further worker'),
    )
    asked = Options(Request('DigitsModel', None), Demand(2000, 0.6, 8), Size(1, 512), Prices())
    assert '--model=DigitsModel --rate=2000 --cores=1 --memory=512\n' in PAGE

    text = report(asked, Measured(cost, alone, together))

    (said, said_numbers), (printed, printed_numbers) = map(parts, (text, example()))
    assert said == printed
    assert said_numbers == pytest.approx(printed_numbers, rel=ROUNDED)


def parts(text: str) -> tuple[list[str], list[float]]:
    """The words of a plan after its line about the machine, and the numbers."""
    plan = text[text.index('CPU time') :]
    numbers = [float(number.replace(',', '')) for number in NUMBER.findall(plan)]
    return NUMBER.sub('N', plan).split(), numbers


def test_options_are_those_of_the_usage() -> None:
    [plan] = re.findall(r'^  main.py plan (.*?)^  main.py -h', main.__doc__ or '', re.DOTALL | re.MULTILINE)
    rows = re.findall(r'^\| (`--.+?) \|', PAGE, re.MULTILINE)

    assert re.findall(r'--[\w-]+', ' '.join(rows)) == re.findall(r'--[\w-]+', plan)
