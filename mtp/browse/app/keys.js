/* The keys of the page: its own, and those of the viewer where that has not the focus. */
'use strict';
(function () {
  /* Call the action of each key that is pressed, unless somebody types. actions: {key: function}. */
  MTP.listenToKeys = function (viewer, actions) {
    var moves = movements(viewer),
      all = Object.assign({}, moves, actions);
    document.addEventListener('keydown', function (event) {
      var target = event.target,
        typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== 'checkbox';
      var viewers = moves[event.key] && viewer.canvas.contains(target);
      var modified = event.ctrlKey || event.metaKey || event.altKey;
      if (typing || modified || viewers || document.querySelector('dialog[open]') || !all[event.key]) {
        return;
      }
      event.preventDefault();
      all[event.key]();
    });
  };

  function movements(viewer) {
    function pan(x, y) {
      return function () {
        var bounds = viewer.viewport.getBounds();
        viewer.viewport.panBy(new OpenSeadragon.Point((x * bounds.width) / 8, (y * bounds.height) / 8));
      };
    }
    function zoom(factor) {
      return function () {
        viewer.viewport.zoomBy(factor);
      };
    }
    return {
      ArrowLeft: pan(-1, 0),
      ArrowRight: pan(1, 0),
      ArrowUp: pan(0, -1),
      ArrowDown: pan(0, 1),
      '+': zoom(1.4),
      '=': zoom(1.4),
      '-': zoom(1 / 1.4),
      0: function () {
        viewer.viewport.goHome();
      }
    };
  }
})();
