"""Measures the service beside its peers, in alternating rounds, on the same work.

Usage:
  run.py [--peers=<names>] [--loads=<names>] [--parts=<names>] [--rounds=<n>] [--seconds=<n>]
         [--soak=<seconds>] [--ours=<variant>]... [--docs]
  run.py -h | --help

Options:
  --peers=<names>   Peers, comma-separated: fastapi-tuned, fastapi, mosec, litserve, bentoml, mlserver, kserve
                    [default: all].
  --loads=<names>   Loads, comma-separated: hello-c1, hello, hello-c256, digits-1, digits-32, digits-512,
                    heavy-c1, heavy-c8, heavy-c64, heavy-c256, image, mixed [default: all].
  --parts=<names>   What to measure, comma-separated: peers, beside, lone, profile, scaling, curve, memory,
                    size [default: all].
  --rounds=<n>      Rounds; in each, everything compared runs once [default: 5].
  --seconds=<n>     Seconds of load for each figure, whole ones [default: 3].
  --soak=<seconds>  Seconds of the long runs of the part `scaling`; 0: none [default: 60].
  --ours=<variant>  One more variant of the service, NAME=WORDS: a word such as THREADS=4 is a variable of its
                    environment, any other an argument of gunicorn: --ours='gthread=--worker-class gthread'.
  --docs            Write docs/benchmarks.md and its picture from the results.

The results are printed, and kept in tmp/benchmarks/results.json. It takes Linux, Python 3.11 or newer and
wrk; everything else is installed into tmp/benchmarks.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Go to the environment of the benchmark, and measure there."""
    if {'-h', '--help'} & set(sys.argv[1:]):
        sys.exit(__doc__.strip())
    if not sys.platform.startswith('linux'):
        sys.exit('run.py reads /proc, so it needs Linux')
    if shutil.which('wrk') is None:
        sys.exit('run.py needs wrk; Debian: sudo apt install wrk')
    sys.path[0] = str(ROOT)
    from benchmarks.environments import tools

    python = tools()
    if Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), __file__, *sys.argv[1:]])  # noqa: S606  (Itself again.)
    from docopt import docopt

    from benchmarks.parts import PARTS
    from benchmarks.session import Session

    Session(docopt(__doc__), PARTS).run()


if __name__ == '__main__':
    main()
