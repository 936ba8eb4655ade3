"""Files in the console: chosen, dropped, shown, sent, and sent with curl."""

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.client.cards import card_of, curl_of, field_of, sent


def picture(colour: str = 'orange') -> bytes:
    file = io.BytesIO()
    Image.new('RGB', (120, 80), colour).save(file, 'PNG')
    return file.getvalue()


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def files(console: Page) -> Locator:
    return card_of(console, 'FileModel')


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / 'a "photo", mine; $(no).png'
    path.write_bytes(picture())
    return path


def shown(field: Locator) -> Any:
    """The width of the picture that is shown."""
    image = field.locator('xpath=ancestor::*[contains(@class, "entry")]').locator('img')
    expect(image).to_be_visible()
    return image.evaluate('async (image) => { await image.decode(); return image.naturalWidth; }')


def test_chosen_file_is_shown_and_sent(files: Locator, photo: Path) -> None:
    field = field_of(files, 'Picture')
    expect(field).to_have_attribute('accept', 'image/*')
    expect(field).to_have_accessible_description(
        'What is to be seen. Choose or drop a file here, image/*, up to 6 MB.'
    )
    field.set_input_files(photo)
    assert shown(field) == 120
    expect(files.get_by_text(f'{photo.name}, {len(picture())} bytes')).to_be_visible()
    assert sent(files) == {'image': text_of(picture())}


def test_keyboard_alone_chooses_and_removes(files: Locator, photo: Path) -> None:
    field = field_of(files, 'Picture')
    field.focus()
    with files.page.expect_file_chooser() as chooser:
        field.press('Space')
    chooser.value.set_files(photo)
    remover = files.get_by_role('button', name=f'Remove {photo.name}')
    expect(remover).to_be_visible()
    field.press('Tab')
    expect(remover).to_be_focused()
    remover.press('Enter')
    expect(field).to_be_focused()
    expect(remover).to_be_hidden()
    expect(field).to_have_value('')
    files.get_by_role('button', name='Send').click()
    expect(files.get_by_text('Choose a file.', exact=True)).to_be_visible()
    expect(field).to_be_focused()


def drop(target: Locator, *given: tuple[str, bytes]) -> None:
    """Drop files on it as a person does: over it, then released."""
    transfer = target.page.evaluate_handle(
        """given => {
            const transfer = new DataTransfer();
            given.forEach(([name, text]) => {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, {type: 'image/png'}));
            });
            return transfer;
        }""",
        [[name, text_of(data)] for name, data in given],
    )
    for event in ('dragenter', 'dragover', 'drop'):
        target.dispatch_event(event, {'dataTransfer': transfer})


def test_dropped_file_takes_the_place_of_the_chosen_one(files: Locator, photo: Path) -> None:
    field = field_of(files, 'Picture')
    field.set_input_files(photo)
    assert shown(field) == 120
    drop(field, ('b.png', picture('blue')), ('c.png', picture('red')))
    expect(files.get_by_text('b.png, ')).to_be_visible()
    assert field.evaluate('element => element.files[0].name') == 'b.png'
    assert sent(files) == {'image': text_of(picture('blue'))}
    expect(files.locator('.over')).to_have_count(0)


def test_curl_line_sends_the_files_as_a_form(files: Locator, photo: Path) -> None:
    field_of(files, 'Picture').set_input_files(photo)
    field_of(files, 'Name').fill("it's @me; type=<x>")
    field_of(files, 'Size').select_option(label='3')
    for number, data in enumerate((picture('blue'), b'text')):
        files.get_by_role('button', name='Add file').click()
        (photo.parent / f'{number}.bin').write_bytes(data)
        field_of(files, f'File {number + 1}').set_input_files(photo.parent / f'{number}.bin')
    expect(files.locator('.curl code')).to_contain_text(' -F ')  # Once the files are read.
    line = curl_of(files)
    assert line.count(' -F ') == 3
    assert 'Content-Type' not in line
    done = subprocess.run(['sh', '-c', line], cwd=photo.parent, capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout)['received'] == sent(files)
    assert sent(files) == {
        'image': text_of(picture()),
        'name': "it's @me; type=<x>",
        'size': '3',
        'more': [text_of(picture('blue')), text_of(b'text')],
    }


def test_file_further_inside_is_sent_as_json(files: Locator, photo: Path) -> None:
    """In a part of the form, if there is one."""
    inner = photo.with_name('inner')
    inner.write_bytes(b'inner')
    field_of(files, 'Picture').set_input_files(photo)
    field_of(files, 'Inner file').set_input_files(inner)
    code = files.locator('.curl code')
    expect(code).to_contain_text('--form-string \'deep={"file":"aW5uZXI="}\'')
    done = subprocess.run(['sh', '-c', curl_of(files)], cwd=photo.parent, capture_output=True, timeout=30)
    expected = {'image': text_of(picture()), 'deep': {'file': text_of(b'inner')}}
    assert json.loads(done.stdout)['received'] == sent(files) == expected


def test_file_that_is_no_image_is_not_shown_but_sent(files: Locator, photo: Path) -> None:
    path = photo.with_name('broken.png')
    path.write_bytes(b'no picture')
    field_of(files, 'Picture').set_input_files(path)
    expect(files.get_by_text('broken.png, 10 bytes')).to_be_visible()
    expect(files.locator('img').first).to_be_hidden()
    assert sent(files) == {'image': text_of(b'no picture')}


def test_empty_file_is_a_file(files: Locator, photo: Path) -> None:
    path = photo.with_name('empty.png')
    path.write_bytes(b'')
    field_of(files, 'Picture').set_input_files(path)
    expect(files.get_by_text('empty.png, 0 bytes')).to_be_visible()
    assert sent(files) == {'image': ''}


def test_reset_forgets_the_file(files: Locator, photo: Path) -> None:
    field_of(files, 'Picture').set_input_files(photo)
    expect(files.locator('img').first).to_be_visible()
    files.get_by_role('button', name='Reset').click()
    expect(files.locator('img').first).to_be_hidden()
    expect(files.locator('.curl code')).to_have_text('Not ready to be sent: Choose a file.')


def test_nothing_is_wider_than_a_phone(phone: Page, models: str, photo: Path) -> None:
    phone.goto(models)
    card = card_of(phone, 'FileModel')
    wide = io.BytesIO()
    Image.new('RGB', (2000, 300), 'green').save(wide, 'PNG')
    photo.write_bytes(wide.getvalue())
    field_of(card, 'Picture').set_input_files(photo)
    assert shown(field_of(card, 'Picture')) == 2000
    assert card.evaluate('card => card.scrollWidth <= card.clientWidth')
