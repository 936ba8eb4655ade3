"""docs/README.zh-CN.md says what README.md says: the same code, links, figures and sections."""

import re
from pathlib import Path

from tests.service_process import ROOT

ENGLISH = ROOT / 'README.md'
CHINESE = ROOT / 'docs' / 'README.zh-CN.md'
CODE = re.compile(r'^```.*?^```$', re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    return CODE.sub('', page.read_text('utf-8'))


def links(page: Path) -> list[str]:
    """What the page links to, in order: files by their place in the project."""
    targets = re.findall(r'(?:\]\(|src=")([^)#"]+)', prose(page))
    others = {ENGLISH.resolve(), CHINESE.resolve()}
    found = [target if ':' in target else str((page.parent / target).resolve()) for target in targets]
    return [
        target.removeprefix(f'{ROOT}/') for target in found if ':' in target or Path(target) not in others
    ]


def test_code_blocks_are_those_of_the_readme() -> None:
    """Copy what differs; comments in code stay English."""
    assert CODE.findall(CHINESE.read_text('utf-8')) == CODE.findall(ENGLISH.read_text('utf-8'))


def test_sections_points_and_figures_are_the_same() -> None:
    """Translate what is missing; copy numbers and code."""
    for pattern in (r'^#+ ', r'^- \*\*', r'^\| .+? (\|.*\d.*)$'):
        english, chinese = (re.findall(pattern, prose(page), re.MULTILINE) for page in (ENGLISH, CHINESE))
        assert chinese == english
    english, chinese = (re.findall('`[^`]+`', prose(page)) for page in (ENGLISH, CHINESE))
    assert sorted(chinese) == sorted(english)


def test_links_lead_to_the_same_places() -> None:
    assert sorted(links(CHINESE)) == sorted(links(ENGLISH))


def test_each_links_the_other() -> None:
    assert '(docs/README.zh-CN.md)' in ENGLISH.read_text('utf-8')
    assert '(../README.md)' in CHINESE.read_text('utf-8')


def test_it_is_chinese_throughout() -> None:
    """A paragraph that was copied and not translated has no Chinese characters."""
    paragraphs = [text for text in prose(CHINESE).split('\n\n') if re.search(r'[a-z]{4}', text)]
    for paragraph in paragraphs:
        assert re.search(r'[\u4e00-\u9fff]', paragraph) or paragraph.strip() == '# model-serving', paragraph
