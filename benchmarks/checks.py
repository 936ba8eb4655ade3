"""Asks a server everything once before it is timed: each answer must be onnxruntime's own."""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.loads import BAD_BODIES, BAD_QUESTIONS, Question, dump, questions, single_heavy_rows
from benchmarks.processes import Failed, Server


def check(server: Server, endpoints: Iterable[str]) -> dict[str, int]:
    """Raise Failed at the first wrong answer; return the statuses of bad requests."""
    served = set(endpoints)
    for question in questions().values():
        if question.endpoint in served:
            check_answer(server, question)
    if 'heavy' in served:
        with ThreadPoolExecutor(16) as pool:  # Each must get its own part of a batch.
            list(pool.map(lambda question: check_answer(server, question), single_heavy_rows(200)))
    statuses = {
        name: server.ask(endpoint, dump(server.contender.form.body(endpoint, value)))[0]
        for name, (endpoint, value) in BAD_QUESTIONS.items()
        if endpoint in served
    }
    if 'digits' in served:
        statuses |= {name: server.ask('digits', body)[0] for name, body in BAD_BODIES.items()}
    if server.contender.name.startswith('ours') and (
        wrong := [s for s in statuses.values() if s // 100 != 4]
    ):
        raise Failed(f'{server.contender.name} accepts bad requests: {wrong}, {statuses}')
    return statuses


def check_answer(server: Server, question: Question) -> None:
    """Raise Failed if an answer is not the right one."""
    status, content = server.ask(question.endpoint, server.body(question))
    answer = server.answer(question.endpoint, content) if status == 200 else None
    if not right(answer, question.answer):
        raise Failed(f'{server.contender.name}, {question.endpoint}: status {status}, {content[:300]!r}')


def right(answer: object, expected: object) -> bool:
    """Whether an answer is as expected; numbers may differ in the last digits."""
    if isinstance(expected, float):
        return isinstance(answer, float) and math.isclose(answer, expected, rel_tol=1e-5)
    return answer == expected
