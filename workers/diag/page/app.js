// The operators' page: what diag's API says, as it comes. No dependencies; nothing is kept.

const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/* --- the API --- */

async function call(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw Object.assign(new Error(body.error || `status ${response.status}`), { status: response.status });
  }
  return response;
}

const getJson = async (path) => (await call(path)).json();

const roles = ['viewer', 'operator', 'debugger'];
const me = { name: '', role: 'viewer', confidential: false };
const may = (role) => roles.indexOf(me.role) >= roles.indexOf(role);

/* --- text --- */

function duration(ms) {
  const s = ms / 1000;
  if (s < 100) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(1)} h`;
  return `${Math.floor(s / 86400)} d`;
}

function scaled(value, units, base) {
  let i = 0;
  while (Math.abs(value) >= base && i < units.length - 1) {
    value /= base;
    i++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(2)} ${units[i]}`.trim();
}

const bytes = (v) => scaled(v, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
const bitRate = (v) => scaled(v, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'], 1000);
const byteRate = (v) => `${bytes(v)}/s`;
const rate = (v) => `${scaled(v, ['', 'k', 'M'], 1000)}/s`;
const percent = (v) => `${(100 * v).toFixed(v < 0.1 ? 1 : 0)} %`;
const seconds = (v) => (v < 1e-3 ? `${+(v * 1e6).toPrecision(2)} µs` : v < 1 ? `${+(v * 1e3).toPrecision(2)} ms` : `${+v.toPrecision(2)} s`);

const clock = (date) => date.toISOString().slice(11, 23);

function say(text) {
  const p = el('p', {}, text);
  $('said').append(p);
  setTimeout(() => p.remove(), 6000);
}

/* --- processes --- */

const parents = { init: 1, supervisor: 2 };
const tones = { running: 'good', starting: 'warn', standby: 'dim', restarting: 'warn', parked: 'bad', dead: 'bad' };
const opened = new Set();
let processes = [];
const usage = new Map(); // process: { cpu, memory }

function confirmThat(title, text, yes) {
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-yes').textContent = yes;
  const dialog = $('ask');
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
}

async function act(name, verb) {
  const texts = {
    restart: ['Restart', 'Its successor is started, checked and takes over; the guest goes on.'],
    revive: ['Revive', 'It was given up. It is started anew, and what it died of is forgotten.'],
  };
  if (!(await confirmThat(`${texts[verb][0]} ${name}?`, texts[verb][1], texts[verb][0]))) return;
  try {
    await call(`/v1/processes/${name}/${verb}`, { method: 'POST' });
    say(`${name}: ${verb === 'revive' ? 'revived' : 'replaced'}`);
  } catch (error) {
    say(`${name}: ${error.message}`);
  }
  await readProcesses();
}

function actions(p) {
  if (!p.restartable) return null;
  const allowed = may('operator');
  const id = `why-${p.name}`;
  const button = (verb, text, useful) =>
    el('button', { type: 'button', disabled: !allowed || !useful, 'aria-describedby': allowed ? null : id, 'data-verb': verb,
                   onclick: () => act(p.name, verb) }, text);
  const ended = p.state === 'parked' || p.state === 'dead';
  return el('div', { class: 'acts' }, button('restart', 'Restart', !ended), button('revive', 'Revive', ended),
            allowed ? null : el('span', { id, class: 'dim' }, `takes the role operator; yours is ${me.role}`));
}

function facts(rows) {
  const list = el('dl', { class: 'facts' });
  for (const [name, value, tone] of rows) {
    if (value === '' || value === null || value === undefined) continue;
    list.append(el('dt', {}, name), el('dd', { class: tone }, value));
  }
  return list;
}

function grants(p) {
  const list = el('ul', { class: 'may' });
  for (const grant of p.may)
    list.append(el('li', {}, grant.what, el('span', { class: 'dim' }, `, ${grant.write ? 'read and write' : 'read'}: ${grant.why}`)));
  return list.children.length > 0 ? list : el('p', { class: 'dim' }, 'It opens all that the configuration names, and keeps nothing.');
}

function detail(p) {
  return el('div', { class: 'cols' },
    el('div', {}, el('h3', {}, 'State'),
       facts([['pid', p.pid || ''], ['build', p.build_id && el('code', {}, p.build_id.slice(0, 16))], ['last death', p.last_death],
              ['sandbox', p.sandbox ? `verified from outside: ${p.sandbox}` : '']]), actions(p)),
    el('div', {}, el('h3', {}, 'What it may touch'), grants(p)));
}

function toggle(name) {
  if (!opened.delete(name)) opened.add(name);
  showProcesses();
}

function processRows(p) {
  const open = opened.has(p.name);
  const used = usage.get(p.name) || {};
  const indent = `tree-${parents[p.name] || 3}`;
  const row = el('tr', { 'data-process': p.name },
    el('th', { scope: 'row', class: indent },
       el('button', { type: 'button', class: 'more', 'aria-expanded': String(open), 'aria-controls': `detail-${p.name}`,
                      onclick: () => toggle(p.name) }, p.name)),
    el('td', { class: tones[p.state] || 'dim', 'data-state': p.state }, p.state),
    el('td', { class: 'num opt2' }, p.generation ? String(p.generation) : ''),
    el('td', { class: `num ${p.restarts > 0 ? 'warn' : ''}`, 'data-restarts': p.restarts }, String(p.restarts)),
    el('td', { class: 'num' }, p.uptime_ms ? duration(p.uptime_ms) : ''),
    el('td', { class: 'num opt2', 'data-cpu': p.name }, used.cpu === undefined ? '' : percent(used.cpu)),
    el('td', { class: 'num opt', 'data-memory': p.name }, used.memory === undefined ? '' : bytes(used.memory)),
    el('td', { class: 'opt' }, p.last_death));
  return [row, el('tr', { class: 'detail', id: `detail-${p.name}`, hidden: !open }, el('td', { colspan: 8 }, open ? detail(p) : ''))];
}

function keepFocus(render) {
  const focused = document.activeElement;
  const row = focused?.closest?.('[data-process], tr.detail');
  const verb = focused?.dataset?.verb;
  const name = row?.dataset.process || row?.id?.replace('detail-', '');
  render();
  if (!name) return;
  const again = verb ? document.querySelector(`#detail-${name} [data-verb="${verb}"]`) : document.querySelector(`[data-process="${name}"] .more`);
  again?.focus();
}

function showProcesses() {
  keepFocus(() => {
    const heads = [['Process', ''], ['State', ''], ['Gen', 'num opt2'], ['Restarts', 'num'], ['Up', 'num'], ['CPU', 'num opt2'],
                   ['Memory', 'num opt'], ['Last death', 'opt']];
    $('processes').replaceChildren(el('table', {},
      el('thead', {}, el('tr', {}, ...heads.map(([text, c]) => el('th', { scope: 'col', class: c }, text)))),
      el('tbody', {}, ...processes.flatMap(processRows))));
  });
}

function showUsage() {
  for (const [name, used] of usage) {
    const cpu = document.querySelector(`[data-cpu="${name}"]`);
    const memory = document.querySelector(`[data-memory="${name}"]`);
    if (cpu && used.cpu !== undefined) cpu.textContent = percent(used.cpu);
    if (memory && used.memory !== undefined) memory.textContent = bytes(used.memory);
  }
}

function showHealth(text, tone) {
  const pill = $('health');
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = `pill ${tone}`;
}

let reading = null;
let wanted = false;

// Many events may come at once: one question at a time, and one more after the last.
function readProcesses() {
  wanted = true;
  reading ||= (async () => {
    while (wanted) {
      wanted = false;
      try {
        processes = await getJson('/v1/processes');
        const ill = processes.filter((p) => p.state !== 'running');
        showHealth(ill.length === 0 ? `${processes.length} processes run` : ill.map((p) => `${p.name} ${p.state}`).join(', '),
                   ill.length === 0 ? 'good' : ill.some((p) => tones[p.state] === 'bad') ? 'bad' : 'warn');
        showProcesses();
        fillProcessChoice();
      } catch (error) {
        showHealth(`no answer: ${error.message}`, 'bad');
      }
    }
    reading = null;
  })();
  return reading;
}

/* --- metrics: the older text format, one sample a line --- */

function parseMetrics(text) {
  const families = new Map();
  for (const line of text.split('\n')) {
    const m = /^bulkhead_([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const [, name, value] of (m[2] || '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    if (!families.has(m[1])) families.set(m[1], []);
    families.get(m[1]).push({ labels, value: Number(m[3]) });
  }
  return families;
}

let before = null;

const keyOf = (labels) => JSON.stringify(labels);

// What each series of a counter rose by in a second; one that began anew has risen from 0.
function rates(now, name) {
  const old = new Map((before?.families.get(name) || []).map((s) => [keyOf(s.labels), s.value]));
  const dt = before ? (now.at - before.at) / 1000 : 0;
  return (now.families.get(name) || []).filter((s) => dt > 0 && old.has(keyOf(s.labels))).map((s) => {
    const was = old.get(keyOf(s.labels));
    return { labels: s.labels, value: (s.value >= was ? s.value - was : s.value) / dt };
  });
}

function sumBy(samples, label) {
  const sums = new Map();
  for (const s of samples) sums.set(label(s.labels), (sums.get(label(s.labels)) || 0) + s.value);
  return sums;
}

// The upper end of the bucket that the quantile lies in, of what came since the last look.
function quantiles(now, name, q, label) {
  const groups = new Map();
  for (const s of rates(now, `${name}_bucket`)) {
    const key = label(s.labels);
    if (!groups.has(key)) groups.set(key, new Map());
    const le = s.labels.le === '+Inf' ? Infinity : Number(s.labels.le);
    groups.get(key).set(le, (groups.get(key).get(le) || 0) + s.value);
  }
  const found = new Map();
  for (const [key, buckets] of groups) {
    const edges = [...buckets.keys()].sort((a, b) => a - b);
    const all = buckets.get(Infinity) || 0;
    if (all === 0) continue;
    const edge = edges.find((le) => buckets.get(le) >= q * all);
    found.set(key, edge === Infinity ? edges[edges.length - 2] : edge);
  }
  return found;
}

/* --- charts --- */

const HISTORY = 150; // points
const SPAN = 30; // that there is room for from the beginning
const POLL_MS = 2000;
const WIDTH = 300;
const HEIGHT = 80;

const charts = [
  { title: 'CPU', format: percent, of: (now) => sumBy(rates(now, 'process_cpu_seconds_total'), (l) => l.process) },
  { title: 'Memory of its own', format: bytes, of: (now) => sumBy(now.families.get('process_memory_bytes') || [], (l) => l.process) },
  { title: 'Exits answered', format: rate, of: (now) => new Map([
    ...[...sumBy(rates(now, 'exits_forwarded_total'), () => 'by workers')],
    ...[...sumBy(rates(now, 'exits_answered_here_total'), () => 'by the supervisor')]]) },
  { title: 'Port hop, p99', format: seconds, of: (now) => quantiles(now, 'port_hop_seconds', 0.99, (l) => l.process) },
  { title: 'Disks', format: byteRate, of: (now) => sumBy(rates(now, 'disk_bytes_total').filter((s) => ['read', 'write'].includes(s.labels.op)), (l) => `${l.controller}:${l.lun} ${l.op}`) },
  { title: 'Disk requests, p99', format: seconds, of: (now) => quantiles(now, 'disk_request_seconds', 0.99, (l) => `${l.controller}:${l.lun} ${l.op}`) },
  { title: 'Network', format: bitRate, of: (now) => new Map([...sumBy(rates(now, 'net_bytes_total'), (l) => `nic${l.nic} ${l.direction}`)].map(([k, v]) => [k, 8 * v])) },
  { title: 'Packets of the guest, p99', format: seconds, of: (now) => quantiles(now, 'net_transmit_seconds', 0.99, (l) => `nic${l.nic}`) },
  { title: 'TPM commands', format: rate, of: (now) => sumBy(rates(now, 'vtpm_commands_total'), () => 'commands') },
];

function makeChart(chart) {
  chart.points = [];
  chart.names = [];
  chart.top = el('span', { class: 'dim' });
  chart.plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': chart.title });
  chart.legend = el('ul');
  chart.plot.addEventListener('pointermove', (event) => {
    const box = chart.plot.getBoundingClientRect();
    chart.at = Math.round(((event.clientX - box.left) / box.width) * (span(chart) - 1)) - (span(chart) - chart.points.length);
    drawChart(chart);
  });
  chart.plot.addEventListener('pointerleave', () => {
    chart.at = undefined;
    drawChart(chart);
  });
  $('charts').append(el('div', { class: 'chart' }, el('h3', {}, chart.title, chart.top), chart.plot, chart.legend));
}

const span = (chart) => Math.max(SPAN, chart.points.length);
const xOf = (chart, i) => ((i + span(chart) - chart.points.length) / (span(chart) - 1)) * WIDTH;

function pathOf(chart, name, most) {
  let d = '';
  let pen = false;
  chart.points.forEach((point, i) => {
    const value = point.get(name);
    if (value === undefined) {
      pen = false;
      return;
    }
    const x = xOf(chart, i);
    d += `${pen ? 'L' : 'M'}${x.toFixed(1)} ${(HEIGHT - 1 - (value / most) * (HEIGHT - 3)).toFixed(1)}`;
    pen = true;
  });
  return d;
}

// A scale that does not jump with each point.
function niceTop(value, base) {
  if (value <= 0) return 1;
  const unit = base ** Math.floor(Math.log(value) / Math.log(base));
  const step = 10 ** Math.floor(Math.log10(value / unit)) * unit;
  return [1, 2, 5, 10].map((n) => n * step).find((n) => n >= value);
}

function drawChart(chart) {
  const most = niceTop(Math.max(0, ...chart.points.flatMap((point) => [...point.values()])), chart.format === bytes || chart.format === byteRate ? 1024 : 1000);
  const shown = chart.points[chart.at] || chart.points[chart.points.length - 1] || new Map();
  const nodes = [svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
                 svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 })];
  chart.names.forEach((name, i) => nodes.push(svg('path', { class: `c${i % 8}`, d: pathOf(chart, name, most) })));
  if (chart.points[chart.at]) {
    const x = xOf(chart, chart.at);
    nodes.push(svg('line', { class: 'cursor', x1: x, x2: x, y1: 0, y2: HEIGHT }));
  }
  chart.plot.replaceChildren(...nodes);
  chart.top.textContent = chart.names.length > 0 ? chart.format(most) : '';
  const items = chart.names.filter((name) => shown.has(name));
  chart.legend.replaceChildren(...items.map((name) => el('li', { class: `c${chart.names.indexOf(name) % 8}` }, `${name} ${chart.format(shown.get(name))}`)));
  if (items.length === 0) chart.legend.replaceChildren(el('li', { class: 'dim' }, 'nothing'));
  chart.plot.setAttribute('aria-label', `${chart.title}: ${items.map((n) => `${n} ${chart.format(shown.get(n))}`).join(', ') || 'nothing'}`);
}

function addPoint(chart, now) {
  const point = chart.of(now);
  for (const name of point.keys()) if (!chart.names.includes(name)) chart.names.push(name);
  chart.points.push(point);
  if (chart.points.length > HISTORY) chart.points.shift();
  drawChart(chart);
}

function noteUsage(now) {
  for (const s of now.families.get('process_memory_bytes') || []) usage.set(s.labels.process, { ...usage.get(s.labels.process), memory: s.value });
  for (const s of rates(now, 'process_cpu_seconds_total')) usage.set(s.labels.process, { ...usage.get(s.labels.process), cpu: s.value });
  showUsage();
}

async function poll() {
  try {
    const text = await (await call('/metrics?plain=1')).text();
    const now = { at: performance.now(), families: parseMetrics(text) };
    noteUsage(now);
    for (const chart of charts) addPoint(chart, now);
    before = now;
  } catch {
    before = null; // what answers next may count anew
  }
  setTimeout(poll, POLL_MS);
}

/* --- events --- */

const EVENTS = 200;
const KEPT = 1024; // by the VM, and sent again with each connection
const seen = new Map(); // seq: time; after a reset of the guest another VM counts from 1

function eventText(e) {
  const known = new Set(['seq', 'time', 'monotonic_ns', 'event', 'process', 'generation', 'pid', 'cause', 'crash']);
  const more = Object.entries(e).filter(([name]) => !known.has(name)).map(([name, value]) => `${name} ${value}`);
  return [e.process ? `${e.process}${e.generation ? `/${e.generation}` : ''}` : '', e.event, e.cause, ...more].filter(Boolean).join(' ');
}

function onEvent(message) {
  const e = JSON.parse(message.data);
  if (seen.get(e.seq) === e.time) return;
  seen.set(e.seq, e.time);
  seen.delete(e.seq - KEPT);
  const when = new Date(e.time);
  $('events').prepend(el('li', {}, el('time', { class: 'when', datetime: e.time }, clock(when)),
                         el('span', { class: e.crash ? 'bad' : null }, eventText(e))));
  while ($('events').children.length > EVENTS) $('events').lastChild.remove();
  readProcesses();
  if (e.crash) readCrashes();
}

function followEvents() {
  const source = new EventSource('/v1/events');
  source.onmessage = onEvent;
  source.onopen = () => readProcesses();
  source.onerror = () => {
    showHealth('connection lost, trying again', 'bad');
    if (source.readyState === EventSource.CLOSED) setTimeout(followEvents, 1000);
  };
}

/* --- inspect --- */

const folded = new Set();
let values = {};

function treeOf(pairs) {
  const root = new Map();
  for (const [path, value] of pairs) {
    const parts = path.split('/');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      if (!(at.get(part) instanceof Map)) {
        const below = new Map();
        if (at.has(part)) below.set('', at.get(part)); // a value and a folder
        at.set(part, below);
      }
      at = at.get(part);
    }
    const last = parts[parts.length - 1];
    if (at.get(last) instanceof Map) at.get(last).set('', value);
    else at.set(last, value);
  }
  return root;
}

const shownValue = (v) => (typeof v === 'number' ? v.toLocaleString('en') : v === '' ? '-' : v);

function branch(map, path, old) {
  return [...map].map(([name, value]) => {
    const full = name === '' ? path : path ? `${path}/${name}` : name;
    if (!(value instanceof Map))
      return el('div', { class: `leaf ${old[full] !== undefined && old[full] !== value ? 'new' : ''}` }, el('span', {}, name || '(itself)'), el('b', {}, shownValue(value)));
    return el('details', { open: !folded.has(full), 'data-path': full,
                           ontoggle: (event) => (event.target.open ? folded.delete(full) : folded.add(full)) },
              el('summary', {}, name), ...branch(value, full, old));
  });
}

function showTree(old = values) {
  const words = $('inspect-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const pairs = Object.entries(values).filter(([path]) => words.every((word) => path.toLowerCase().includes(word)));
  const focused = document.activeElement?.closest?.('#tree details')?.dataset.path;
  const tree = $('tree');
  tree.replaceChildren(...branch(treeOf(pairs), '', old));
  $('inspect-count').textContent = `${pairs.length} of ${Object.keys(values).length} values`;
  if (pairs.length === 0) tree.replaceChildren(el('p', { class: 'leaf dim' }, 'nothing has such a name'));
  if (focused) [...tree.querySelectorAll('details')].find((d) => d.dataset.path === focused)?.querySelector('summary').focus();
}

async function readValues() {
  if ($('view-inspect').hidden) return;
  try {
    const old = values;
    values = await getJson('/v1/inspect');
    showTree(old);
  } catch (error) {
    $('inspect-count').textContent = error.message;
  }
}

/* --- logs --- */

const LINES = 2000;
const levels = { error: 0, warn: 1, info: 2, debug: 3 };
const levelTones = { error: 'bad', warn: 'warn', info: null, debug: 'dim' };
let stream = null;
let lines = [];

function lineNode(line) {
  return el('li', {}, el('span', { class: 'when' }, `${(line.time_ns / 1e9).toFixed(3)} ${line.process}/${line.generation}`),
            el('span', { class: levelTones[line.level] }, line.text));
}

function isShown(line) {
  return levels[line.level] <= levels[$('logs-level').value] && lineText(line).includes($('logs-filter').value.toLowerCase());
}

const lineText = (line) => `${line.process} ${line.text}`.toLowerCase();

function showLines() {
  $('lines').replaceChildren(...lines.filter(isShown).map(lineNode));
  if ($('logs-follow').checked) $('lines').scrollTop = $('lines').scrollHeight;
}

function addLine(line) {
  const list = $('lines');
  lines.push(line);
  if (lines.length > LINES) lines.shift();
  if (!isShown(line)) return;
  list.append(lineNode(line));
  while (list.children.length > LINES) list.firstChild.remove();
  if ($('logs-follow').checked) list.scrollTop = list.scrollHeight;
}

// What there is, then what comes. A stream has no past, so what falls between the two is told apart by its time.
async function readLogs() {
  const of = encodeURIComponent($('logs-process').value);
  const query = of ? `worker=${of}` : '';
  stream?.close();
  stream = null;
  if (!may('operator')) {
    $('logs-state').textContent = `logs take the role operator; yours is ${me.role}`;
    return;
  }
  const early = [];
  const seen = new Set();
  const key = (line) => `${line.time_ns} ${line.process} ${line.text}`;
  let ready = false;
  const source = new EventSource(`/v1/logs?follow=1&${query}`);
  stream = source;
  source.onmessage = (message) => {
    const line = JSON.parse(message.data);
    if (!ready) early.push(line);
    else if (!seen.delete(key(line))) addLine(line);
  };
  source.onopen = () => ($('logs-state').textContent = 'live');
  source.onerror = () => ($('logs-state').textContent = 'connection lost, trying again');
  try {
    const text = await (await call(`/v1/logs?${query}`)).text();
    lines = text.split('\n').filter(Boolean).map((t) => JSON.parse(t)).slice(-LINES);
    lines.slice(-200).forEach((line) => seen.add(key(line)));
    showLines();
    ready = true;
    early.forEach((line) => seen.delete(key(line)) || addLine(line));
  } catch (error) {
    $('logs-state').textContent = error.message;
  }
}

function fillProcessChoice() {
  const select = $('logs-process');
  const names = processes.map((p) => p.name);
  if (names.join() === [...select.options].slice(1).map((o) => o.value).join()) return;
  const chosen = select.value;
  select.replaceChildren(el('option', { value: '' }, 'all'), ...names.map((name) => el('option', { value: name }, name)));
  select.value = chosen;
}

/* --- crashes --- */

function story(c) {
  const how = c.signal !== undefined ? `signal ${c.signal}` : `exit status ${c.exit}`;
  const doing = c.doing ? ` It was at ${c.doing.what} ${'0x' + c.doing.code.toString(16)}.` : '';
  if (c.spare) return `Generation ${c.generation}, a spare that stood by, ended: ${c.cause} (${how}). It served nothing.`;
  return `Generation ${c.generation} served for ${duration(c.served_ms)} and ended: ${c.cause} (${how}).${doing} Before it there were ${c.restarts || 'no'} ${c.restarts === 1 ? 'restart' : 'restarts'}.`;
}

function crashNode(c, i) {
  const list = el('ol', { class: 'feed', tabindex: 0, 'aria-label': `last log lines of ${c.process}` }, ...c.log.map(lineNode));
  return el('article', { class: 'crash', 'data-crash': c.number },
    el('h3', {}, `${c.process}: ${c.cause}`), el('p', { class: 'story' }, story(c)),
    facts([['number', String(c.number)], ['at', `${c.time.slice(0, 10)} ${clock(new Date(c.time))}`], ['pid', String(c.pid)],
           ['build', c.build_id && el('code', {}, c.build_id.slice(0, 16))], ['code', c.code && el('code', {}, c.code)]]),
    c.log.length > 0 ? el('details', { open: i === 0 }, el('summary', {}, `its last ${c.log.length} log lines`), list) : null);
}

async function readCrashes() {
  const place = $('crashes');
  if (!may('operator')) {
    place.replaceChildren(el('p', { class: 'none' }, `Crashes take the role operator; yours is ${me.role}.`));
    return;
  }
  try {
    const found = (await getJson('/v1/crashes')).reverse();
    place.replaceChildren(...(found.length > 0 ? found.map(crashNode) : [el('p', { class: 'none' }, 'No process has died since this VM was started.')]));
  } catch (error) {
    place.replaceChildren(el('p', { class: 'none' }, error.message));
  }
}

/* --- views --- */

const views = {
  processes: () => {},
  inspect: readValues,
  logs: readLogs,
  crashes: readCrashes,
};

function showView() {
  const name = views[location.hash.slice(1)] ? location.hash.slice(1) : 'processes';
  for (const other of Object.keys(views)) {
    $(`view-${other}`).hidden = other !== name;
    const link = document.querySelector(`nav a[href="#${other}"]`);
    if (other === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (name !== 'logs') {
    stream?.close();
    stream = null;
  }
  views[name]();
}

async function begin() {
  Object.assign(me, await getJson('/v1/whoami'));
  const version = await getJson('/v1/version');
  $('who').textContent = `${me.name} (${me.role})${me.confidential ? ', confidential VM' : ''}, Bulkhead ${version.version}`;
  charts.forEach(makeChart);
  $('inspect-form').addEventListener('submit', (event) => event.preventDefault());
  $('inspect-filter').addEventListener('input', () => showTree());
  $('logs-form').addEventListener('submit', (event) => event.preventDefault());
  $('logs-process').addEventListener('change', readLogs);
  $('logs-level').addEventListener('change', showLines);
  $('logs-filter').addEventListener('input', showLines);
  $('logs-follow').addEventListener('change', showLines);
  window.addEventListener('hashchange', () => {
    if (location.hash !== '#main') showView();
  });
  setInterval(() => $('inspect-live').checked && readValues(), POLL_MS);
  // Each time is on record: a page that nobody sees need not ask.
  setInterval(() => document.hidden || readProcesses(), 5000);
  document.addEventListener('visibilitychange', () => document.hidden || readProcesses());
  await readProcesses();
  followEvents();
  poll();
  showView();
}

begin().catch((error) => showHealth(`no answer: ${error.message}`, 'bad'));
