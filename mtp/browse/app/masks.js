/* Masks over the image: tiles of class numbers, loaded when they are seen and coloured as the view says. */
'use strict';
(function () {
  var TILE = 512,
    MOST = 240; // tiles kept
  var tiles = new Map(),
    version = '';

  /* Called by masks/KEY/LEVEL/X_Y.js. */
  MTP.maskTile = function (name, png) {
    var picture = new Image();
    picture.onload = function () {
      var canvas = document.createElement('canvas');
      canvas.width = picture.naturalWidth;
      canvas.height = picture.naturalHeight;
      var context = canvas.getContext('2d', {willReadFrequently: true});
      context.drawImage(picture, 0, 0);
      tiles.set(name, {
        codes: context.getImageData(0, 0, canvas.width, canvas.height).data,
        canvas: canvas,
        version: null
      });
      MTP.redraw();
    };
    picture.src = 'data:image/png;base64,' + png;
  };

  function get(name, failed) {
    var tile = tiles.get(name);
    if (tile === undefined) {
      tiles.set(name, null); // on its way
      MTP.script('masks/' + name + '.js', failed);
      for (var old of tiles.keys()) {
        if (tiles.size <= MOST) {
          break;
        }
        tiles.delete(old);
      }
    } else if (tile) {
      tiles.delete(name); // the youngest comes last
      tiles.set(name, tile);
    }
    return tile || null;
  }

  /* RGBA of every pair of codes, as the view says; found << 8 | truth. */
  function table(collection, view) {
    var count = collection.classes.length + 1,
      made = {};
    for (var found = 0; found < count; found++) {
      for (var truth = 0; truth < count; truth++) {
        made[(found << 8) | truth] = [
          colour(collection, view, found, truth, false),
          colour(collection, view, found, truth, true)
        ];
      }
    }
    return made;
  }

  function colour(collection, view, found, truth, striped) {
    var shown = function (code) {
      return code && !view.filter.off[code - 1];
    };
    var kind = MTP.pixelKind(collection, found, truth);
    if (view.only || view.colour === 'verdict') {
      var mistake = MTP.KINDS.indexOf(kind) >= 0;
      if ((!mistake && view.only) || (mistake && view.filter.without[kind]) || (!shown(found) && !shown(truth))) {
        return null;
      }
      if (kind !== 'unjudged') {
        return hex(MTP.COLOURS[kind], mistake ? 170 : 90);
      }
    }
    var code =
      view.found && shown(found) && !(striped && view.truth && shown(truth))
        ? found
        : view.truth && shown(truth)
          ? truth
          : 0;
    return code ? collection.palette[code - 1].concat([130]) : null;
  }

  function hex(text, alpha) {
    return [1, 3, 5]
      .map(function (at) {
        return parseInt(text.slice(at, at + 2), 16);
      })
      .concat([alpha]);
  }

  function paint(tile, colours) {
    var canvas = tile.canvas,
      context = canvas.getContext('2d'),
      image = context.createImageData(canvas.width, canvas.height);
    var codes = tile.codes,
      out = image.data;
    for (var at = 0, x = 0, y = 0; at < codes.length; at += 4) {
      var pair = colours[(codes[at] << 8) | codes[at + 1]],
        rgba = pair && pair[((x + y) & 7) < 3 ? 1 : 0];
      if (rgba) {
        out[at] = rgba[0];
        out[at + 1] = rgba[1];
        out[at + 2] = rgba[2];
        out[at + 3] = rgba[3];
      }
      if (++x === canvas.width) {
        x = 0;
        y++;
      }
    }
    context.putImageData(image, 0, 0);
  }

  /* Draw the masks of an image; frame as for MTP.drawObjects. Returns how many tiles were there. */
  MTP.drawMasks = function (image, collection, view, frame, failed) {
    var now = JSON.stringify([view.filter, view.found, view.truth, view.only, view.colour]);
    var colours = now === version ? null : table(collection, view);
    MTP.maskColours = colours || MTP.maskColours;
    version = now;
    var level = Math.min(
      image.top,
      Math.max(image.lowest, image.top + Math.ceil(Math.log2(frame.scale * (window.devicePixelRatio || 1))))
    );
    var step = Math.pow(2, image.top - level),
      side = TILE * step,
      drawn = 0;
    var x1 = Math.min(frame.box[2], image.width - 1),
      y1 = Math.min(frame.box[3], image.height - 1);
    frame.context.imageSmoothingEnabled = false;
    for (var row = Math.max(0, Math.floor(frame.box[1] / side)); row * side <= y1; row++) {
      for (var column = Math.max(0, Math.floor(frame.box[0] / side)); column * side <= x1; column++) {
        var tile = get(image.key + '/' + level + '/' + column + '_' + row, failed);
        if (tile) {
          if (tile.version !== version) {
            paint(tile, MTP.maskColours);
            tile.version = version;
          }
          frame.context.drawImage(
            tile.canvas,
            frame.x + column * side * frame.scale,
            frame.y + row * side * frame.scale,
            tile.canvas.width * step * frame.scale,
            tile.canvas.height * step * frame.scale
          );
          drawn++;
        }
      }
    }
    return drawn;
  };

  /* The connected mistakes of an image that the view shows: [x, y, width, height] of each, the largest first. */
  MTP.regions = function (image, collection, view) {
    return (image.regions || []).filter(function (region) {
      var found = region[5],
        truth = region[6];
      return (
        !view.filter.without[MTP.pixelKind(collection, found, truth)] &&
        ((found && !view.filter.off[found - 1]) || (truth && !view.filter.off[truth - 1]))
      );
    });
  };
})();
