// Calls a model of the service with jQuery. Where the service is, the page says: in its <base href>.
'use strict';

const TIMEOUT_MS = 10000;

/**
 * POST `body` as JSON to `path`, such as 'v1/XXXModel', and wait so long for an answer; 0 is for ever.
 * Returns jQuery's request, which can be aborted.
 */
function callModel(path, body, timeout = TIMEOUT_MS) {
  return $.ajax({
    method: 'POST',
    url: path,
    contentType: 'application/json',
    data: JSON.stringify(body),
    // Said outright, so that jQuery never guesses an answer to be a script and runs it.
    dataType: 'json',
    timeout,
  });
}

/** What went wrong with a failed request, in the service's own words where there are any. */
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
