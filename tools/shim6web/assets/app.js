// SPDX-License-Identifier: BSD-3-Clause
//
// Texts of the host, as names of interfaces, come into the page as text only, never as HTML.

const $ = id => document.getElementById(id);

// el makes an element with attributes and children, which are elements or texts.
function el(name, attributes = {}, ...children) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attributes))
		e.setAttribute(k, v);
	e.append(...children);
	return e;
}

// text sets the text of an element, if it is another one: what is selected or read stays.
function text(e, t) {
	if (e.textContent !== t)
		e.textContent = t;
}

// list has one element in a list for each item, in their order. Elements of the same key stay, and
// so does the focus in them.
function list(parent, items, key, make, fill) {
	const old = new Map([...parent.children].map(e => [e.dataset.key, e]));
	let at = parent.firstElementChild;
	for (const item of items) {
		const k = key(item);
		let e = old.get(k);
		if (e) {
			old.delete(k);
		} else {
			e = make(item);
			e.dataset.key = k;
		}
		if (e === at)
			at = at.nextElementSibling;
		else
			parent.insertBefore(e, at);
		fill(e, item);
	}
	for (const e of old.values())
		e.remove();
}

const words = {good: 'Good', warn: 'Attention', bad: 'Bad', idle: 'Idle', ok: 'Good', fail: 'Bad'};
const results = {ok: 'good', warn: 'warn', fail: 'bad'};

function badge(e, level, t) {
	e.className = 'badge ' + level;
	if (!e.firstChild)
		e.append(el('span', {class: 'mark', 'aria-hidden': 'true'}), el('span'));
	text(e.lastChild, t);
}

function bits(n) {
	for (const unit of ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']) {
		if (n < 1000 || unit === 'Gbit/s')
			return `${n < 10 && n > 0 ? n.toFixed(1) : Math.round(n)} ${unit}`;
		n /= 1000;
	}
}

const milliseconds = n => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;
const count = (n, one, more) => `${n} ${n === 1 ? one : more}`;
const time = t => new Date(t).toLocaleTimeString();
const nameOf = c => `${c['ulid-local']},${c['ulid-peer']},${c.fii}`;
const samePair = (p, q) => p['locator-local'] === q['locator-local'] && p['locator-peer'] === q['locator-peer'] && p.encapsulation === q.encapsulation;
const pairText = (p, link) => (link ? link + ': ' : '') + p['locator-local'] + ' → ' + p['locator-peer'] +
	(p.encapsulation && p.encapsulation !== 'native' ? ' in ' + p.encapsulation.toUpperCase() : '');

// terms fills a dl with terms and values; those without a value are left out.
function terms(dl, rows) {
	const wanted = rows.filter(r => r[1] !== '' && r[1] !== undefined);
	const shape = wanted.map(r => r[0]).join('\n');
	if (dl.dataset.shape !== shape) {
		dl.dataset.shape = shape;
		dl.replaceChildren(...wanted.flatMap(r => [el('dt', {}, r[0]), el('dd')]));
	}
	wanted.forEach((r, i) => text(dl.children[2 * i + 1], r[1]));
}

// --- the screen ----------------------------------------------------------------

let traffic = {};
let screen = null;

function showVerdict(s) {
	$('verdict').className = s.verdict.level;
	text($('verdict-text').lastElementChild, s.verdict.text);
	$('verdict-advice').hidden = !s.verdict.advice;
	text($('verdict-advice').lastElementChild, s.verdict.advice || '');
	document.title = (s.verdict.level === 'good' || s.verdict.level === 'idle' ? '' : '(!) ') + 'Shim6';
}

function showLinks(links) {
	$('links-none').hidden = links.length > 0;
	list($('links'), links, l => l.interface + '\n' + (l.router || ''),
		() => el('li', {}, el('h3'), el('span'), el('dl')),
		(e, l) => {
			const [title, state, dl] = e.children;
			text(title, l.interface);
			badge(state, l.operational ? 'good' : 'bad', l.operational ? 'up' : 'down');
			const all = l['probes-answered'] + l['probes-lost'];
			const t = traffic[l.interface];
			terms(dl, [
				['router', l.router || 'none is known'],
				['why', l.why || ''],
				['policy', l.policy && l.policy !== 'normal' ? l.policy : ''],
				['round trip', l.rtt ? milliseconds(l.rtt) : 'not measured yet'],
				['Probes lost', all ? `${l['probes-lost']} of ${all} (${(100 * l['probes-lost'] / all).toFixed(1)} %)` : 'none sent yet'],
				['in', t ? bits(t.in) : ''],
				['out', t ? bits(t.out) : ''],
				['sends for', count(l.outbound, 'session', 'sessions')],
				['addresses', l.locators.join(', ')],
			]);
		});
}

function showPairs(e, g) {
	const others = g.pairs.filter(p => !p.current && !p.inbound);
	e.hidden = others.length === 0;
	text(e.firstElementChild, count(others.length + (g.more || 0), 'other pair', 'other pairs'));
	list(e.lastElementChild, others, p => pairText(p),
		() => el('li', {class: 'pair'}),
		(li, p) => text(li, `${pairText(p, p.interface)}, ${p.state}${p.rtt ? ', ' + milliseconds(p.rtt) : ''}`));
}

function showSessions(o) {
	const total = Object.values(o.states).reduce((a, b) => a + b, 0);
	const note = $('sessions-note');
	text(note, total === 0 ? 'There is none with Shim6 now.' :
		total > o.glances.length && !listed ? `${total}; these are those that need attention, and those that moved last.` : '');
	note.hidden = note.textContent === '';
	$('find').hidden = total <= o.glances.length && !listed;
	if (!listed)
		showGlances(o.glances);
}

function showGlances(glances) {
	list($('sessions'), glances, nameOf,
		g => {
			const button = el('button', {type: 'button'}, 'Timeline', el('span', {class: 'hidden'}, ' of the session with ' + g['ulid-peer']));
			button.addEventListener('click', () => openTimeline(g, button));
			return el('li', {}, el('h3', {class: 'address'}), el('span'), el('p', {class: 'note'}), el('dl'),
				el('details', {}, el('summary'), el('ul')), el('p', {class: 'card-buttons'}, button));
		},
		(e, g) => {
			const [title, state, protection, dl, details] = e.children;
			text(title, g['ulid-peer'] + (g.fii ? ` (fork ${g.fii})` : ''));
			const exploring = g['reap-state'] && g['reap-state'] !== 'operational';
			badge(state, exploring ? 'bad' : g.protected ? 'good' : 'warn',
				exploring ? 'looks for another way' : g.protected ? 'protected' : 'not protected');
			text(protection, g.text);
			const current = g.pairs.find(p => p.current), inbound = g.pairs.find(p => p.inbound);
			terms(dl, [
				['here', g['ulid-local']],
				['state', g.state === 'established' ? '' : g.state],
				['sends by', current ? pairText(current, current.interface) + (current.rtt ? ', ' + milliseconds(current.rtt) : '') : ''],
				['peer sends by', inbound ? (current && samePair(inbound, current) ? 'the same pair' : pairText(inbound, inbound.interface)) : ''],
				['moved last', g.switched ? time(g.switched) : ''],
			]);
			showPairs(details, g);
		});
}

// --- all sessions, in pages -------------------------------------------------------

let listed = null; // {from, find} of the page that is shown in place of those that need attention
let pageTimer = 0;
const pageSize = 100;

// turnTo shows a page, or with null those that need attention.
function turnTo(wanted) {
	listed = wanted;
	$('pages-all').setAttribute('aria-pressed', String(wanted !== null));
	if (wanted) {
		loadPage();
		return;
	}
	clearTimeout(pageTimer);
	$('find-text').value = '';
	$('pages').hidden = true;
	text($('pages-note'), '');
	if (screen?.overview)
		showSessions(screen.overview);
}

async function loadPage() {
	clearTimeout(pageTimer);
	const of = listed;
	try {
		const r = await fetch(`/api/sessions?from=${of.from}&find=${encodeURIComponent(of.find)}`);
		const found = r.ok ? await r.json() : await r.text();
		if (of !== listed)
			return;
		if (r.ok)
			showPage(of, found);
		else
			text($('pages-note'), found);
	} catch (e) {
		// The connection is lost, which the verdict says.
	}
	if (of === listed)
		pageTimer = setTimeout(loadPage, 5000);
}

function showPage(of, found) {
	const last = found.from + found.glances.length;
	text($('pages-note'), found.total === 0 ? (of.find ? `No session has ${of.find} in an address.` : 'There is no session.') :
		`Sessions ${found.from + 1} to ${last} of ${found.total}` + (of.find ? ` with ${of.find} in an address` : '') + ', the oldest first.');
	showGlances(found.glances);
	// A button that is disabled would lose the focus.
	$('pages-back').setAttribute('aria-disabled', String(found.from === 0));
	$('pages-next').setAttribute('aria-disabled', String(last >= found.total));
	$('pages').hidden = found.total <= found.glances.length;
}

function turn(button, way) {
	if (button.getAttribute('aria-disabled') !== 'true')
		turnTo({...listed, from: Math.max(0, listed.from + way * pageSize)});
}

function switchText(s) {
	const to = pairText(s.to, s['to-link']), from = pairText(s.from, s['from-link']);
	return (s.direction === 'inbound' ? 'The peer now sends by ' : 'This host now sends by ') + `${to}, and no longer by ${from}`;
}

function whyText(s) {
	return `Trigger ${s.trigger}` + (s.why ? `: ${s.why}` : '') + (s.outage ? `. ${milliseconds(s.outage)} without data` : '');
}

function showSwitches(parent, switches, named) {
	list(parent, switches, s => s.time + nameOf(s) + s.direction,
		s => el('li', {class: 'fresh'}, el('p', {}, el('strong', {}, time(s.time))), el('p', {class: 'pair'}), el('p'), el('p', {class: 'note'})),
		(e, s) => {
			text(e.children[1], switchText(s));
			text(e.children[2], whyText(s));
			text(e.children[3], named ? `Session with ${s['ulid-peer']}` : '');
		});
}

function showDoctor(d) {
	const button = $('examine');
	button.disabled = false;
	text($('doctor-note'), d.running ? 'Checking' : d.error ? d.error : d.time ? `Checked at ${time(d.time)}` : 'Not checked yet');
	const order = {fail: 0, warn: 1, ok: 2};
	const findings = [...d.findings].sort((a, b) => order[a.result] - order[b.result]);
	list($('findings'), findings, f => f.check + '\n' + f.text,
		() => el('li', {}, el('span'), el('span'), el('p', {hidden: ''}, 'Try: ', el('span'))),
		(e, f) => {
			badge(e.children[0], results[f.result] || 'idle', words[f.result] || f.result);
			text(e.children[1], ` ${f.check}: ${f.text}`);
			e.children[2].hidden = !f.advice;
			text(e.children[2].lastChild, f.advice || '');
		});
}

function show(s) {
	screen = s;
	showVerdict(s);
	if (s.overview) {
		showLinks(s.overview.links);
		showSessions(s.overview);
		text($('footer'), `shim6web ${s.version}, shim6d ${s.overview.status.version}; as of ${time(s.overview.time)}`);
	}
	showSwitches($('switches'), s.switches, true);
	$('switches-none').hidden = s.switches.length > 0;
	showDoctor(s.doctor);
}

// --- the timeline --------------------------------------------------------------

let open = null; // {name, span, from: the button}
let chart = null;
let drawn = null;
let timer = 0;

const dashes = [[], [8, 4], [2, 4], [10, 4, 2, 4]];
const colours = () => getComputedStyle(document.documentElement).getPropertyValue('--series').split(',').map(c => c.trim());
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function openTimeline(g, button) {
	open = {name: nameOf(g), peer: g['ulid-peer'], local: g['ulid-local'], span: '10m', from: button};
	$('timeline').hidden = false;
	text($('timeline-name'), `${open.local} with ${open.peer}`);
	setSpan('10m');
	$('timeline').focus();
	$('timeline').scrollIntoView();
}

function closeTimeline() {
	clearTimeout(timer);
	$('timeline').hidden = true;
	if (open)
		open.from.focus();
	open = null;
}

function setSpan(span) {
	open.span = span;
	for (const s of ['10m', '24h'])
		$('span-' + s).setAttribute('aria-pressed', String(s === span));
	loadTimeline();
}

async function loadTimeline() {
	clearTimeout(timer);
	const of = open;
	if (!of)
		return;
	try {
		const r = await fetch(`/api/timeline?context=${encodeURIComponent(of.name)}&span=${of.span}`);
		if (of !== open)
			return;
		if (r.ok)
			draw(await r.json());
		else
			text($('timeline-text'), await r.text());
	} catch (e) {
		// The connection is lost, which the verdict says.
	}
	if (of === open)
		timer = setTimeout(loadTimeline, of.span === '10m' ? 2000 : 30000);
}

// byPair has for each pair what was carried while it was in use, and null otherwise.
function byPair(d) {
	return d.pairs.map((_, i) => d.times.map((_, j) => {
		// A line goes on to the first sample of the next pair, so that there is no gap.
		const here = d.pair[j] === i || (j > 0 && d.pair[j - 1] === i && d.pair[j] >= 0);
		return here && d.in[j] !== null ? d.in[j] + d.out[j] : null;
	}));
}

function draw(d) {
	drawn = d;
	const total = d.times.map((_, j) => (d.in[j] ?? 0) + (d.out[j] ?? 0));
	const mean = total.length ? total.reduce((a, b) => a + b, 0) / total.length : 0;
	const most = total.length ? Math.max(...total) : 0;
	text($('timeline-text'), d.times.length < 2 ? 'The timeline has begun; there is nothing to draw yet.' :
		`From ${time(d.times[0] * 1000)} to ${time(d.times.at(-1) * 1000)}: ${bits(mean)} on average, ${bits(most)} at most, in and out together; ` +
		`${count(d.switches.length, 'switch', 'switches')}, by ${count(d.pairs.length, 'pair', 'pairs')}.`);
	const palette = colours();
	list($('legend'), d.pairs, p => pairText(p),
		() => {
			const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
			svg.setAttribute('width', '36');
			svg.setAttribute('height', '8');
			svg.setAttribute('aria-hidden', 'true');
			const line = document.createElementNS(svg.namespaceURI, 'line');
			for (const [k, v] of Object.entries({x1: 0, x2: 36, y1: 4, y2: 4, 'stroke-width': 3}))
				line.setAttribute(k, v);
			svg.append(line);
			return el('li', {}, svg, el('span', {class: 'pair'}));
		},
		(e, p) => {
			const i = d.pairs.indexOf(p), line = e.firstChild.firstChild;
			line.setAttribute('stroke', palette[i % palette.length]);
			line.setAttribute('stroke-dasharray', dashes[i % dashes.length].join(' '));
			text(e.lastChild, pairText(p, p.interface));
		});
	showSwitches($('timeline-switches'), [...d.switches].reverse(), false);
	if (d.times.length < 2)
		return;
	const data = [d.times, ...byPair(d)];
	if (chart && chart.shape === d.pairs.length)
		chart.setData(data);
	else
		makeChart(d, data, palette);
}

function makeChart(d, data, palette) {
	chart?.destroy();
	const axis = {stroke: colour('--soft'), grid: {stroke: colour('--line'), width: 1}, ticks: {stroke: colour('--line')}};
	chart = new uPlot({
		width: $('chart').clientWidth, height: 260, legend: {show: false}, cursor: {show: false},
		series: [{}, ...d.pairs.map((_, i) => ({stroke: palette[i % palette.length], width: 2, dash: dashes[i % dashes.length], spanGaps: false}))],
		axes: [axis, {...axis, size: 80, values: (_, ticks) => ticks.map(bits)}],
		scales: {y: {range: (_, __, most) => [0, Math.max(most * 1.1, 1000)]}},
		hooks: {draw: [drawSwitches]},
	}, data, $('chart'));
	chart.shape = d.pairs.length;
}

// drawSwitches draws a line where a switch was.
function drawSwitches(u) {
	const c = u.ctx;
	c.save();
	c.strokeStyle = colour('--bad');
	c.lineWidth = 1.5 * devicePixelRatio;
	c.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
	for (const s of drawn.switches) {
		const x = u.valToPos(new Date(s.time) / 1000, 'x', true);
		if (x < u.bbox.left || x > u.bbox.left + u.bbox.width)
			continue;
		c.beginPath();
		c.moveTo(x, u.bbox.top);
		c.lineTo(x, u.bbox.top + u.bbox.height);
		c.stroke();
	}
	c.restore();
}

// --- theme, and the connection ---------------------------------------------------

function setTheme(theme, keep) {
	document.documentElement.dataset.theme = theme;
	text($('theme'), theme === 'dark' ? 'Light theme' : 'Dark theme');
	if (keep)
		localStorage.setItem('theme', theme);
	if (chart && drawn) {
		chart.destroy();
		chart = null;
		draw(drawn);
	}
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const wanted = () => localStorage.getItem('theme') || (dark.matches ? 'dark' : 'light');
setTheme(wanted(), false);
dark.addEventListener('change', () => setTheme(wanted(), false));
$('theme').addEventListener('click', () => setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark', true));
$('span-10m').addEventListener('click', () => setSpan('10m'));
$('span-24h').addEventListener('click', () => setSpan('24h'));
$('timeline-close').addEventListener('click', closeTimeline);
$('timeline').addEventListener('keydown', e => {
	if (e.key === 'Escape')
		closeTimeline();
});
$('find').addEventListener('submit', e => {
	e.preventDefault();
	const find = $('find-text').value.trim();
	turnTo(find === '' && !listed ? null : {from: 0, find});
});
$('pages-all').addEventListener('click', () => turnTo(listed ? null : {from: 0, find: ''}));
$('pages-back').addEventListener('click', e => turn(e.currentTarget, -1));
$('pages-next').addEventListener('click', e => turn(e.currentTarget, 1));
$('examine').addEventListener('click', () => {
	$('examine').disabled = true;
	fetch('/api/doctor', {method: 'POST'}).catch(() => {}).finally(() => { $('examine').disabled = false; });
});
addEventListener('resize', () => chart?.setSize({width: $('chart').clientWidth, height: 260}));
text($('host'), 'on ' + location.hostname);

function connect() {
	const source = new EventSource('/api/events');
	source.addEventListener('open', () => { $('lost').hidden = true; });
	source.addEventListener('screen', e => show(JSON.parse(e.data)));
	source.addEventListener('traffic', e => {
		traffic = JSON.parse(e.data);
		if (screen?.overview)
			showLinks(screen.overview.links);
	});
	source.addEventListener('error', () => {
		$('lost').hidden = false;
		// The browser tries again by itself unless it was refused.
		if (source.readyState === EventSource.CLOSED) {
			source.close();
			setTimeout(connect, 5000);
		}
	});
}
connect();
