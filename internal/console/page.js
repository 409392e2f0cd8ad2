// Keeps the page true while somebody reads it: the counts each second, the rest every few seconds. Nothing that did not
// change is touched. Without this script the page is the same, as of when it was loaded.
(() => {
  'use strict';
  const second = 1000, longest = 30 * second, others = 3; // others: looks at the traffic for one at the page
  const pulse = document.getElementById('pulse');
  let wait = second, looks = 0, timer = 0, sums = null, past = [];

  const keyOf = (t) => [t.part, t.upstream || '', t.name].join('|');

  function addUp(rows) {
    const all = new Map();
    const add = (key, t) => {
      const s = all.get(key) || {count: 0, errors: 0, refused: 0, latency: 0};
      s.count += t.count; s.errors += t.errors; s.refused += t.refused; s.latency += t.latencyMS;
      all.set(key, s);
    };
    for (const t of rows) {
      add(keyOf(t), t);
      if (t.part === 'endpoint') add('upstream||' + t.upstream, t);
    }
    return all;
  }

  function total(all, keys) {
    const sum = {count: 0, errors: 0, refused: 0, latency: 0};
    for (const k of keys) {
      const s = all.get(k);
      if (s) for (const f in sum) sum[f] += s[f];
    }
    return sum;
  }

  const write = (el, text) => { if (el.textContent !== text) el.textContent = text; };

  // show writes the numbers. The average is that of the last ten seconds where there were requests in them.
  function show() {
    if (!sums) return;
    const now = past[past.length - 1], before = past[Math.max(0, past.length - 2)], first = past[0];
    for (const el of document.querySelectorAll('[data-of]')) {
      let keys;
      try { keys = JSON.parse(el.dataset.of); } catch { continue; }
      const sum = total(now.sums, keys), last = total(before.sums, keys), old = total(first.sums, keys);
      const many = sum.count - old.count;
      const average = many > 0 ? (sum.latency - old.latency) / many : sum.count > 0 ? sum.latency / sum.count : 0;
      const rate = (sum.count - last.count) / Math.max(0.001, (now.at - before.at) / second);
      for (const n of el.querySelectorAll('[data-show]')) {
        switch (n.dataset.show) {
          case 'count': write(n, String(sum.count)); break;
          case 'errors': write(n, String(sum.errors)); n.parentElement.classList.toggle('bad', sum.errors > 0); break;
          case 'refused': write(n, String(sum.refused)); break;
          case 'average': write(n, average > 0 ? average.toFixed(2) + ' ms' : '–'); break;
          case 'rate': write(n, rate > 0 ? (rate < 10 ? rate.toFixed(1) : Math.round(rate)) + '/s' : ''); break;
        }
      }
    }
  }

  // become makes a node like another one by changing only what differs.
  function become(now, next) {
    if (now.isEqualNode(next)) return;
    if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName) { now.replaceWith(next.cloneNode(true)); return; }
    if (now.nodeType !== Node.ELEMENT_NODE) { if (now.data !== next.data) now.data = next.data; return; }
    for (const a of [...now.attributes]) if (!next.hasAttribute(a.name)) now.removeAttribute(a.name);
    for (const a of next.attributes) if (now.getAttribute(a.name) !== a.value) now.setAttribute(a.name, a.value);
    if (now.dataset.show) return;
    const mine = [...now.childNodes], theirs = [...next.childNodes];
    theirs.forEach((child, i) => { if (mine[i]) become(mine[i], child); else now.append(child.cloneNode(true)); });
    mine.slice(theirs.length).forEach((child) => child.remove());
  }

  async function get(path, accept) {
    const answer = await fetch(path, {headers: {Accept: accept}, cache: 'no-store', signal: AbortSignal.timeout(5 * second)});
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  }

  async function look() {
    const rows = await (await get('/api/v1/traffic', 'application/json')).json();
    sums = addUp(rows.items);
    past.push({at: performance.now(), sums});
    if (past.length > 11) past.shift();
    if (looks++ % others === 0) {
      const text = await (await get('/?lang=' + (document.documentElement.lang === 'en' ? 'en' : 'zh'), 'text/html')).text();
      const fresh = new DOMParser().parseFromString(text, 'text/html');
      document.title = fresh.title;
      for (const el of document.querySelectorAll('.fresh')) {
        const next = fresh.getElementById(el.id);
        if (next) become(el, next);
      }
    }
    show();
  }

  function say(state) {
    pulse.className = state;
    write(pulse, pulse.dataset[state]);
  }

  async function turn() {
    const began = performance.now();
    try {
      await look();
      say('live');
      wait = Math.max(second, 4 * (performance.now() - began)); // a slow answer is not asked for more often than it can be given
    } catch {
      say('lost');
      wait = Math.min(longest, wait * 2);
      past = [];
      sums = null;
    }
    timer = document.hidden ? 0 : setTimeout(turn, wait);
    if (document.hidden) say('paused');
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) { if (timer) { clearTimeout(timer); timer = 0; say('paused'); } return; }
    if (!timer && pulse.className === 'paused') { past = []; wait = second; looks = 0; turn(); }
  });
  document.getElementById('reload').hidden = true;
  turn();
})();
