/* The controls beside the image. Whatever they show of files and classes is set as text, never as HTML. */
'use strict';
(function () {
  var SHOWN = 200; // images listed at a time

  function node(id) {
    return document.getElementById(id);
  }

  function made(tag, text, className) {
    var element = document.createElement(tag);
    if (text !== undefined) {
      element.textContent = text;
    }
    if (className) {
      element.className = className;
    }
    return element;
  }

  function number(value) {
    return Number(value).toLocaleString(MTP.language);
  }

  /* Fill the controls from the view. survey: of MTP.survey. */
  MTP.showPanel = function (survey) {
    var view = MTP.view,
      collection = MTP.collection(),
      judged = collection.judged;
    node('score-part').hidden = collection.kind !== 'boxes';
    node('switches').hidden = collection.kind === 'pictures';
    node('colour-part').hidden = !judged;
    node('steps').hidden = !judged;
    retext('image-back', judged ? 'worse' : 'before');
    retext('images-title', judged ? 'images' : 'allImages');
    node('date').hidden = !(MTP.current() || {}).later;
    node('date').setAttribute('aria-pressed', String(view.later));
    node('show-truth').parentNode.hidden = node('only-mistakes').parentNode.hidden = !judged;
    node('score').value = view.filter.score;
    node('score-shown').textContent = (view.filter.score / 100).toFixed(2);
    node('show-found').checked = view.found;
    node('show-truth').checked = view.truth;
    node('only-mistakes').checked = view.only;
    node('colour').value = view.colour;
    showCounts(collection, survey);
    showClasses(collection);
    showImages(collection, survey);
    var place = survey.order.indexOf(view.image);
    node('place').textContent = collection.images.length
      ? place + 1 + ' / ' + collection.images.length + '  ' + MTP.current().name
      : '–';
    node('place').title = (MTP.current() || {}).name || '';
  };

  /* Give an element another of the texts. */
  function retext(id, name) {
    node(id).dataset.text = name;
    node(id).textContent = MTP.text(name);
  }

  function showCounts(collection, survey) {
    var table = node('counts'),
      here = survey.each[MTP.view.image] || {},
      all = survey.total;
    table.textContent = '';
    table.parentNode.hidden = collection.kind === 'pictures';
    var head = made('tr');
    ['', MTP.text('here'), MTP.text('everywhere')].forEach(function (text) {
      head.appendChild(made('th', text));
    });
    table.appendChild(head);
    var inPixels = collection.kind === 'masks';
    var rows = [
      [inPixels ? 'foundPixels' : 'foundCount', 'found'],
      [inPixels ? 'truthPixels' : 'truthCount', 'truth'],
      ['hit', 'hit']
    ].concat(
      MTP.KINDS.map(function (kind) {
        return [kind, kind];
      }),
      [
        ['ignored', 'ignored'],
        ['unjudged', 'unjudged']
      ]
    );
    rows.forEach(function (row) {
      var kind = row[1],
        optional = ['ignored', 'unjudged', 'duplicate', 'localisation'].indexOf(kind) >= 0;
      if ((!collection.judged && kind !== 'found') || (optional && !all[kind])) {
        return;
      }
      var line = made('tr'),
        name = made('th');
      line.dataset.kind = kind;
      name.appendChild(
        MTP.KINDS.indexOf(kind) >= 0
          ? kindSwitch(kind)
          : swatched(kind, MTP.text(row[0]))
      );
      line.appendChild(name);
      line.appendChild(made('td', number(here[kind] || 0)));
      line.appendChild(made('td', number(all[kind] || 0)));
      table.appendChild(line);
    });
  }

  function swatched(kind, text) {
    var label = made('span', undefined, 'kind');
    var swatch = made('i', undefined, 'swatch');
    swatch.style.background = MTP.COLOURS[kind];
    swatch.style.visibility = MTP.COLOURS[kind] ? '' : 'hidden';
    label.appendChild(swatch);
    label.appendChild(document.createTextNode(text));
    return label;
  }

  function kindSwitch(kind) {
    var label = made('label', undefined, 'kind'),
      box = made('input');
    box.type = 'checkbox';
    box.checked = !MTP.view.filter.without[kind];
    box.style.accentColor = MTP.COLOURS[kind];
    box.addEventListener('change', function () {
      MTP.view.filter.without[kind] = !box.checked;
      MTP.filtered();
    });
    label.appendChild(box);
    label.appendChild(document.createTextNode(MTP.text(kind)));
    return label;
  }

  function showClasses(collection) {
    var holder = node('classes'),
      image = MTP.current();
    holder.textContent = '';
    holder.parentNode.hidden = !collection.classes.length;
    if (!image) {
      return;
    }
    var rows = MTP.byClass(collection, image, MTP.view.filter);
    collection.classes.forEach(function (name, i) {
      var label = made('label', undefined, rows[i][0] + rows[i][1] ? 'class' : 'class absent'),
        box = made('input');
      box.type = 'checkbox';
      box.checked = !MTP.view.filter.off[i];
      box.addEventListener('change', function () {
        MTP.view.filter.off[i] = !box.checked;
        MTP.filtered();
      });
      var swatch = made('i', undefined, 'swatch');
      swatch.style.background = 'rgb(' + (collection.palette[i] || [128, 128, 128]).join(',') + ')';
      label.append(box, swatch, made('span', name, 'name'), made('span', counted(collection, rows[i]), 'number'));
      holder.appendChild(label);
    });
  }

  function counted(collection, row) {
    return collection.judged ? number(row[0]) + ' / ' + number(row[1]) : number(row[0]);
  }

  function showImages(collection, survey) {
    var holder = node('images'),
      hasCounts = collection.kind !== 'pictures',
      wanted = node('search').value.toLowerCase();
    holder.textContent = '';
    var fitting = survey.order.filter(function (i) {
      return collection.images[i].name.toLowerCase().indexOf(wanted) >= 0;
    });
    var at = Math.max(0, fitting.indexOf(MTP.view.image) - SHOWN / 2);
    fitting.slice(at, at + SHOWN).forEach(function (i) {
      var item = made('li'),
        button = made('button', undefined, 'image'),
        counts = survey.each[i];
      button.append(
        made('span', collection.images[i].name, 'name'),
        made('span', hasCounts ? number(collection.judged ? counts.mistakes : counts.found) : '', 'number')
      );
      button.setAttribute('aria-current', String(i === MTP.view.image));
      button.addEventListener('click', function () {
        MTP.open(i);
      });
      item.appendChild(button);
      holder.appendChild(item);
    });
    if (fitting.length > SHOWN) {
      holder.appendChild(made('li', MTP.text('more', number(fitting.length - SHOWN)), 'more'));
    }
  }

  /* Offer the collections when there are several. */
  MTP.showCollections = function () {
    var select = node('collections');
    select.textContent = '';
    select.hidden = MTP.content.collections.length < 2;
    MTP.content.collections.forEach(function (collection, i) {
      var option = made('option', collection.title);
      option.value = i;
      select.appendChild(option);
    });
    select.value = MTP.view.collection;
  };

  /* The table of keys. */
  MTP.showKeys = function () {
    var table = node('keys-table');
    table.textContent = '';
    MTP.KEYS.forEach(function (row) {
      var line = made('tr');
      line.append(made('th', row[0]), made('td', MTP.text(row[1])));
      table.appendChild(line);
    });
  };

  /* What is known of the objects under the pointer. */
  MTP.tipLines = function (objects, collection, hits) {
    return hits.slice(0, 4).map(function (i) {
      var name = collection.classes[objects.label[i]],
        kind = objects.kind[i],
        words = [name];
      if (i < objects.found) {
        words.push(MTP.text('score') + ' ' + objects.score[i].toFixed(3));
        if (kind !== 'unjudged') {
          words.push(MTP.text(kind), MTP.text('iou') + ' ' + objects.iou[i].toFixed(2));
        }
      } else {
        words.push(MTP.text('isTrue'), MTP.text(kind));
      }
      return words.join(' · ');
    });
  };

  var fading = 0;

  /* Say something for a moment. */
  MTP.say = function (text) {
    var note = node('note');
    note.textContent = text;
    note.hidden = false;
    clearTimeout(fading);
    fading = setTimeout(function () {
      note.hidden = true;
    }, 4000);
  };
})();
