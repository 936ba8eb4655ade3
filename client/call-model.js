// Calls a model of the service with jQuery. The page's <base href> is the address of the service.
'use strict';

const TIMEOUT_MS = 10000;

/**
 * POST `body` as JSON to `path`, such as 'v1/XXXModel', and wait so long for an answer; 0 waits for ever.
 * Returns jQuery's request, which can be aborted.
 */
function callModel(path, body, timeout = TIMEOUT_MS, headers = {}) {
  const contentType = 'application/json';
  return callService({method: 'POST', url: path, headers, contentType, data: JSON.stringify(body), timeout});
}

/** Send a request with these settings of jQuery's, and the key where the page has one. Returns jQuery's request. */
function callService({headers = {}, ...settings}) {
  // The field of the page, where keys are on; a key is kept nowhere else.
  const key = $('#service-key').val()?.trim();
  return $.ajax({
    ...settings,
    headers: key ? {...headers, Authorization: `Bearer ${key}`} : headers,
    // Explicit, so that jQuery never takes an answer for a script and runs it.
    dataType: 'json',
  }).fail((request) => {
    if (request.status === 401 && $('#service-key').length === 0) {
      addKeyField();
    }
  });
}

/** Let the page ask for the key that the service needs. */
function addKeyField() {
  const input = $('<input id="service-key" type="password" placeholder=" " autocomplete="off">');
  $('<div class="field">').append(input, $('<label for="service-key">').text('Key')).prependTo('main');
}

/** Why a request failed: the service's message, if there is one. */
function failureMessage(request, reason) {
  if (reason === 'timeout') {
    return `The service did not answer within ${TIMEOUT_MS / 1000} seconds. Try again.`;
  }
  const message = request.responseJSON?.message;
  if (typeof message === 'string' && message !== '') {
    return message;
  }
  if (request.status === 0) {
    return 'The service cannot be reached. Check the connection and try again.';
  }
  if (reason === 'parsererror') {
    return 'The answer is not JSON: this does not seem to be the service.';
  }
  return `The service answered with status ${request.status}. Try again later.`;
}
