/* Ties viewer, layers and controls together. */
'use strict';
(function () {
  if (!MTP.content) {
    MTP.translate();
    document.getElementById('viewer').textContent = MTP.text('noData');
    return;
  }
  var objects = null,
    survey = null,
    step = -1,
    listening = false;

  function node(id) {
    return document.getElementById(id);
  }

  /* Show an image. */
  MTP.open = function (number, place) {
    var view = MTP.view;
    view.image = number;
    view.place = place || null;
    step = -1;
    objects = null;
    var image = MTP.current(),
      collection = MTP.collection();
    update();
    if (!image) {
      return;
    }
    MTP.stage(image);
    listen();
    if (collection.kind === 'boxes') {
      MTP.corners(
        image,
        function (columns) {
          if (MTP.current() === image) {
            objects = new MTP.Objects(image, columns);
            MTP.place(objects);
            update();
          }
        },
        MTP.lost
      );
    }
  };

  /* The filter has changed. */
  MTP.filtered = function () {
    step = -1;
    MTP.choose(null);
    update();
  };

  function update() {
    survey = MTP.survey(MTP.collection(), MTP.view.filter);
    if (objects) {
      objects.filter(MTP.collection(), MTP.view);
    }
    MTP.showPanel(survey);
    showStep();
    MTP.remember();
    MTP.redraw();
  }

  function mistakes() {
    if (MTP.collection().kind === 'masks') {
      return MTP.regions(MTP.current(), MTP.collection(), MTP.view);
    }
    return objects ? objects.mistakes() : [];
  }

  function showStep() {
    var count = MTP.collection().judged && MTP.current() ? mistakes().length : 0;
    node('step').textContent = step + 1 + ' / ' + count;
  }

  function toMistake(by) {
    var all = mistakes();
    if (!all.length) {
      MTP.say(MTP.text(MTP.current().known === false ? 'noTruth' : 'noMistakes'));
      return;
    }
    step = step < 0 ? (by > 0 ? 0 : all.length - 1) : (step + by + all.length) % all.length;
    var box;
    if (objects) {
      box = objects.bounds.subarray(4 * all[step], 4 * all[step] + 4);
      MTP.choose(all[step]);
    } else {
      box = [all[step][0], all[step][1], all[step][0] + all[step][2], all[step][1] + all[step][3]];
    }
    var view = node('viewer'),
      wide = Math.max(1, view.clientWidth) / Math.max(1, view.clientHeight);
    var most = 1.1 * Math.max(MTP.current().width, MTP.current().height * wide);
    var across = Math.min(most, Math.max(200, 3 * Math.max(box[2] - box[0], (box[3] - box[1]) * wide)));
    MTP.goTo([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, across], true);
    showStep();
    if (objects) {
      MTP.say(MTP.tipLines(objects, MTP.collection(), [all[step]])[0]);
    }
  }

  function toImage(by) {
    var order = survey.order,
      at = order.indexOf(MTP.view.image);
    if (order.length) {
      MTP.open(order[(at + by + order.length) % order.length]);
    }
  }

  function flip(name) {
    MTP.view[name] = !MTP.view[name];
    MTP.filtered();
  }

  function score(by) {
    MTP.view.filter.score = Math.min(100, Math.max(0, MTP.view.filter.score + by));
    MTP.filtered();
  }

  function help() {
    MTP.showKeys();
    node('keys').showModal();
  }

  function copyLink() {
    history.replaceState(null, '', MTP.toHash());
    var failed = function () {
      MTP.say(MTP.text('noCopy'));
    };
    if (!navigator.clipboard) {
      failed();
      return;
    }
    navigator.clipboard.writeText(location.href).then(function () {
      MTP.say(MTP.text('copied'));
    }, failed);
  }

  function language() {
    MTP.language = MTP.language === 'ko' ? 'en' : 'ko';
    MTP.translate();
    update();
  }

  function classes(on) {
    MTP.view.filter.off = {};
    if (!on) {
      MTP.collection().classes.forEach(function (_, i) {
        MTP.view.filter.off[i] = true;
      });
    }
    MTP.filtered();
  }

  function date() {
    MTP.view.later = !MTP.view.later;
    MTP.showDate();
    update();
  }

  function drawer() {
    var open = document.body.classList.toggle('open');
    node('drawer').setAttribute('aria-expanded', String(open));
  }

  var ACTIONS = {
    n: function () {
      toImage(1);
    },
    p: function () {
      toImage(-1);
    },
    j: function () {
      toMistake(1);
    },
    k: function () {
      toMistake(-1);
    },
    f: function () {
      flip('found');
    },
    t: function () {
      flip('truth');
    },
    m: function () {
      flip('only');
    },
    '[': function () {
      score(-1);
    },
    ']': function () {
      score(1);
    },
    b: date,
    '?': help
  };

  function listen() {
    if (listening) {
      return;
    }
    listening = true;
    var clicks = {
      'image-back': ACTIONS.p,
      'image-next': ACTIONS.n,
      'mistake-back': ACTIONS.k,
      'mistake-next': ACTIONS.j,
      link: copyLink,
      language: language,
      help: help,
      drawer: drawer,
      date: date,
      'classes-all': function () {
        classes(true);
      },
      'classes-none': function () {
        classes(false);
      }
    };
    Object.keys(clicks).forEach(function (id) {
      node(id).addEventListener('click', clicks[id]);
    });
    node('score').addEventListener('input', function () {
      MTP.view.filter.score = Number(node('score').value);
      MTP.filtered();
    });
    [
      ['show-found', 'found'],
      ['show-truth', 'truth'],
      ['only-mistakes', 'only']
    ].forEach(function (pair) {
      node(pair[0]).addEventListener('change', function () {
        flip(pair[1]);
      });
    });
    node('colour').addEventListener('change', function () {
      MTP.view.colour = node('colour').value;
      update();
    });
    node('search').addEventListener('input', function () {
      MTP.showPanel(survey);
    });
    node('collections').addEventListener('change', function () {
      MTP.enter(Number(node('collections').value));
      first();
    });
    MTP.listenToKeys(MTP.viewer, ACTIONS);
    window.addEventListener('hashchange', function () {
      start();
    });
  }

  /* Open the worst image of the collection. */
  function first() {
    survey = MTP.survey(MTP.collection(), MTP.view.filter);
    MTP.open(survey.order.length ? survey.order[0] : 0);
  }

  function start() {
    if (/[#&]i=./.test(location.hash)) {
      MTP.fromHash(location.hash);
      MTP.translate();
      MTP.showCollections();
      MTP.open(MTP.view.image, MTP.view.place);
      return;
    }
    MTP.enter(0);
    MTP.translate();
    MTP.showCollections();
    first();
  }

  document.title = node('title').textContent = node('title').title = MTP.content.title;
  start();
})();
