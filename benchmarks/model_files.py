"""Prints the sizes of a forest's files, and how long they take: the table of docs/guides/scikit-learn.md.

python -m benchmarks.model_files
"""

import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import skops.io
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

TREES, TRUSTED = 200, ['sklearn.tree._tree.Tree']
deflated = partial(skops.io.dump, compression=zipfile.ZIP_DEFLATED)
WAYS: dict[str, Callable[..., Any]] = {
    'skops': skops.io.dump,
    'skops, `ZIP_DEFLATED`, `compresslevel=1`': partial(deflated, compresslevel=1),
    'skops, `ZIP_DEFLATED`': deflated,
    'skops, `ZIP_LZMA`': partial(skops.io.dump, compression=zipfile.ZIP_LZMA),
    'joblib': joblib.dump,
}


def least_seconds(call: Callable[[], Any]) -> float:
    """The shortest of three calls."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    """Print the table."""
    forest = RandomForestClassifier(TREES, random_state=7).fit(*load_digits(return_X_y=True))
    with tempfile.TemporaryDirectory() as folder:
        for name, dump in WAYS.items():
            path = Path(folder, 'model')
            dumped = least_seconds(partial(dump, forest, path))
            load = joblib.load if name == 'joblib' else partial(skops.io.load, trusted=TRUSTED)
            loaded = least_seconds(partial(load, path))
            print(f'| {name} | {path.stat().st_size / 1e6:.1f} MB | {dumped:.1f} s | {loaded:.1f} s |')


if __name__ == '__main__':
    main()
