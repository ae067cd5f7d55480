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
