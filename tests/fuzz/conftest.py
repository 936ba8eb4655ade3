import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """Log none of the many refusals; the tests after these look at the log."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
