// Tables are sorted by their heads; numbers as numbers.
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, i) => head.querySelector('button').addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending', value = row => row.cells[i].dataset.value;
    heads.forEach(h => h.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const compare = (a, b) => isNaN(a) || isNaN(b) ? String(a).localeCompare(b, undefined, {numeric: true}) : a - b;
    body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b))));
  }));
}
// A mark that is pointed at or has the focus is read out below its chart; arrow keys go from mark to mark.
for (const chart of document.querySelectorAll('figure.chart')) {
  const points = [...chart.querySelectorAll('.point')], readout = chart.querySelector('.readout');
  points.forEach((point, i) => {
    const show = () => { readout.textContent = point.getAttribute('aria-label'); };
    point.addEventListener('mouseenter', show);
    point.addEventListener('focus', show);
    point.addEventListener('keydown', event => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      if (!step) return;
      event.preventDefault();
      const next = points[(i + step + points.length) % points.length];
      point.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}
// What is folded is printed too.
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(d => { d.open = true; }));
