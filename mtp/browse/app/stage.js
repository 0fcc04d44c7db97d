/* The stage: the viewer, and the layer over it that follows every move. */
'use strict';
(function () {
  var viewer,
    canvas,
    moving = false,
    objects = null,
    chosen = null,
    frames = [];
  var layer = new MTP.Layer();

  function node(id) {
    return document.getElementById(id);
  }

  /* Say that a file of the page is not there. */
  MTP.lost = function (path) {
    MTP.say(MTP.text('lost', path));
  };

  function makeViewer() {
    viewer = OpenSeadragon({
      element: node('viewer'),
      drawer: 'canvas',
      showNavigationControl: false,
      showNavigator: true,
      navigatorPosition: 'BOTTOM_LEFT',
      navigatorSizeRatio: 0.16,
      maxZoomPixelRatio: 12,
      minZoomImageRatio: 0.6,
      visibilityRatio: 0.4,
      animationTime: 0.5,
      crossOriginPolicy: false,
      gestureSettingsMouse: {clickToZoom: false, dblClickToZoom: true},
      gestureSettingsTouch: {clickToZoom: false, dblClickToZoom: true},
      imageSmoothingEnabled: true,
      placeholderFillStyle: null
    });
    canvas = document.createElement('canvas');
    canvas.id = 'overlay';
    viewer.canvas.appendChild(canvas);
    viewer.addHandler('update-viewport', draw);
    viewer.addHandler('open', function () {
      MTP.goTo(MTP.view.place);
    });
    viewer.addHandler('animation-start', function () {
      moving = true;
    });
    viewer.addHandler('animation-finish', function () {
      moving = false;
      settled();
      viewer.forceRedraw();
    });
    viewer.addHandler('tile-load-failed', function (event) {
      MTP.lost(event.tile.getUrl());
    });
    viewer.addHandler('canvas-key', function (event) {
      // only what moves and zooms is the viewer's
      event.preventDefaultAction = !/^(Arrow|[+=\-_0]$)/.test(event.originalEvent.key);
    });
    viewer.addHandler('canvas-click', function (event) {
      if (event.quick) {
        tip(event.position, true);
      }
    });
    new OpenSeadragon.MouseTracker({
      element: viewer.canvas,
      moveHandler: function (event) {
        tip(event.position, false);
      },
      leaveHandler: function () {
        node('tip').hidden = true;
      }
    });
    viewer.canvas.setAttribute('aria-label', MTP.content.title);
  }

  /* Image pixels in the middle of the view and across it. */
  function settled() {
    var bounds = viewer.viewport.getBounds(),
      width = MTP.current().width;
    MTP.view.place = [bounds.getCenter().x * width, bounds.getCenter().y * width, bounds.width * width];
    MTP.remember();
  }

  /* Look at a place of MTP.view, at the whole image without one; `gently` moves there. */
  MTP.goTo = function (place, gently) {
    if (!place) {
      viewer.viewport.goHome(!gently);
      return;
    }
    var width = MTP.current().width,
      box = node('viewer'),
      across = place[2] / width;
    var high = (across * box.clientHeight) / Math.max(1, box.clientWidth);
    viewer.viewport.fitBounds(
      new OpenSeadragon.Rect(place[0] / width - across / 2, place[1] / width - high / 2, across, high),
      !gently
    );
  };

  /* Where the image lies on the screen. */
  function frame() {
    var bounds = viewer.viewport.getBounds(true),
      box = viewer.canvas,
      image = MTP.current(),
      width = box.clientWidth;
    var scale = width / (bounds.width * image.width);
    return {
      context: canvas.getContext('2d'),
      scale: scale,
      x: -bounds.x * image.width * scale,
      y: -bounds.y * image.width * scale,
      box: [bounds.x, bounds.y, bounds.x + bounds.width, bounds.y + bounds.height].map(function (value) {
        return value * image.width;
      })
    };
  }

  function draw() {
    var began = performance.now(),
      ratio = Math.min(2, window.devicePixelRatio || 1),
      box = viewer.canvas;
    var width = Math.round(box.clientWidth * ratio),
      height = Math.round(box.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    var context = canvas.getContext('2d'),
      collection = MTP.collection(),
      drawn = 0;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (MTP.current() && viewer.world.getItemCount()) {
      var place = frame();
      drawn =
        collection.kind === 'masks'
          ? MTP.drawMasks(MTP.current(), collection, MTP.view, place, MTP.lost)
          : objects && objects.image === MTP.current()
            ? layer.draw(
                objects,
                collection,
                MTP.view,
                place,
                chosen,
                [box.clientWidth, box.clientHeight],
                ratio,
                moving
              )
            : 0;
    }
    MTP.drawn = drawn;
    frames.push([began, performance.now() - began]);
    frames = frames.slice(-300);
  }

  /* [when, milliseconds of drawing] of the last frames. */
  MTP.frames = function () {
    return frames;
  };

  /* What is drawn has changed. */
  MTP.redraw = function () {
    layer.stale();
    if (viewer) {
      viewer.forceRedraw();
    }
  };

  /* Show an image; its objects come with MTP.place. */
  MTP.stage = function (image) {
    objects = chosen = null;
    if (!viewer) {
      makeViewer(); // the bars have their texts by now, so it gets the size that it keeps
      MTP.viewer = viewer;
    }
    var sources = [source(image, image.key)];
    if (image.later) {
      sources.push({tileSource: source(image, image.later), opacity: MTP.view.later ? 1 : 0, preload: true});
    }
    viewer.open(sources);
  };

  /* The tiles of an image under the name `key`. */
  function source(image, key) {
    return {
      height: image.height,
      width: image.width,
      tileSize: 512,
      tileOverlap: 0,
      minLevel: image.lowest,
      maxLevel: image.top,
      getTileUrl: function (level, x, y) {
        return 'tiles/' + key + '/' + level + '/' + x + '_' + y + '.jpg';
      }
    };
  }

  /* Show the image of the later date, where there is one, or the earlier again. */
  MTP.showDate = function () {
    if (viewer && viewer.world.getItemCount() > 1) {
      viewer.world.getItemAt(1).setOpacity(MTP.view.later ? 1 : 0);
    }
  };

  /* Lay the objects of the image, MTP.Objects, over it. */
  MTP.place = function (found) {
    objects = found;
  };

  /* Mark one object, or none with null. */
  MTP.choose = function (number) {
    chosen = number;
    MTP.redraw();
  };

  function tip(position, clicked) {
    var box = node('tip');
    if (!objects) {
      box.hidden = true;
      return;
    }
    var place = frame(),
      x = (position.x - place.x) / place.scale,
      y = (position.y - place.y) / place.scale;
    var hits = objects.at(x, y, 4 / place.scale),
      lines = MTP.tipLines(objects, MTP.collection(), hits);
    if (clicked) {
      MTP.choose(hits.length ? hits[0] : null);
    }
    box.hidden = !lines.length;
    box.textContent = lines.join('\n');
    var room = node('viewer');
    box.style.left = Math.max(4, Math.min(position.x + 14, room.clientWidth - box.offsetWidth - 4)) + 'px';
    box.style.top = Math.max(4, Math.min(position.y + 14, room.clientHeight - box.offsetHeight - 4)) + 'px';
  }
})();
