// The digits page: a drawing becomes 8x8 cells, and DigitsModel reads the digit.
'use strict';

const PAD = 300; // The drawing pad's side, as in the page's viewBox.
const DOTS = 32; // A drawing is fitted into 32x32 dots ...
const CELLS = 8; // ... of which 8x8 cells count 4x4 each, as in the data that the model was trained on.
const PEN = 4; // Width of the line in dots.
const SMALLEST = PAD / 10; // Smaller drawings are not enlarged further: a dot stays a dot.
const PAUSE_MS = 300; // After a stroke, before the model is called: another stroke may follow.

let strokes = []; // Each a list of [x, y] on the pad.
let drawingPointer = null; // The pointer that is drawing; others (a palm, a second finger) are ignored.
let pause; // Timer that calls the model.
let request; // The one in flight.
let ask; // Sends cells to the model.

/** Begin; `send` returns jQuery's request for the digit in 64 cells. */
function startDigits(send = askModel) {
  ask = send;
  for (let cell = 0; cell < CELLS * CELLS; cell += 1) {
    $('<span>').appendTo('#cells');
  }
  for (let digit = 0; digit < 10; digit += 1) {
    const track = $('<td>').append($('<div class="track">').append('<div>'));
    $('<tr>').append($('<th scope="row">').text(digit), track, $('<td>')).appendTo('#bars');
  }
  $('#pad')
    .on('pointerdown', startStroke)
    .on('pointermove', continueStroke)
    .on('pointerup pointercancel', endStroke);
  $('#clear').on('click', clear);
  clear();
}

// Drawing

function startStroke(event) {
  if (drawingPointer !== null || event.button !== 0) {
    return;
  }
  drawingPointer = event.pointerId;
  this.setPointerCapture(event.pointerId); // The stroke continues when the pointer leaves the pad.
  forgetRequest();
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  this.append(line);
  strokes.push([]);
  addPoint(event);
}

function continueStroke(event) {
  if (event.pointerId === drawingPointer) {
    addPoint(event);
  }
}

function endStroke(event) {
  if (event.pointerId === drawingPointer) {
    drawingPointer = null;
    pause = setTimeout(predict, PAUSE_MS);
  }
}

function addPoint(event) {
  const stroke = strokes.at(-1);
  const point = pointOnPad(event);
  const [x, y] = stroke.at(-1) ?? [Infinity, Infinity];
  if (Math.hypot(point[0] - x, point[1] - y) < 2) {
    return;
  }
  stroke.push(point);
  // A line needs two ends, even for a dot.
  $('#pad polyline').last().attr('points', [stroke[0], ...stroke].join(' '));
  showCells(countInk(strokes));
}

function pointOnPad(event) {
  const pad = document.getElementById('pad').getBoundingClientRect();
  return [((event.clientX - pad.left) / pad.width) * PAD, ((event.clientY - pad.top) / pad.height) * PAD];
}

function clear() {
  forgetRequest();
  strokes = [];
  drawingPointer = null;
  $('#pad').empty();
  showCells(new Array(CELLS * CELLS).fill(0));
  showNothing('Nothing is drawn yet.');
}

// From strokes to cells

/** The inked dots, 0..16, in each of 8x8 cells, row by row: what DigitsModel takes. */
function countInk(strokes) {
  const fitted = fit(strokes);
  const cells = new Array(CELLS * CELLS).fill(0);
  for (let row = 0; row < DOTS; row += 1) {
    for (let column = 0; column < DOTS; column += 1) {
      if (isInked(column + 0.5, row + 0.5, fitted)) {
        cells[(row >> 2) * CELLS + (column >> 2)] += 1;
      }
    }
  }
  return cells;
}

/** The strokes cropped, scaled to fit DOTS with room for the pen, and centred; their shape is kept. */
function fit(strokes) {
  const points = strokes.flat();
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const scale = (DOTS - PEN) / Math.max(right - left, bottom - top, SMALLEST);
  const place = ([x, y]) => [
    (x - (left + right) / 2) * scale + DOTS / 2,
    (y - (top + bottom) / 2) * scale + DOTS / 2,
  ];
  return strokes.map((stroke) => stroke.map(place));
}

function range(numbers) {
  return [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
}

// Computed rather than read from a canvas, because browsers that resist fingerprinting alter what is read.
function isInked(x, y, strokes) {
  return strokes.some((stroke) =>
    stroke.some((end, index) => distance(x, y, stroke[Math.max(index - 1, 0)], end) <= PEN / 2));
}

/** How far (x, y) is from the line between two points. */
function distance(x, y, [startX, startY], [endX, endY]) {
  const [alongX, alongY] = [endX - startX, endY - startY];
  const length = alongX * alongX + alongY * alongY;
  const share = length === 0 ? 0 : ((x - startX) * alongX + (y - startY) * alongY) / length;
  const place = Math.min(Math.max(share, 0), 1);
  return Math.hypot(x - startX - place * alongX, y - startY - place * alongY);
}

// Calling the model

function askModel(cells) {
  return callModel('v1/DigitsModel', {instances: [cells]});
}

function predict() {
  forgetRequest();
  $('#progress').prop('hidden', false);
  request = ask(countInk(strokes))
    .done((answer) => showPrediction(answer.predictions[0]))
    .fail(showFailure)
    .always(() => $('#progress').prop('hidden', true));
}

/** Drop the pending call or answer: the drawing has changed. */
function forgetRequest() {
  clearTimeout(pause);
  request?.abort();
}

// Showing; text from the service is inserted as text, never as HTML

function showCells(cells) {
  $('#cells span').each((index, cell) => {
    cell.style.setProperty('--ink', cells[index] / 16);
  });
}

function showPrediction({label, probabilities}) {
  $('#error').text('');
  $('#label').text(label);
  $('#probability').text(`Probability ${percent(probabilities[label])}`);
  showBars(probabilities);
}

function showNothing(why) {
  $('#error, #label').text('');
  $('#probability').text(why);
  showBars([]);
}

function showFailure(failed, reason) {
  if (reason !== 'abort') {
    showNothing('');
    $('#error').text(failureMessage(failed, reason));
  }
}

function showBars(probabilities) {
  $('#bars tr').each((digit, row) => {
    const probability = probabilities[digit];
    $('.track > div', row).css('width', `${100 * (probability ?? 0)}%`);
    $('td', row).last().text(probability === undefined ? '-' : percent(probability));
  });
}

function percent(probability) {
  return `${(100 * probability).toFixed(1)}\u00a0%`;
}
