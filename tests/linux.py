"""The mark of tests that look at processes through /proc, or rely on how Linux forks."""

import sys

import pytest

linux_only = pytest.mark.skipif(sys.platform != 'linux', reason='Looks at processes as Linux shows them')
