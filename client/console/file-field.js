// A file, sent as base64: chosen or dropped here, and shown if it is an image.
import {absent, hintOf, leaf, problem} from './entry.js';

const UNITS = ['bytes', 'kB', 'MB'];

/** A property with `contentEncoding: base64`. Its `file` is the chosen one; an example has none. */
export function fileField(schema, place) {
  const control = $('<input type="file">').attr('accept', schema.contentMediaType);
  const field = leaf(control, place, hintOf(schema.description, limitOf(schema)));
  const image = $('<img>').on('error', () => image.attr({hidden: '', src: null}));
  const name = $('<p>');
  const remover = $('<button class="button outlined small" type="button">').text('Remove');
  const preview = $('<div class="preview">').append(image, name, remover).appendTo(field.element);
  let text; // The base64; undefined while there is no file, and while it is read.

  const show = () => {
    const type = field.file?.type || schema.contentMediaType?.split(',')[0].replace('*', 'png') || '';
    const isImage = text !== undefined && type.startsWith('image/');
    image.attr({hidden: isImage ? null : '', src: isImage ? `data:${type};base64,${text}` : null, alt: 'Preview'});
    name.text([field.file?.name ?? 'Example', sizeOf(field.file?.size ?? text?.length * 3 / 4)].join(', '));
    preview.prop('hidden', text === undefined);
    remover.attr('aria-label', `Remove ${field.file?.name ?? 'the example'}`);
  };
  const take = (file, given) => {
    [field.file, text] = [file, given];
    show();
  };
  const choose = async (file) => {
    take(file);
    const read = file && await base64Of(file).catch(() => undefined);
    if (field.file === file) {
      take(read === undefined ? undefined : file, read);
      field.element.trigger('input');
    }
  };
  control.on('change', () => choose(control[0].files[0]));
  remover.on('click', () => {
    control.val('').trigger('change').trigger('focus');
  });
  acceptDrops(field.element, (file) => {
    const one = new DataTransfer();
    one.items.add(file);
    control[0].files = one.files;
    control.trigger('change');
  });
  field.blank = () => text === undefined;
  field.set = (value) => {
    control.val('');
    take(undefined, typeof value === 'string' ? value : undefined);
  };
  field.read = (problems) => {
    if (text === undefined && field.file) {
      return problem(problems, field, 'The file is still being read.');
    }
    const needed = place.required && !schema.nullable;
    return text ?? (needed ? problem(problems, field, 'Choose a file.') : absent(schema, place));
  };
  show();
  return field;
}

async function base64Of(file) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return url.includes(',') ? url.slice(url.indexOf(',') + 1) : '';
}

/** Call `onFile` with a file that is dropped on `element`; elsewhere the page would be left for it. */
function acceptDrops(element, onFile) {
  element.addClass('drop');
  element.on('dragenter dragover', (event) => {
    event.preventDefault();
    element.addClass('over');
  });
  element.on('dragleave', ({relatedTarget}) => element.toggleClass('over', $.contains(element[0], relatedTarget)));
  element.on('drop', (event) => {
    event.preventDefault();
    element.removeClass('over');
    const [file] = event.originalEvent.dataTransfer.files;
    if (file) {
      onFile(file);
    }
  });
}

function limitOf({contentMediaType, maxLength}) {
  const most = maxLength && `up to ${sizeOf(maxLength * 3 / 4)}`;
  return ['choose or drop a file here', contentMediaType, most].filter(Boolean).join(', ');
}

function sizeOf(bytes) {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${Number((Math.floor(bytes) / 1000 ** unit).toPrecision(3))} ${UNITS[unit]}`;
}
