/* The objects of one image, found through a grid, so that a frame asks only for what it sees. */
'use strict';
(function () {
  var CELLS = 64; // a side

  /* Objects of one image, true ones behind the found ones, with bounds and a grid over them.
     columns: of MTP.corners; image: its entry in the index. */
  MTP.Objects = function (image, columns) {
    var found = columns.found.length / 8,
      count = found + columns.truth.length / 8;
    this.image = image;
    this.found = found;
    this.count = count;
    this.score = columns.score;
    this.iou = columns.iou;
    this.corners = new Float32Array(count * 8);
    this.bounds = new Float32Array(count * 4);
    this.kind = new Array(count).fill('');
    this.label = new Uint16Array(count);
    for (var i = 0; i < count; i++) {
      var from = i < found ? columns.found : columns.truth,
        at = 8 * (i < found ? i : i - found),
        b = 4 * i;
      this.label[i] = i < found ? MTP.label(image.found, i) : MTP.label(image.truth, i - found);
      this.bounds[b] = this.bounds[b + 1] = Infinity;
      this.bounds[b + 2] = this.bounds[b + 3] = -Infinity;
      for (var j = 0; j < 8; j++) {
        var value = from[at + j] / 10;
        this.corners[8 * i + j] = value;
        this.bounds[b + (j % 2)] = Math.min(this.bounds[b + (j % 2)], value);
        this.bounds[b + 2 + (j % 2)] = Math.max(this.bounds[b + 2 + (j % 2)], value);
      }
    }
    this.makeGrid();
    this.seen = new Uint32Array(count);
    this.turn = 0;
  };

  MTP.Objects.prototype.makeGrid = function () {
    var side = Math.max(this.image.width, this.image.height) / CELLS,
      cells = new Map();
    this.side = side;
    this.cells = cells;
    for (var i = 0; i < this.count; i++) {
      this.eachCell(this.bounds.subarray(4 * i, 4 * i + 4), function (key) {
        var cell = cells.get(key);
        if (cell) {
          cell.push(i);
        } else {
          cells.set(key, [i]);
        }
      });
    }
  };

  MTP.Objects.prototype.eachCell = function (box, call) {
    var limit = function (value) {
      return Math.min(CELLS - 1, Math.max(0, Math.floor(value)));
    };
    var x0 = limit(box[0] / this.side),
      x1 = limit(box[2] / this.side),
      y0 = limit(box[1] / this.side),
      y1 = limit(box[3] / this.side);
    for (var y = y0; y <= y1; y++) {
      for (var x = x0; x <= x1; x++) {
        call(y * CELLS + x);
      }
    }
  };

  /* Call with the number of each object that touches a box x0, y0, x1, y1 of image pixels, once. */
  MTP.Objects.prototype.within = function (box, call) {
    var self = this,
      bounds = this.bounds;
    this.turn++;
    this.eachCell(box, function (key) {
      (self.cells.get(key) || []).forEach(function (i) {
        if (self.seen[i] !== self.turn) {
          self.seen[i] = self.turn;
          var b = 4 * i;
          if (bounds[b] <= box[2] && bounds[b + 2] >= box[0] && bounds[b + 1] <= box[3] && bounds[b + 3] >= box[1]) {
            call(i);
          }
        }
      });
    });
  };

  /* Work out once what the view shows: the kind of each object, '' for what is hidden. */
  MTP.Objects.prototype.filter = function (collection, view) {
    for (var i = 0; i < this.count; i++) {
      var isFound = i < this.found;
      var kind = isFound
        ? MTP.foundKind(collection, this.image, i, view.filter)
        : MTP.truthKind(this.image, i - this.found, view.filter);
      var mistake = MTP.KINDS.indexOf(kind) >= 0;
      var hidden =
        !(isFound ? view.found : view.truth) || (view.only && !mistake) || (mistake && view.filter.without[kind]);
      this.kind[i] = hidden ? '' : kind;
    }
  };

  /* The mistakes that are shown: missed objects, the largest first, then detections by falling score. */
  MTP.Objects.prototype.mistakes = function () {
    var self = this,
      chosen = [];
    for (var i = 0; i < this.count; i++) {
      if (MTP.KINDS.indexOf(this.kind[i]) >= 0) {
        chosen.push(i);
      }
    }
    function weight(i) {
      return i < self.found ? self.score[i] - 1 : self.area(i) + 1;
    }
    return chosen.sort(function (a, b) {
      return weight(b) - weight(a) || a - b;
    });
  };

  MTP.Objects.prototype.area = function (i) {
    var b = this.bounds.subarray(4 * i, 4 * i + 4);
    return (b[2] - b[0]) * (b[3] - b[1]);
  };

  /* Shown objects whose polygon holds a point, the smallest first. */
  MTP.Objects.prototype.at = function (x, y, margin) {
    var self = this,
      hits = [];
    this.within([x - margin, y - margin, x + margin, y + margin], function (i) {
      if (self.kind[i] && (self.holds(i, x, y) || self.area(i) < margin * margin)) {
        hits.push(i);
      }
    });
    return hits.sort(function (a, b) {
      return self.area(a) - self.area(b);
    });
  };

  MTP.Objects.prototype.holds = function (i, x, y) {
    var inside = false,
      c = this.corners,
      at = 8 * i;
    for (var j = 0, k = 3; j < 4; k = j++) {
      var xj = c[at + 2 * j],
        yj = c[at + 2 * j + 1],
        xk = c[at + 2 * k],
        yk = c[at + 2 * k + 1];
      if (yj > y !== yk > y && x < ((xk - xj) * (y - yj)) / (yk - yj) + xj) {
        inside = !inside;
      }
    }
    return inside;
  };
})();
