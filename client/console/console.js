// The console: the list of models that the service has written becomes one of forms.
import {addPad} from './digits-pad.js';
import {ModelCard} from './model-card.js';

const ADDITIONS = {DigitsModel: addPad};

if (window.jQuery && window.callModel && window.startDigits) {
  start();
} else {
  document.getElementById('console-error').textContent =
    `The page is incomplete: its scripts could not be loaded from ${document.baseURI}.`;
}

function start() {
  $.ajax({url: './', dataType: 'json'})
    .done(({models}) => models.filter(({failure}) => !failure).forEach(makeCard))
    .fail((request, reason) => $('#console-error').text(failureMessage(request, reason)));
}

function makeCard(model) {
  const section = $('section.model').filter((_, {dataset}) => dataset.model === model.name);
  const card = new ModelCard(section, model);
  ADDITIONS[model.name]?.(card);
}
