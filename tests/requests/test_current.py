import os
import re

import pytest

from model_serving.requests.current import CurrentRequest, new_id


@pytest.mark.parametrize('given', ['a', 'x' * 128, '3f2c-11.22_33', 'Root=1-67891233-abcdef/a+b~c:d@e'])
def test_valid_id_is_kept(given: str) -> None:
    assert CurrentRequest({'HTTP_X_REQUEST_ID': given}).id == given


INVALID = ['', ' ', 'x' * 129, 'a b', 'a\nb', 'a]', '"a"', '<a>', 'ä', 'a\x1b[31m', '%0A', '{a}', 'a\n']


@pytest.mark.parametrize('given', INVALID)
def test_invalid_id_is_replaced(given: str) -> None:
    assert re.fullmatch(r'[0-9a-f]{16}-[0-9a-f]{6}', CurrentRequest({'HTTP_X_REQUEST_ID': given}).id)


def test_ids_differ_also_in_a_forked_process() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs, ours = os.read(reader, 100).decode(), [new_id() for _ in range(1000)]

    assert len({theirs, *ours}) == 1001
    assert theirs.partition('-')[0] != ours[0].partition('-')[0]
    assert len({one.partition('-')[0] for one in ours}) == 1
