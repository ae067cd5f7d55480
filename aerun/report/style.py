"""How the page looks and what it can do: readable at phone width, printable, usable by keyboard."""

CSS = """
:root { color-scheme: light; --line: #d5d5d5; --soft: #f5f6f7; --link: #0057a3; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.answer { background: var(--soft); border-left: 4px solid #0072B2; padding: .75rem 1rem; }
.answer p { margin: .25rem 0; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; flex: 1 1 20rem; min-width: 0; max-width: 44rem; }
svg { width: 100%; height: auto; } svg text { font-size: 13px; fill: #1b1b1b; } svg .tick { font-size: 12px; fill: #444; }
.grid { stroke: #e5e5e5; } .mark { stroke: #444; stroke-dasharray: 2 3; } svg g:focus { outline: 2px solid var(--link); }
.legend { list-style: none; padding: 0; margin: .25rem 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .9rem; }
.key { width: 1rem; height: 1rem; vertical-align: -2px; margin-right: .3rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .92rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; white-space: nowrap; }
th.word, td.word { text-align: left; } tbody tr:hover { background: var(--soft); }
th button { font: inherit; font-weight: 600; background: none; border: 0; padding: 0; cursor: pointer; color: var(--link); }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
code { font: .88rem ui-monospace, monospace; overflow-wrap: anywhere; white-space: normal; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; } .pictures figure { flex: 1 1 22rem; }
img { max-width: 100%; height: auto; border: 1px solid var(--line); }
.failed { color: #a32a00; } footer { margin-top: 2rem; font-size: .88rem; color: #444; }
@media print { body { max-width: none; font-size: 11px; } details > * { display: block; } th button { color: #000; }
  figure, tr { break-inside: avoid; } }
"""

# Tables are sorted by their heads; numbers as numbers.
SCRIPT = """
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
"""
