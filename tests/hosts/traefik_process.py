"""The real Traefik, with the configurations of deploy/traefik, of which only the addresses are others."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.balancers import DEPLOY
from tests.programs import answers, running
from tests.service_process import free_port


def replaced(text: str, stable: str, candidate: str, once: str) -> str:
    """A file of deploy/traefik for these two services; `once` is the model that is not safe to retry."""
    text = re.sub('http://10.0.0.1[12]:9999', stable, text).replace('http://10.0.0.13:9999', candidate)
    text = re.sub(r'(?m)^    # ( *(once:|rule: PathRegexp|service: stable))', r'    \1', text)
    return text.replace('PaymentModel', once)


@contextlib.contextmanager
def traefik(folder: Path, file: str, stable: str, candidate: str, once: str = 'DigitsModel') -> Iterator[str]:
    """The URL of Traefik with canary.yml or shadow.yml, in front of the services at these URLs."""
    url = f'http://127.0.0.1:{free_port()}'
    shipped = DEPLOY / 'traefik'
    (folder / file).write_text(replaced((shipped / file).read_text(), stable, candidate, once))
    static = (shipped / 'traefik.yml').read_text().replace("':80'", f"'{urlsplit(url).netloc}'")
    (folder / 'traefik.yml').write_text(static.replace('/etc/traefik/canary.yml', str(folder / file)))
    command = ['traefik', f'--configFile={folder / "traefik.yml"}']
    with running(command, folder / 'traefik.log', lambda: answers(f'{url}/health/live')):
        yield url
