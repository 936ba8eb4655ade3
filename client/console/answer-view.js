// The answer of the service: status, duration and JSON.
import {prettyJson} from './pretty-json.js';

const MOST_LAID_OUT = 1000000; // Characters; a longer answer is shown unformatted.
const MOST_SHOWN = 100000;

/** An empty view. `waiting(ms)`, `show(request, ms)` and `cancelled(ms)` fill it; `clear()` empties it. */
export function answerView(name) {
  const status = $('<span class="status">');
  const elapsed = $('<span class="elapsed" aria-hidden="true">');
  const code = $('<code>');
  const box = $('<pre class="code-box answer" tabindex="0" role="region">').append(code).prop('hidden', true);
  box.attr('aria-label', `Answer of ${name}`);
  const say = (kind, words, text = '') => {
    status.attr('class', `status ${kind}`).text(words);
    elapsed.text('');
    code.text(text);
    box.prop('hidden', text === '');
  };
  return {
    element: $('<div class="answer-view">').append($('<p role="status">').append(status), elapsed, box),
    clear: () => say('', ''),
    begin: () => say('', 'Waiting for the answer'),
    waiting: (ms) => elapsed.text(duration(ms)),
    cancelled: (ms) => say('', `Cancelled after ${duration(ms)}`),
    show(request, ms) {
      say(kindOf(request.status), wordsOf(request, ms), readable(request.responseText ?? ''));
    },
  };
}

function kindOf(status) {
  return status >= 200 && status < 300 ? 'good' : 'bad';
}

function wordsOf(request, ms) {
  if (request.status === 0) {
    return `No answer · ${duration(ms)}`;
  }
  const bytes = new TextEncoder().encode(request.responseText ?? '').length;
  return `${request.status} ${request.statusText} · ${duration(ms)} · ${size(bytes)}`;
}

/** Milliseconds in words. */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function size(bytes) {
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`;
}

function readable(text) {
  const shown = text.length > MOST_LAID_OUT ? text : laidOut(text);
  const more = shown.length - MOST_SHOWN;
  return more > 0 ? `${shown.slice(0, MOST_SHOWN)}\n… and ${more} more characters` : shown;
}

function laidOut(text) {
  try {
    return prettyJson(text);
  } catch {
    return text; // Not JSON, such as the page of a proxy.
  }
}
