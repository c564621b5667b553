// SPDX-License-Identifier: BSD-3-Clause
//
// Looks for what is cut off or lies over something else, and returns a sentence for each.
(() => {
	const faults = [];
	const width = document.documentElement.clientWidth;
	const say = (e, what) => faults.push(`${e.tagName}#${e.id}.${e.className}: ${what}: ${e.textContent.trim().slice(0, 60)}`);
	const visible = e => e.checkVisibility() && e.getClientRects().length > 0 && !e.closest('.hidden, .skip');
	if (document.documentElement.scrollWidth > width)
		faults.push(`the page is ${document.documentElement.scrollWidth} wide, of ${width}`);
	const texts = [];
	for (const e of document.body.querySelectorAll('*')) {
		if (!visible(e))
			continue;
		const r = e.getBoundingClientRect();
		if (r.right > width + 1 || r.left < -1)
			say(e, `from ${r.left} to ${r.right}, of ${width}`);
		if (getComputedStyle(e).overflow !== 'visible' && e.scrollWidth > e.clientWidth + 1)
			say(e, 'its content is cut off');
		if ([...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.textContent.trim()))
			texts.push(e);
		if (e.tagName === 'BUTTON' && r.height < 44)
			say(e, `${r.height} high, too small for a finger`);
	}
	// The text of one element does not lie over that of another one.
	const boxes = texts.map(e => {
		const range = document.createRange();
		const rects = [];
		for (const n of e.childNodes) {
			if (n.nodeType === Node.TEXT_NODE && n.textContent.trim()) {
				range.selectNodeContents(n);
				rects.push(...range.getClientRects());
			}
		}
		return {e, rects};
	});
	const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
	for (let i = 0; i < boxes.length; i++) {
		for (let j = i + 1; j < boxes.length; j++) {
			if (boxes[i].rects.some(a => boxes[j].rects.some(b => over(a, b))))
				say(boxes[i].e, `lies over ${boxes[j].e.textContent.trim().slice(0, 60)}`);
		}
	}
	return faults;
})()
