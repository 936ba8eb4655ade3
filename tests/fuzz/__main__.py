"""Fuzz for as long as there is time.

Usage:
  tests.fuzz [--hours=<n>] [<target>...]

Options:
  --hours=<n>  how long, for all targets together [default: 1]
"""

import logging
import sys
import traceback

from docopt import docopt

from tests.fuzz.fuzzer import CORPUS, TARGETS, fuzz

arguments = docopt(__doc__)
logging.disable()
targets = arguments['<target>'] or TARGETS
failed = False
for name in targets:
    try:
        count = fuzz(name, float(arguments['--hours']) * 3600 / len(targets))
    except Exception:
        traceback.print_exc()
        print(f'{name}: broken; the input is in {CORPUS / name}', flush=True)
        failed = True
    else:
        print(f'{name}: {count} inputs', flush=True)
sys.exit(failed)
