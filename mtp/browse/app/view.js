/* What is looked at: collection, image, filter and place, in memory and in the address of the page. */
'use strict';
(function () {
  /* The view of a page that was just opened. */
  MTP.view = {
    collection: 0,
    image: 0,
    found: true,
    truth: true,
    only: false,
    later: false,
    colour: 'verdict',
    place: null,
    filter: {score: 30, off: {}, without: {}}
  };

  function list(set) {
    return Object.keys(set).filter(function (name) {
      return set[name];
    });
  }

  function setOf(names) {
    return names.reduce(function (set, name) {
      set[name] = true;
      return set;
    }, {});
  }

  /* What a collection starts with: the class that is nothing is off, colours tell verdicts where there are any,
     and the least score is 0 where every image has been given a class. */
  MTP.enter = function (number) {
    var view = MTP.view,
      collection = MTP.content.collections[number];
    view.collection = number;
    view.image = 0;
    view.place = null;
    view.filter.off = collection.background >= 0 ? setOf([collection.background]) : {};
    view.filter.without = {};
    view.filter.score = collection.least;
    view.only = view.later = false;
    view.colour = collection.judged ? 'verdict' : 'class';
  };

  MTP.collection = function () {
    return MTP.content.collections[MTP.view.collection];
  };
  MTP.current = function () {
    return MTP.collection().images[MTP.view.image];
  };

  /* The view as the part of an address behind #. */
  MTP.toHash = function () {
    var view = MTP.view,
      words = new URLSearchParams();
    words.set('c', view.collection);
    words.set('i', (MTP.current() || {}).name || '');
    words.set('t', view.filter.score);
    words.set('off', list(view.filter.off).join('.'));
    words.set('k', list(view.filter.without).join('.'));
    words.set('s', (view.found ? 'f' : '') + (view.truth ? 't' : '') + (view.only ? 'm' : '') + (view.later ? 'b' : ''));
    words.set('by', view.colour);
    words.set('l', MTP.language);
    if (view.place) {
      words.set(
        'at',
        view.place
          .map(function (value) {
            return Math.round(value * 10) / 10;
          })
          .join('_')
      );
    }
    return '#' + words.toString();
  };

  /* Take over the view of an address; what it does not say, or says wrongly, stays. */
  MTP.fromHash = function (hash) {
    var words = new URLSearchParams(hash.replace(/^#/, '')),
      view = MTP.view,
      number = Number(words.get('c'));
    if (!MTP.content.collections[number]) {
      return;
    }
    MTP.enter(number);
    var images = MTP.collection().images,
      name = words.get('i');
    view.image = Math.max(
      0,
      images.findIndex(function (image) {
        return image.name === name;
      })
    );
    if (words.has('t')) {
      view.filter.score = Math.min(100, Math.max(0, Math.round(Number(words.get('t'))) || 0));
    }
    if (words.has('off')) {
      view.filter.off = setOf(
        words
          .get('off')
          .split('.')
          .filter(function (word) {
            return /^\d+$/.test(word);
          })
      );
    }
    view.filter.without = setOf(
      (words.get('k') || '').split('.').filter(function (word) {
        return MTP.KINDS.indexOf(word) >= 0;
      })
    );
    if (words.has('s')) {
      view.found = words.get('s').indexOf('f') >= 0;
      view.truth = words.get('s').indexOf('t') >= 0;
      view.only = words.get('s').indexOf('m') >= 0;
      view.later = words.get('s').indexOf('b') >= 0;
    }
    view.colour = words.get('by') === 'class' || words.get('by') === 'verdict' ? words.get('by') : view.colour;
    MTP.language = MTP.TEXTS[words.get('l')] ? words.get('l') : MTP.language;
    var place = (words.get('at') || '').split('_').map(Number);
    view.place = place.length === 3 && place.every(isFinite) && place[2] > 0 ? place : null;
  };

  var planned = 0;

  /* Write the view into the address, soon: a browser refuses a hundred changes a second. */
  MTP.remember = function () {
    clearTimeout(planned);
    planned = setTimeout(function () {
      history.replaceState(null, '', MTP.toHash());
    }, 250);
  };
})();
