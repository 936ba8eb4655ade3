"""nginx and HAProxy with the configurations of deploy/, of which only the addresses are others."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.programs import listens, running
from tests.service_process import ROOT

DEPLOY = ROOT / 'deploy'
SHIPPED_SERVERS = tuple(f'10.0.0.1{number}:9999' for number in (1, 2, 3))
ONCE = '^/(v1/PaymentModel$|v1/models/PaymentModel[:/]|v2/models/PaymentModel/)'
NGINX = """
user root;
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/model-serving.conf;
}}
"""
"""What Debian's /etc/nginx/nginx.conf is to conf.d/, for a process of its own."""


def replaced(text: str, servers: Sequence[str], port: int, once: str) -> str:
    """A shipped configuration for these servers, at this port of the loopback; `once` is not safe to retry.

    Lines of servers that there are not are left out, and what it has as a comment for models that are not
    safe to retry is put to use.
    """
    kept = [
        line
        for line in text.splitlines()
        if not any(each in line for each in SHIPPED_SERVERS[len(servers) :])
    ]
    text = '\n'.join(kept) + '\n'
    for shipped, server in zip(SHIPPED_SERVERS, servers, strict=False):
        text = text.replace(shipped, server)
    text = re.sub(r'(?m)^( +)# (location ~|http-request disable-l7-retry|    proxy_|\}$)', r'\1\2', text)
    text = text.replace('PaymentModel', once)
    return text.replace('listen 80;', f'listen 127.0.0.1:{port};').replace(
        'bind :80', f'bind 127.0.0.1:{port}'
    )


def nginx(folder: Path, servers: Sequence[str], port: int, once: str) -> list[str]:
    """Write the configuration; returns the command."""
    shipped = (DEPLOY / 'nginx' / 'model-serving.conf').read_text()
    (folder / 'model-serving.conf').write_text(replaced(shipped, servers, port, once))
    (folder / 'nginx.conf').write_text(NGINX.format(folder=folder))
    return ['nginx', '-e', str(folder / 'nginx-error.log'), '-c', str(folder / 'nginx.conf')]


def haproxy(folder: Path, servers: Sequence[str], port: int, once: str) -> list[str]:
    """Write the configuration; returns the command."""
    shipped = (DEPLOY / 'haproxy' / 'haproxy.cfg').read_text()
    (folder / 'haproxy.cfg').write_text(replaced(shipped, servers, port, once))
    return ['haproxy', '-db', '-f', str(folder / 'haproxy.cfg')]


BALANCERS: dict[str, Callable[[Path, Sequence[str], int, str], list[str]]] = {
    'nginx': nginx,
    'HAProxy': haproxy,
}


@contextlib.contextmanager
def balancing(
    name: str, servers: Sequence[str], folder: Path, port: int, once: str = 'OnceModel'
) -> Iterator[int]:
    """The pid of the balancer of that name, in front of these servers."""
    folder.mkdir(parents=True, exist_ok=True)
    command = BALANCERS[name](folder, servers, port, once)
    with running(command, folder / f'{name}.log', lambda: listens(port)) as pid:
        yield pid
