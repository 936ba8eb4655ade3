"""The parts of the benchmark: each starts servers, loads them, and records figures."""

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from benchmarks import contenders, environments
from benchmarks.checks import check
from benchmarks.contenders import ENDPOINTS, WORKERS, Contender, serving
from benchmarks.loads import FIRST_QUESTION, LOADS, Load, questions
from benchmarks.processes import Failed, Server, memory_mb, started
from benchmarks.session import Session
from benchmarks.wrk import load, measure

CONNECTIONS = (1, 8, 64, 256, 1000)
CURVE_CONNECTIONS = (1, 4, 16, 64, 256, 1000)
SLOW_CLIENTS = 16
CURVE_PEERS = ('fastapi-tuned', 'mosec')
LONE = ('hello', 'digits-1', 'digits-32', 'digits-512', 'digits-512-long', 'heavy', 'image')


def peers(session: Session) -> None:
    """Every load on us, as we ship too, and on the peers; memory and start with three models."""
    as_shipped = contenders.ours('ours, as it ships', access_log=True)
    for who, contender in session.rounds_of([*session.ours, as_shipped, *session.peers]):
        for endpoints in (ENDPOINTS, ('image',)):
            names = [name for name in session.loads if (name == 'image') == (endpoints == ('image',))]
            try:
                if names:
                    side_by_side(session, who, contender, endpoints, names)
            except Failed as failure:  # A peer's failure is a result; ours ends it all.
                if contender not in session.peers:
                    raise
                session.record('failures', **who, why=str(failure))


def side_by_side(
    session: Session,
    who: dict[str, Any],
    contender: Contender,
    endpoints: tuple[str, ...],
    names: list[str],
) -> None:
    """Start someone once, check and load it."""
    with start(contender, endpoints) as server:
        statuses = check(server, endpoints)
        if who['round'] == 0:
            session.record('refusals', **who, statuses=statuses)
        for name in names:
            figures = measure(server, LOADS[name], session.seconds)
            session.record('loads', **who, load=name, **figures._asdict())
        if endpoints == ENDPOINTS:
            session.record('starts', **who, ready_s=server.ready_s, pss_mb=memory_mb())


def beside(session: Session) -> None:
    """A greeting of one client, in one worker, beside 16 clients of a model that computes 20 ms in Python."""
    for who, contender in session.rounds_of(session.ours):
        with start(contender, ('hello', 'slow'), 1) as server, ThreadPoolExecutor(1) as pool:
            for clients in (0, SLOW_CLIENTS):
                others = (
                    pool.submit(load, server, Load('slow', clients), session.seconds + 2) if clients else None
                )
                figures = measure(server, Load('hello', 1), session.seconds)
                session.record('beside', **who, clients=clients, **figures._asdict())
                if others is not None:
                    others.result()


def lone(session: Session) -> None:
    """One client alone, against the same work without a server."""
    for who, contender in session.rounds_of(session.ours):
        with start(contender, (*ENDPOINTS, 'image')) as server:
            for name in LONE:
                direct_ms = in_process(server, name)
                figures = measure(server, Load(name, 1), session.seconds)
                session.record('lone', **who, load=name, direct_ms=direct_ms, **figures._asdict())


def in_process(server: Server, name: str) -> float:
    """Milliseconds for parsing a body, asking the model and writing the answer, in one process."""
    question = questions()[name]
    python = str(environments.ours()['ours'])
    done = subprocess.run(
        [python, str(environments.HERE / 'in_process.py'), question.endpoint],
        input=server.body(question),
        env={
            **os.environ,
            'PYTHONPATH': str(environments.SERVICE),
            'BENCHMARK_MODELS': str(environments.MODELS),
        },
        capture_output=True,
        check=True,
    )
    return float(done.stdout)


def profile(session: Session) -> None:
    """Where the time of a greeting goes, stage by stage, in one process."""
    for who, contender in session.rounds_of(session.ours[:1]):
        done = subprocess.run(
            [str(contender.python), str(environments.HERE / 'stages.py')],
            cwd=contender.folder,
            env={
                **os.environ,
                'PYTHONPATH': str(contender.folder),
                'MODEL_SERVING_MODELS': 'XXXModel',
                'MODEL_SERVING_ACCESS_LOG': 'false',
            },
            capture_output=True,
            check=True,
        )
        session.record('profile', **who, **json.loads(done.stdout.splitlines()[-1]))


def scaling(session: Session) -> None:
    """Workers and connections of ours; then long runs with many connections."""
    for who, contender in session.rounds_of(session.ours[:1]):
        for workers in (1, 2):
            with start(contender, ENDPOINTS, workers) as server:
                for name in ('hello', 'digits-32', 'heavy'):
                    for connections in CONNECTIONS:
                        figures = measure(server, Load(name, connections), session.seconds)
                        cell = {'load': name, 'connections': connections, 'workers': workers}
                        session.record('scaling', **who, **cell, **figures._asdict())
    for contender in session.ours[:1] if session.soak else ():
        with start(contender, ENDPOINTS) as server:
            for name in ('hello', 'heavy'):
                for connections in CONNECTIONS[-2:]:
                    figures = measure(server, Load(name, connections), session.soak)
                    cell = {'load': name, 'connections': connections, 'seconds': session.soak}
                    session.record('soak', contender=contender.name, **cell, **figures._asdict())


def curve(session: Session) -> None:
    """Throughput and latency against connections, of us and of the two fastest peers."""
    fastest = [peer for peer in session.peers if peer.name in CURVE_PEERS]
    for who, contender in session.rounds_of([*session.ours[:1], *fastest]):
        with start(contender, ENDPOINTS) as server:
            for name in ('hello', 'heavy'):
                for connections in CURVE_CONNECTIONS:
                    figures = measure(server, Load(name, connections), session.seconds)
                    session.record('curve', **who, load=name, connections=connections, **figures._asdict())


def memory(session: Session) -> None:
    """Memory of ours with the default models, by workers; cold starts with one model."""
    for who, contender in session.rounds_of(session.ours):
        for workers in (1, 2, 4, 8):
            with start(serving(contender, ''), ('hello', 'digits'), workers) as server:
                for name in ('hello', 'digits-32'):
                    load(server, Load(name, 64), 1)
                session.record('memory', **who, workers=workers, pss_mb=memory_mb())
        for endpoint, model in (('hello', 'XXXModel'), ('digits', 'DigitsModel')):
            with start(serving(contender, model), (endpoint,)) as server:
                session.record('cold', **who, model=model, ready_s=server.ready_s, pss_mb=memory_mb())


def size(session: Session) -> None:
    """What the environments take on the disk."""
    pythons = environments.ours() | {peer.name: peer.python for peer in session.peers}
    for name, python in pythons.items():
        session.record('size', contender=name, **environments.weigh(python)._asdict())


def start(
    contender: Contender, endpoints: tuple[str, ...], workers: int = WORKERS
) -> AbstractContextManager[Server]:
    """A server with these endpoints, ready when each has answered."""
    return started(contender, [questions()[FIRST_QUESTION[endpoint]] for endpoint in endpoints], workers)


PARTS: dict[str, Callable[[Session], None]] = {
    'peers': peers,
    'beside': beside,
    'lone': lone,
    'profile': profile,
    'scaling': scaling,
    'curve': curve,
    'memory': memory,
    'size': size,
}
