// The card of a model: its form, the answer, and the same with curl.
import {answerView} from './answer-view.js';
import {copyButton} from './copy-button.js';
import {curlForm, curlLine} from './curl-line.js';
import {addError, clearErrors} from './entry.js';
import {formParts} from './form-parts.js';
import {makeForm} from './form.js';
import {jobBox, whenEnded} from './job.js';
import {showViolations} from './violations.js';

const TICK_MS = 100;

/** Adds the form of `model` to its card, a `section` of the page. */
export class ModelCard {
  constructor(section, model) {
    this.model = model;
    this.section = $(section);
    this.fields = fieldsOf(model);
    this.error = $('<p class="panel error" tabindex="-1">');
    this.progress = $('<div class="progress" role="progressbar" aria-label="Waiting for the answer" hidden>');
    this.sender = $('<button class="button">').text('Send');
    this.canceller = $('<button class="button outlined" type="button" hidden>').text('Cancel');
    this.restorer = $('<button class="button outlined" type="button">').text('Reset');
    this.job = jobBox(model);
    this.answer = answerView(model.name);
    this.code = this.section.find('.curl code');
    this.copier = copyButton('Copy', () => this.code.text());
    this.build();
    this.showCurl();
  }

  build() {
    const actions = $('<div class="actions">').append(this.sender, this.canceller, this.restorer, this.job.element);
    this.form = $('<form class="model-form" novalidate>').attr('aria-labelledby', this.model.name);
    this.form.append($('<div role="alert">').append(this.error), this.fields.element, actions);
    this.section.find('.curl').prop('hidden', false).before(this.form, this.answer.element, this.curlHead());
    this.section.prepend(this.progress);
    this.form.on('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.form.on('input change', (event) => this.changed(event.target));
    this.canceller.on('click', () => this.cancel());
    this.restorer.on('click', () => this.restore());
  }

  curlHead() {
    return $('<div class="row curl-head">').append($('<h3>').text('The same with curl'), this.copier);
  }

  /** The value of the form, and its errors. */
  read() {
    const problems = [];
    const value = this.fields.read(problems);
    return {value, problems};
  }

  /** Fill in the form with `value`. */
  set(value) {
    this.fields.set(value);
    this.forget();
    this.showCurl();
  }

  restore() {
    const fields = fieldsOf(this.model);
    this.fields.element.replaceWith(fields.element);
    this.fields = fields;
    this.forget();
    this.showCurl();
    this.onChange?.(this.read().value);
  }

  forget() {
    clearErrors(this.form);
    this.error.text('');
    this.answer.clear();
  }

  changed(target) {
    // The JSON editor handles its own errors.
    if (!$(target).is('.json')) {
      const place = $(target).closest('.entry, fieldset');
      place.children('.field-error').text('');
      $(target).removeAttr('aria-invalid');
    }
    this.showCurl();
    this.onChange?.(this.read().value);
  }

  showCurl() {
    const {value, problems} = this.read();
    const url = new URL(this.model.url.slice(1), document.baseURI).href;
    const parts = problems.length === 0 && formParts(this.fields, this.model.schema, value);
    const isJob = this.job.isTicked();
    const lineOf = () => (parts ? curlForm(url, parts, isJob) : curlLine(url, JSON.stringify(value), isJob));
    const line = problems.length === 0 && lineOf();
    this.code.text(line || `Not ready to be sent: ${problems[0].message}`);
    this.copier.prop('disabled', !line);
  }

  /** Send the form. Returns jQuery's request; undefined if there are errors, or a request in flight. */
  send() {
    if (this.request) {
      return undefined;
    }
    this.forget();
    const {value, problems} = this.read();
    if (problems.length > 0) {
      problems.forEach(({field, message}) => addError(field, message));
      this.refuse('Nothing was sent: see the marked fields.', problems.map(({field}) => field));
      return undefined;
    }
    this.begin();
    const isJob = this.job.isTicked();
    this.request = callModel(this.model.url.slice(1), value, 0, isJob ? {Prefer: 'respond-async'} : {});
    return (isJob ? this.request.then((job) => this.follow(job)) : this.request)
      .always(() => this.end())
      .done((answer, reason, request) => this.answer.show(request, this.elapsed()))
      .fail((request, reason) => this.fail(request, reason))
      .done((answer) => (isJob ? this.tellEnd(answer) : this.onAnswer?.(answer)));
  }

  /** Tell how a job has ended. */
  tellEnd({status, answer, error}) {
    if (status === 'succeeded') {
      this.onAnswer?.(answer);
    } else if (status === 'failed') {
      this.refuse(error.message ?? 'The job has failed.', []);
    }
  }

  /** Wait for the end of a job. */
  follow(job) {
    this.request = whenEnded(job);
    return this.request;
  }

  begin() {
    this.started = performance.now();
    this.answer.begin();
    this.timer = setInterval(() => this.answer.waiting(this.elapsed()), TICK_MS);
    this.showWaiting(true);
  }

  end() {
    clearInterval(this.timer);
    this.request = undefined;
    this.showWaiting(false);
  }

  elapsed() {
    return performance.now() - this.started;
  }

  /** A hidden button loses the focus: give it to the one that is shown. */
  showWaiting(isWaiting) {
    const [going, coming] = isWaiting ? [this.sender, this.canceller] : [this.canceller, this.sender];
    const hadFocus = going.is(document.activeElement);
    this.progress.prop('hidden', !isWaiting);
    this.canceller.prop('hidden', !isWaiting);
    this.sender.prop('hidden', isWaiting);
    if (hadFocus) {
      coming.trigger('focus');
    }
  }

  fail(request, reason) {
    if (reason === 'abort') {
      this.answer.cancelled(this.elapsed());
      return;
    }
    this.answer.show(request, this.elapsed());
    const fields = request.status === 400 ? showViolations(this.fields, request.responseJSON ?? {}) : [];
    this.refuse(failureMessage(request, reason), fields);
  }

  refuse(message, fields) {
    this.error.text(message);
    const controls = fields.map(({control}) => (control.is('fieldset') ? control.find(FOCUSABLE) : control));
    const [first = this.error] = controls.filter((control) => control.length > 0);
    first.first().trigger('focus');
  }

  /** Cancel the request in flight. */
  cancel() {
    this.request?.abort();
  }
}

const FOCUSABLE = 'input, select, textarea, button';

/** The form of a model; a JSON editor if no form can be made from its schema. */
function fieldsOf({schema}) {
  const [example] = schema.examples ?? [];
  try {
    return makeForm(schema, example);
  } catch (error) {
    console.warn(error);
    return makeForm({}, example);
  }
}
