"""The run of a batched method for many calls, and further runs where it fails."""

import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from model_serving.batching.calls import Call, wake
from model_serving.batching.rows import check_result, join, owned, slice_rows

Run = Callable[[list[Call]], list[Any]]


def run_once(method: Callable[..., Any], title: str, calls: list[Call]) -> list[Any]:
    """Run the method once; return the result of each call. Raises TypeError or ValueError for a wrong one."""
    first = calls[0]
    result = method(*join([call.arguments for call in calls]), **first.options)
    if first.size:
        result = check_result(result, sum([call.rows for call in calls]), title)
    result = owned(result)
    if len(calls) == 1:
        return [result]
    ends = accumulate([call.rows for call in calls])
    return [slice_rows(result, end - call.rows, end) for call, end in zip(calls, ends, strict=True)]


def retry(run: Run, calls: list[Call]) -> None:
    """Settle calls whose common run has failed, each with its result or its own error.

    The halves are tried; where both of them fail, the calls are tried one by one.
    """
    middle = len(calls) // 2
    parts = failed_parts(run, [calls[:middle], calls[middle:]])
    if len(parts) == 2:
        parts = failed_parts(run, [[call] for call in calls])
    for part in parts:
        retry(run, part)


def failed_parts(run: Run, parts: list[list[Call]]) -> list[list[Call]]:
    """Try each part; return those to be split and tried again."""
    failed = []
    for part in parts:
        if try_run(run, part):
            wake(part)
        else:
            failed.append(part)
    return failed


def try_run(run: Run, calls: list[Call]) -> bool:
    """Whether one run settles the calls; it leaves out those that nobody waits for."""
    now = time.monotonic()
    for call in calls:
        if error := call.expiry(now):
            call.settle(error=error)
    calls = [call for call in calls if not call.done]
    if not calls:
        return True
    try:
        results = run(calls)
    except BaseException as error:
        if len(calls) == 1:
            calls[0].settle(error=error)
        return len(calls) == 1
    for call, result in zip(calls, results, strict=True):
        call.settle(result)
    return True
