/* Every text of the page, in English and Korean; MTP.text(name) gives that of the chosen language. */
'use strict';
var MTP = window.MTP || {};

MTP.TEXTS = {
  en: {
    worse: '◀ Worse image',
    before: '◀ Image',
    better: 'Next image ▶',
    mistakeBack: '◀ Mistake',
    mistakeNext: 'Mistake ▶',
    link: 'Copy link',
    date: 'Later image',
    help: 'Keys',
    filter: 'Filter',
    leastScore: 'Least score',
    found: 'Found',
    truth: 'Truth',
    onlyMistakes: 'Only mistakes',
    colourBy: 'Colours',
    byVerdict: 'verdict',
    byClass: 'class',
    counts: 'Counts',
    classes: 'Classes',
    all: 'all',
    none: 'none',
    images: 'Images, the worst first',
    allImages: 'Images',
    search: 'part of a name',
    keys: 'Keys',
    close: 'Close',
    here: 'this image',
    everywhere: 'all images',
    hit: 'hit',
    missed: 'missed',
    background: 'false: nothing there',
    wrong_class: 'wrong class',
    localisation: 'badly placed',
    duplicate: 'found twice',
    ignored: 'difficult, does not count',
    unjudged: 'no truth known',
    foundCount: 'found',
    truthCount: 'true objects',
    copied: 'The link is in the clipboard',
    noCopy: 'Copy the address of this page: it holds the view',
    noMistakes: 'No mistakes with these filters',
    noTruth: 'No truth is known of this image',
    noData: 'data/index.js is missing: make the page again',
    lost: 'Cannot load {0}: make the page again',
    score: 'score',
    iou: 'IoU',
    foundPixels: 'pixels found',
    truthPixels: 'true pixels',
    more: '{0} more: type a part of the name',
    isTrue: 'true',
    keyImage: 'worse / next image',
    keyMistake: 'mistake before / next',
    keyScore: 'least score down / up',
    keyFound: 'found on / off',
    keyTruth: 'truth on / off',
    keyOnly: 'only mistakes',
    keyDate: 'later image on / off (change detection)',
    keyHome: 'whole image',
    keyMove: 'move',
    keyZoom: 'zoom',
    keyHelp: 'this table',
    language: '한국어'
  },
  ko: {
    worse: '◀ 더 나쁜 영상',
    before: '◀ 영상',
    better: '다음 영상 ▶',
    mistakeBack: '◀ 오류',
    mistakeNext: '오류 ▶',
    link: '링크 복사',
    date: '이후 영상',
    help: '단축키',
    filter: '필터',
    leastScore: '최소 점수',
    found: '검출',
    truth: '정답',
    onlyMistakes: '오류만',
    colourBy: '색',
    byVerdict: '판정',
    byClass: '클래스',
    counts: '개수',
    classes: '클래스',
    all: '모두',
    none: '없음',
    images: '영상 (나쁜 순서)',
    allImages: '영상',
    search: '이름의 일부',
    keys: '단축키',
    close: '닫기',
    here: '이 영상',
    everywhere: '모든 영상',
    hit: '맞음',
    missed: '놓침',
    background: '오검출 (없는 객체)',
    wrong_class: '클래스 틀림',
    localisation: '위치 틀림',
    duplicate: '중복 검출',
    ignored: '어려운 객체 (세지 않음)',
    unjudged: '정답을 모름',
    foundCount: '검출',
    truthCount: '정답 객체',
    copied: '링크를 클립보드에 복사했습니다',
    noCopy: '이 페이지의 주소를 복사하세요. 지금 보이는 화면이 들어 있습니다',
    noMistakes: '이 필터에서는 오류가 없습니다',
    noTruth: '이 영상의 정답을 모릅니다',
    noData: 'data/index.js가 없습니다. 페이지를 다시 만드세요',
    lost: '{0}을(를) 읽을 수 없습니다. 페이지를 다시 만드세요',
    score: '점수',
    iou: 'IoU',
    foundPixels: '검출 픽셀',
    truthPixels: '정답 픽셀',
    more: '{0}개 더 있음: 이름의 일부를 입력하세요',
    isTrue: '정답',
    keyImage: '더 나쁜 / 다음 영상',
    keyMistake: '앞 / 다음 오류',
    keyScore: '최소 점수 내림 / 올림',
    keyFound: '검출 켜기 / 끄기',
    keyTruth: '정답 켜기 / 끄기',
    keyOnly: '오류만',
    keyDate: '이후 영상 켜기 / 끄기 (변화 탐지)',
    keyHome: '전체 영상',
    keyMove: '이동',
    keyZoom: '확대 / 축소',
    keyHelp: '이 표',
    language: 'English'
  }
};

MTP.KEYS = [
  ['p / n', 'keyImage'],
  ['k / j', 'keyMistake'],
  ['[ / ]', 'keyScore'],
  ['f', 'keyFound'],
  ['t', 'keyTruth'],
  ['m', 'keyOnly'],
  ['b', 'keyDate'],
  ['← ↑ → ↓', 'keyMove'],
  ['+ / −', 'keyZoom'],
  ['0', 'keyHome'],
  ['?', 'keyHelp']
];

MTP.language = (navigator.language || '').slice(0, 2) === 'ko' ? 'ko' : 'en';

/* The text called `name`; {0} in it becomes `value`. */
MTP.text = function (name, value) {
  var text = MTP.TEXTS[MTP.language][name];
  return value === undefined
    ? text
    : text.replace('{0}', function () {
        return value;
      });
};

/* Put every text of the page into the chosen language. */
MTP.translate = function () {
  document.documentElement.lang = MTP.language;
  document.querySelectorAll('[data-text]').forEach(function (node) {
    node.textContent = MTP.text(node.dataset.text);
    if (node.dataset.key) {
      node.title = MTP.text(node.dataset.text) + ' (' + node.dataset.key + ')';
    }
  });
  document.querySelectorAll('[data-hint]').forEach(function (node) {
    node.placeholder = MTP.text(node.dataset.hint);
    node.setAttribute('aria-label', MTP.text(node.dataset.hint));
  });
  document.getElementById('language').textContent = MTP.text('language');
};
