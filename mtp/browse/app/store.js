/* The data of the page: the index, the corners of each image when they are needed, counts and order under a filter. */
'use strict';
(function () {
  var KINDS = ['missed', 'background', 'wrong_class', 'localisation', 'duplicate']; // of mistakes
  var NEVER = 255;
  var waiting = {},
    corners = {};
  MTP.KINDS = KINDS;

  function bytes(text) {
    var raw = atob(text),
      made = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) {
      made[i] = raw.charCodeAt(i);
    }
    return made;
  }

  /* Called by data/index.js. */
  MTP.index = function (content) {
    content.collections.forEach(function (collection) {
      collection.images.forEach(function (image) {
        image.found = image.found === undefined ? null : bytes(image.found);
        image.truth = image.truth === undefined ? null : bytes(image.truth);
      });
    });
    MTP.content = content;
  };

  /* Called by data/KEY.js. */
  MTP.image = function (key, columns) {
    corners[key] = {
      found: new Int32Array(bytes(columns.found).buffer),
      truth: new Int32Array(bytes(columns.truth).buffer),
      score: new Float32Array(bytes(columns.score).buffer),
      iou: new Float32Array(bytes(columns.iou).buffer)
    };
    (waiting[key] || []).forEach(function (ready) {
      ready(corners[key]);
    });
    delete waiting[key];
  };

  /* Load a script of the page; `failed` is called with its name when it is not there. */
  MTP.script = function (path, failed) {
    var node = document.createElement('script');
    node.src = path;
    node.onload = function () {
      node.remove();
    };
    node.onerror = function () {
      node.remove();
      failed(path);
    };
    document.head.appendChild(node);
  };

  /* Call `ready` with the corners of an image, in tenths of a pixel. */
  MTP.corners = function (image, ready, failed) {
    if (corners[image.key]) {
      ready(corners[image.key]);
    } else if (waiting[image.key]) {
      waiting[image.key].push(ready);
    } else {
      waiting[image.key] = [ready];
      MTP.script('data/' + image.key + '.js', function (path) {
        delete waiting[image.key];
        failed(path);
      });
    }
  };

  function label(rows, i) {
    return rows[4 * i + 2] | (rows[4 * i + 3] << 8);
  }

  /* Kind of the detection i, '' when the filter hides it: by score and class. */
  MTP.foundKind = function (collection, image, i, filter) {
    var rows = image.found;
    return rows[4 * i] < filter.score || filter.off[label(rows, i)] ? '' : collection.codes[rows[4 * i + 1]];
  };

  /* Kind of the true object i: hit, missed, ignored; '' when the filter hides its class. */
  MTP.truthKind = function (image, i, filter) {
    var rows = image.truth;
    if (filter.off[label(rows, i)]) {
      return '';
    }
    var by = rows[4 * i];
    return rows[4 * i + 1] ? 'ignored' : by === NEVER || by < filter.score ? 'missed' : 'hit';
  };

  MTP.label = label;

  /* How many of each kind an image has under a filter. */
  MTP.count = function (collection, image, filter) {
    var counts = {
      found: 0,
      truth: 0,
      hit: 0,
      missed: 0,
      background: 0,
      wrong_class: 0,
      localisation: 0,
      duplicate: 0,
      ignored: 0,
      unjudged: 0,
      mistakes: 0
    };
    if (collection.kind === 'masks') {
      return countPixels(collection, image, filter, counts);
    }
    var i, kind;
    for (i = 0; image.found && i < image.found.length / 4; i++) {
      kind = MTP.foundKind(collection, image, i, filter);
      if (kind) {
        counts.found++;
        counts[kind]++;
      }
    }
    for (i = 0; image.truth && i < image.truth.length / 4; i++) {
      kind = MTP.truthKind(image, i, filter);
      if (kind) {
        counts.truth++;
        counts.missed += kind === 'missed';
      }
    }
    return sum(counts, filter);
  };

  function sum(counts, filter) {
    counts.mistakes = KINDS.reduce(function (total, kind) {
      return total + (filter.without[kind] ? 0 : counts[kind]);
    }, 0);
    return counts;
  }

  /* Kind of a pixel with these codes (class + 1, 0 for none). */
  MTP.pixelKind = function (collection, found, truth) {
    if (!truth) {
      return 'unjudged';
    }
    var nothing = collection.background + 1;
    return found === truth
      ? 'hit'
      : nothing && truth === nothing
        ? 'background'
        : !found || found === nothing
          ? 'missed'
          : 'wrong_class';
  };

  function countPixels(collection, image, filter, counts) {
    (image.pixels || []).forEach(function (row) {
      var found = row[0],
        truth = row[1],
        number = row[2];
      var isFound = found && !filter.off[found - 1],
        isTrue = truth && !filter.off[truth - 1];
      if (isFound || isTrue) {
        counts.found += isFound ? number : 0;
        counts.truth += isTrue ? number : 0;
        counts[MTP.pixelKind(collection, found, truth)] += number;
      }
    });
    return sum(counts, filter);
  }

  /* Counts of all images, their sum, and the numbers of the images with the most mistakes first. */
  MTP.survey = function (collection, filter) {
    var total = {},
      each = collection.images.map(function (image) {
        var counts = MTP.count(collection, image, filter);
        Object.keys(counts).forEach(function (name) {
          total[name] = (total[name] || 0) + counts[name];
        });
        return counts;
      });
    var order = each.map(function (_, i) {
      return i;
    });
    order.sort(function (a, b) {
      return each[b].mistakes - each[a].mistakes || a - b;
    });
    return {each: each, total: total, order: order};
  };

  /* Numbers of each class in an image: found and true ones at this score, whatever classes are off. */
  MTP.byClass = function (collection, image, filter) {
    var all = {score: filter.score, off: {}, without: filter.without};
    var rows = collection.classes.map(function () {
      return [0, 0];
    });
    var i;
    if (collection.kind === 'masks') {
      (image.pixels || []).forEach(function (row) {
        if (row[0]) {
          rows[row[0] - 1][0] += row[2];
        }
        if (row[1]) {
          rows[row[1] - 1][1] += row[2];
        }
      });
      return rows;
    }
    for (i = 0; image.found && i < image.found.length / 4; i++) {
      rows[label(image.found, i)][0] += MTP.foundKind(collection, image, i, all) !== '';
    }
    for (i = 0; image.truth && i < image.truth.length / 4; i++) {
      rows[label(image.truth, i)][1]++;
    }
    return rows;
  };
})();
