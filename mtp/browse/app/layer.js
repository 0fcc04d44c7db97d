/* The layer between frames: many boxes are drawn into a picture a little larger than the screen, and while the view moves
   that picture is moved and stretched; it is drawn anew as often as that leaves most of the time to the viewer, and once
   more when the view rests. */
'use strict';
(function () {
  var MARGIN = 0.25,
    REST = 3,
    SOONEST = 100; // of the screen on each side; times what drawing takes; milliseconds

  MTP.Layer = function () {
    this.canvas = document.createElement('canvas');
    this.made = null;
    this.cost = 0;
    this.when = 0;
    this.drawn = 0;
  };

  /* What is drawn has changed. */
  MTP.Layer.prototype.stale = function () {
    this.made = null;
  };

  /* Draw the objects of a view into frame.context. size: [width, height] of the screen; moving: whether more frames follow.
     Returns how many objects are on the picture. */
  MTP.Layer.prototype.draw = function (objects, collection, view, frame, chosen, size, ratio, moving) {
    var now = performance.now(),
      due = !moving || this.drawn <= MTP.FEW || now - this.when > Math.max(SOONEST, REST * this.cost);
    if (!this.made || (due && !(this.made.scale === frame.scale && this.covers(frame)))) {
      this.render(objects, collection, view, frame, chosen, size, ratio);
      this.when = performance.now();
      this.cost = this.when - now;
    }
    var made = this.made,
      stretch = frame.scale / made.scale;
    frame.context.drawImage(
      this.canvas,
      frame.x - (made.x + made.left) * stretch,
      frame.y - (made.y + made.top) * stretch,
      (this.canvas.width / ratio) * stretch,
      (this.canvas.height / ratio) * stretch
    );
    return this.drawn;
  };

  MTP.Layer.prototype.covers = function (frame) {
    var box = this.made.box;
    return frame.box[0] >= box[0] && frame.box[1] >= box[1] && frame.box[2] <= box[2] && frame.box[3] <= box[3];
  };

  MTP.Layer.prototype.render = function (objects, collection, view, frame, chosen, size, ratio) {
    var left = size[0] * MARGIN,
      top = size[1] * MARGIN,
      context = this.canvas.getContext('2d');
    var width = Math.round((size[0] + 2 * left) * ratio),
      height = Math.round((size[1] + 2 * top) * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    var box = [
      frame.box[0] - left / frame.scale,
      frame.box[1] - top / frame.scale,
      frame.box[2] + left / frame.scale,
      frame.box[3] + top / frame.scale
    ];
    this.drawn = MTP.drawObjects(
      objects,
      collection,
      view,
      {context: context, scale: frame.scale, x: frame.x + left, y: frame.y + top, box: box},
      chosen
    );
    this.made = {scale: frame.scale, x: frame.x, y: frame.y, left: left, top: top, box: box};
  };
})();
