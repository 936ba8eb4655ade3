"""The limits of control groups: of both versions, of the group that a container sees, and of those above."""

from pathlib import Path

import pytest

from model_serving import cgroup, cores
from model_serving.cgroup import cpu_limit, memory_limit

V1_UNLIMITED = str((1 << 63) - 4096)
MIB = 1024 * 1024


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroup, 'MOUNT', tmp_path / 'mount')
    monkeypatch.setattr(cgroup, 'MEMBERSHIP', tmp_path / 'membership')
    return tmp_path


def write(groups: Path, name: str, text: str) -> None:
    path = groups / 'mount' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + '\n')


@pytest.mark.parametrize(
    ('text', 'limit'),
    [('50000 100000', 0.5), ('150000 100000', 1.5), ('max 100000', None), ('', None), ('x y', None)],
)
def test_cpu_quota_of_version_2(groups: Path, text: str, limit: float | None) -> None:
    (groups / 'membership').write_text('0::/\n')
    write(groups, 'cpu.max', text)
    assert cpu_limit() == limit


@pytest.mark.parametrize(('quota', 'limit'), [('50000', 0.5), ('400000', 4.0), ('-1', None), ('0', None)])
def test_cpu_quota_of_version_1(groups: Path, quota: str, limit: float | None) -> None:
    (groups / 'membership').write_text('9:name=systemd:/\n2:cpu,cpuacct:/docker/abc\n0::/\n')
    # In the container, the mount is the group.
    write(groups, 'cpu,cpuacct/cpu.cfs_quota_us', quota)
    write(groups, 'cpu,cpuacct/cpu.cfs_period_us', '100000')
    assert cpu_limit() == limit


def test_groups_above_limit_as_well(groups: Path) -> None:
    (groups / 'membership').write_text('0::/pod/container\n')
    write(groups, 'pod/container/cpu.max', '400000 100000')
    write(groups, 'pod/cpu.max', '100000 100000')
    write(groups, 'pod/container/memory.max', str(512 * MIB))
    write(groups, 'pod/memory.max', str(1024 * MIB))
    assert (cpu_limit(), memory_limit()) == (1.0, 512 * MIB)


@pytest.mark.parametrize(
    ('name', 'text', 'limit'),
    [
        ('memory.max', str(256 * MIB), 256 * MIB),
        ('memory.max', 'max', None),
        ('memory/memory.limit_in_bytes', str(300 * MIB), 300 * MIB),
        ('memory/memory.limit_in_bytes', V1_UNLIMITED, None),
    ],
)
def test_memory(groups: Path, name: str, text: str, limit: int | None) -> None:
    (groups / 'membership').write_text('4:memory:/docker/abc\n0::/docker/abc\n')
    write(groups, name, text)
    assert memory_limit() == limit


def test_no_control_groups_mean_no_limit(groups: Path) -> None:
    assert (cpu_limit(), memory_limit()) == (None, None)


@pytest.mark.parametrize(('limit', 'expected'), [(None, 8), (0.5, 1), (1.5, 2), (2.0, 2), (64.0, 8)])
def test_cores_follow_the_quota(monkeypatch: pytest.MonkeyPatch, limit: float | None, expected: int) -> None:
    monkeypatch.setattr(cores, 'cpu_limit', lambda: limit)
    monkeypatch.setattr(cores.os, 'sched_getaffinity', lambda _: set(range(8)), raising=False)
    assert cores.available_cores() == expected


@pytest.mark.parametrize(
    'membership',
    [b'0::/caf\xe9\n', b'\n', b'nothing\n0:\n', b'0::/a\xe2\x80\xa8b\n', b'0::/' + b'x' * 9000],
)
def test_odd_names_of_groups_are_no_limit(groups: Path, membership: bytes) -> None:
    (groups / 'membership').write_bytes(membership)
    assert (cpu_limit(), memory_limit()) == (None, None)


@pytest.mark.parametrize('text', ['50000 0', f'{"9" * 400} 100000', '-5 100000', '5', '\0'])
def test_odd_quotas_are_none(groups: Path, text: str) -> None:
    (groups / 'membership').write_text('0::/\n')
    write(groups, 'cpu.max', text)
    write(groups, 'memory.max', text)
    assert cpu_limit() is None
    assert memory_limit() in (None, 5)
