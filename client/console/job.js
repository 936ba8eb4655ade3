// A job: a call whose answer is fetched later.

const PASSING = [0, 429, 502, 503, 504]; // The job goes on meanwhile.
const RETRY_MS = 3000;

/** The box that makes a job of a call, for a model that takes jobs. */
export function jobBox(model) {
  const control = $('<input type="checkbox">');
  const label = $('<label class="soft">').append(control, ' As a job: it may take minutes');
  return {element: model.takes_jobs ? label : $(), isTicked: () => control.prop('checked')};
}

/** Asks for `job` until it has ended. Like a request of jQuery's; `abort` cancels the job. */
export function whenEnded(job) {
  const ended = $.Deferred();
  let timer;
  const ask = (method) => {
    clearTimeout(timer);
    callService({method, url: job.url})
      .done((state, reason, request) => {
        if (request.status === 202) {
          timer = setTimeout(ask, 1000 * request.getResponseHeader('Retry-After'), 'GET');
        } else {
          ended.resolve(state, reason, request);
        }
      })
      .fail((request, ...failure) => {
        if (PASSING.includes(request.status)) {
          timer = setTimeout(ask, RETRY_MS, 'GET');
        } else {
          ended.reject(request, ...failure);
        }
      });
  };
  ask('GET');
  return ended.promise({abort: () => ask('DELETE')});
}
