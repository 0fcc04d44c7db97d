/* Boxes over the image: a canvas that draws what the view shows of them, found through a grid, so that the time a frame
   takes depends on what is on the screen. */
'use strict';
(function () {
  var COLOURS = {
    hit: '#3fb950',
    missed: '#ff4d4f',
    background: '#ffa657',
    wrong_class: '#d2a8ff',
    localisation: '#39c5ff',
    duplicate: '#f2e55c',
    ignored: '#9aa0a6',
    unjudged: '#ffffff'
  };
  var FEW = 500,
    DOT = 3; // more boxes have neither dashes nor edges; smaller ones are dots
  MTP.COLOURS = COLOURS;
  MTP.FEW = FEW;

  /* Colour of each object: of its class, or of its verdict; what is true and hit is white then. */
  MTP.colourOf = function (collection, view, kind, label, isFound) {
    if (view.colour === 'class' || kind === 'unjudged') {
      var rgb = collection.palette[label] || [255, 255, 255];
      return 'rgb(' + rgb.join(',') + ')';
    }
    return !isFound && kind === 'hit' ? '#ffffff' : COLOURS[kind];
  };

  /* Draw the objects of a view. frame: context, scale (screen pixels an image pixel), x, y (of the image's corner on the
     screen), box (image pixels that are seen). Returns how many were drawn. */
  MTP.drawObjects = function (objects, collection, view, frame, chosen) {
    var strokes = new Map(),
      drawn = 0;
    objects.within(frame.box, function (i) {
      if (objects.kind[i]) {
        var isFound = i < objects.found;
        var key = (isFound ? 'f' : 't') + MTP.colourOf(collection, view, objects.kind[i], objects.label[i], isFound);
        var group = strokes.get(key);
        if (group) {
          group.push(i);
        } else {
          strokes.set(key, [i]);
        }
        drawn++;
      }
    });
    var order = Array.from(strokes.keys()).sort().reverse(); // what is true lies below
    order.forEach(function (key) {
      drawGroup(objects, strokes.get(key), key, frame, drawn <= FEW);
    });
    if (chosen !== null && objects.kind[chosen]) {
      drawChosen(objects, chosen, frame);
    }
    return drawn;
  };

  function drawGroup(objects, group, key, frame, few) {
    var context = frame.context,
      dashed = few && key[0] === 't',
      lines = [];
    context.fillStyle = context.strokeStyle = key.slice(1);
    group.forEach(function (i) {
      var b = 4 * i,
        width = (objects.bounds[b + 2] - objects.bounds[b]) * frame.scale,
        height = (objects.bounds[b + 3] - objects.bounds[b + 1]) * frame.scale;
      if (Math.max(width, height) < DOT) {
        context.fillRect(
          frame.x + objects.bounds[b] * frame.scale - 1,
          frame.y + objects.bounds[b + 1] * frame.scale - 1,
          Math.max(2, width),
          Math.max(2, height)
        );
      } else {
        lines.push(i);
      }
    });
    context.setLineDash(dashed ? [6, 4] : []);
    for (var start = 0; start < lines.length; start += 250) {
      // one long path takes more than its parts
      context.beginPath();
      for (var k = start; k < Math.min(start + 250, lines.length); k++) {
        trace(objects, lines[k], frame);
      }
      if (few) {
        outlined(context, key.slice(1));
      } else {
        context.lineWidth = 1;
        context.stroke();
      }
    }
    context.setLineDash([]);
  }

  function outlined(context, colour) {
    context.lineWidth = 3.5;
    context.strokeStyle = 'rgba(0,0,0,.55)';
    context.stroke();
    context.lineWidth = 1.75;
    context.strokeStyle = colour;
    context.stroke();
  }

  function trace(objects, i, frame) {
    var c = objects.corners,
      at = 8 * i,
      context = frame.context;
    context.moveTo(frame.x + c[at] * frame.scale, frame.y + c[at + 1] * frame.scale);
    for (var j = 2; j < 8; j += 2) {
      context.lineTo(frame.x + c[at + j] * frame.scale, frame.y + c[at + j + 1] * frame.scale);
    }
    context.closePath();
  }

  function drawChosen(objects, i, frame) {
    var context = frame.context;
    context.beginPath();
    trace(objects, i, frame);
    context.lineWidth = 7;
    context.strokeStyle = 'rgba(0,0,0,.7)';
    context.stroke();
    context.lineWidth = 3.5;
    context.strokeStyle = '#ffffff';
    context.stroke();
  }
})();
