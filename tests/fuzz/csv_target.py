"""CSV, for MLflow's /invocations."""

from hypothesis import strategies as st

from tests.fuzz.services import check_post, single

NAMES = b'sepal_length,sepal_width,petal_length,petal_width'
cells = st.sampled_from(
    [
        b'1',
        b'-1.5',
        b'1e400',
        b'nan',
        b'',
        b' 2 ',
        b'"3"',
        b'"',
        b'""',
        b'1_0',
        b'a',
        b'\xff',
        b'1' * 400,
        b'\0',
    ]
)
lines = st.lists(cells, max_size=6).map(b','.join) | st.just(b'5.1,3.5,1.4,0.2')
heads = st.just(NAMES) | st.just(b'flowers') | lines | st.just(b'\xef\xbb\xbf' + NAMES)
STRATEGY = st.one_of(
    st.builds(
        lambda head, rows, end: end.join([head, *rows]),
        heads,
        st.lists(lines, max_size=8),
        st.sampled_from([b'\n', b'\r\n', b'\r', b'\n\n']),
    ),
    st.lists(st.sampled_from([b',', b'"', b'\n', b'\r', NAMES, b'a' * 200_000]) | st.binary(max_size=5)).map(
        b''.join
    ),
    st.builds(
        lambda line, count: NAMES + b'\n' + line * count,
        lines.map(lambda each: each + b'\n'),
        st.integers(0, 2000),
    ),
)


def check(data: bytes) -> None:
    """Post it."""
    check_post(single(), '/invocations', data, Content_Type='text/csv')
