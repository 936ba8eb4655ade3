"""The file of keys: what is read, what is refused, and when it is read again."""

import logging
import time
from pathlib import Path

import pytest

from model_serving.access.keys import CHECK_SECONDS, KeyFile, read_keys
from model_serving.access.limits import Limit
from model_serving.settings import SettingError
from tests.access.key_files import BOSS, SHOP, line, write
from tests.service_process import ROOT

HASH = 'a' * 64


def test_lines_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / 'keys.conf',
        '\ufeff# a comment\n\n',
        line('shop', SHOP, 'IrisModel,DigitsModel', '100/m,5/s  # more by arrangement'),
        line('boss', BOSS),
        'anonymous - IrisModel 10/d\n',
    )
    keys = read_keys(path)
    shop, boss = keys.find(SHOP), keys.find(BOSS)
    assert shop
    assert boss
    assert keys.anonymous
    assert (shop.name, shop.limits) == ('shop', (Limit(100, 60), Limit(5, 1)))
    assert (shop.models, boss.models) == ({'IrisModel', 'DigitsModel'}, None)
    assert keys.anonymous.limits == (Limit(10, 86400),)
    assert keys.find('msk_other') is keys.find('') is keys.find('x' * 60_000) is keys.find('\xff€') is None


WRONG = {
    'no_key': ('# none yet\n', 'there is no key in it'),
    'columns': (f'shop {HASH}\n', 'line 1: a line has three columns, or four'),
    'hash': ('\nshop msk_the-key-itself *\n', 'line 2: the second column is the SHA-256'),
    'name': (f'{HASH}x {HASH} *\n', 'line 1: a name has letters'),
    'models': (f'shop {HASH} A,,B\n', 'line 1: the third column has names of models'),
    'limit': (f'shop {HASH} * 100\n', 'line 1: a limit is a number of requests and'),
    'no_limit': (f'shop {HASH} * 0/s\n', 'line 1: a limit is'),
    'same_name': (f'shop {HASH} *\nshop {"b" * 64} *\n', 'line 2: an earlier line has the same name'),
    'same_hash': (f'shop {HASH} *\nboss {HASH} *\n', 'line 2: an earlier line'),
    'anonymous': (f'anonymous {HASH} *\n', 'line 1: `-` in place of a hash'),
    'no_hash': ('shop - *\n', 'line 1: `-` in place of a hash'),
}


@pytest.mark.parametrize(('text', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_line_is_named_and_not_repeated(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingError) as raised:
        read_keys(write(tmp_path / 'keys.conf', text))
    assert message in str(raised.value)
    assert 'msk_' not in str(raised.value)
    assert HASH not in str(raised.value)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r'none\.conf: cannot be read: No such file'):
        KeyFile(tmp_path / 'none.conf')
    (tmp_path / 'latin.conf').write_bytes(b'\xff')
    with pytest.raises(SettingError, match='it is not UTF-8'):
        KeyFile(tmp_path / 'latin.conf')


def later() -> float:
    return time.monotonic() + CHECK_SECONDS


def test_changed_file_is_read_again_but_not_at_each_request(tmp_path: Path) -> None:
    file = KeyFile(write(tmp_path / 'keys.conf', line('shop', SHOP)))
    write(file.path, line('boss', BOSS))
    assert file.keys(time.monotonic()).find(SHOP)
    keys = file.keys(later())
    assert (keys.find(SHOP) is None, bool(keys.find(BOSS))) == (True, True)
    assert file.keys(later() + 1) is keys


def test_file_behind_a_link_is_followed_as_kubernetes_swaps_it(tmp_path: Path) -> None:
    for name, key in [('old', SHOP), ('new', BOSS)]:
        (tmp_path / name).mkdir()
        write(tmp_path / name / 'keys.conf', line('one', key))
    data, path = tmp_path / '..data', tmp_path / 'keys.conf'
    data.symlink_to('old')
    path.symlink_to('..data/keys.conf')
    file = KeyFile(path)
    (tmp_path / '..next').symlink_to('new')
    (tmp_path / '..next').replace(data)
    assert file.keys(later()).find(BOSS)


def test_broken_file_leaves_the_keys_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(write(tmp_path / 'keys.conf', line('shop', SHOP)))
    for begin, break_it in [(0, lambda: write(file.path, 'shop\n')), (10, file.path.unlink)]:
        caplog.clear()
        break_it()
        for seconds in (0, 2, 4):
            assert file.keys(later() + begin + seconds).find(SHOP)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert caplog.messages[0].endswith('the keys that were read before still hold')
    write(file.path, line('boss', BOSS))
    assert file.keys(later() + 20).find(BOSS)


def test_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (ROOT / 'docs' / 'keys-and-limits.md').read_text()
    keys = read_keys(write(tmp_path / 'keys.conf', text.partition('```text\n')[2].partition('```')[0]))
    assert sorted(key.name for key in keys.by_digest.values()) == ['admin', 'prometheus', 'shop']
    assert keys.anonymous
