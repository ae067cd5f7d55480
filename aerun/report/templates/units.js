const data = JSON.parse(document.getElementById('data').textContent), STEP = 200;
const by = id => document.getElementById(id), figure = v => Number(v.toPrecision(3)).toString();
const make = (name, words, ...inside) => {
  const element = document.createElement(name);
  if (words !== undefined && words !== null) element.textContent = words;
  element.append(...inside);
  return element;
};
const share = v => v === 0 ? 'never' : v < 0.0001 ? figure(100 * v) + ' %' : (100 * v).toPrecision(3) + ' %';
// Everything that a search looks in, per unit, built when it is first needed.
let texts = null;
const plain = s => [s.where, ...[].concat(s.words || []), ...(s.cells || []).flat()].join(' ');
const textOf = unit => {
  const rows = [...(unit.top || []).map(t => t[0]), ...(unit.quantiles || []).map(q => q[1])];
  const found = rows.map(row => plain(data.samples[row]));
  if (unit.atom && unit.atom.elements) found.push(...unit.atom.elements.map(e => e[0]));
  if (unit.logits) found.push(...unit.logits.raised.map(w => w[0]), ...unit.logits.lowered.map(w => w[0]));
  return found.join(' ').toLowerCase();
};
let chosen = [], shown = 0;
const choose = () => {
  const asked = by('search').value.trim().toLowerCase(), alive = by('alive').checked, order = by('order').value;
  const number = /^\d+$/.test(asked) ? Number(asked) : null;
  if (asked && !texts) texts = data.units.map(textOf);
  chosen = data.units.filter(u => u.unit === number || ((!alive || u.density > 0) && (!asked || texts[u.unit].includes(asked))));
  const key = {unit: u => u.unit, density: u => -u.density, rare: u => u.density, largest: u => -(u.largest ?? -Infinity)}[order];
  chosen.sort((a, b) => (b.unit === number) - (a.unit === number) || key(a) - key(b) || a.unit - b.unit);
  by('list').replaceChildren();
  shown = 0;
  by('count').textContent = `${chosen.length.toLocaleString('en')} of ${data.units.length.toLocaleString('en')} units`;
  more();
  if (chosen.length) open(chosen.find(u => u.top && u.top.length) || chosen[0]);
  else by('unit').replaceChildren(make('p', 'No unit has that.'));
};
const more = () => {
  for (const unit of chosen.slice(shown, shown + STEP)) {
    const button = make('button', null, make('b', unit.unit), make('span', share(unit.density)));
    button.type = 'button';
    button.dataset.unit = unit.unit;
    button.title = unit.top ? '' : 'only counted: its samples were not asked for';
    button.addEventListener('click', () => open(unit));
    by('list').append(make('li', null, button));
  }
  shown = Math.min(chosen.length, shown + STEP);
  by('more').hidden = shown === chosen.length;
};
const polyline = lines => {
  const space = 'http://www.w3.org/2000/svg', svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 120 40');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'the series');
  const all = lines.flat(), low = Math.min(...all), high = Math.max(...all);
  lines.forEach((line, i) => {
    const drawn = document.createElementNS(space, 'polyline');
    const at = (v, k) => `${120 * k / Math.max(1, line.length - 1)},${38 - 36 * (v - low) / (high - low || 1)}`;
    drawn.setAttribute('points', line.map(at).join(' '));
    drawn.setAttribute('class', `line${i}`);
    svg.append(drawn);
  });
  return svg;
};
const picture = (source, words) => Object.assign(make('img'), {src: source, alt: words});
const content = sample => {
  if (sample.picture) return [picture(sample.picture, sample.where)];
  if (sample.lines) return [polyline(sample.lines)];
  if (sample.cells) return [make('dl', null, ...sample.cells.flatMap(([k, v]) => [make('dt', k), make('dd', v)]))];
  if (Array.isArray(sample.words))
    return [make('p', null, ...sample.words.flatMap((w, i) => [i === sample.marked ? make('mark', w) : w, ' ']))];
  return sample.words ? [make('p', sample.words)] : [];
};
const cards = (name, items) => {
  const list = make('ul', null, ...items.map(([mark, row, value]) => {
    const sample = data.samples[row], card = make('li', null, make('strong', figure(value)));
    if (mark) card.append(make('span', mark));
    card.append(...content(sample), make('small', sample.where));
    return card;
  }));
  list.className = 'cards';
  return [make('h3', name), list];
};
const link = number => {
  const button = make('button', number);
  button.type = 'button';
  button.addEventListener('click', () => open(data.units[number]));
  return button;
};
const pairs = (name, items) => {
  const list = make('ul', null, ...items.map(([word, v]) => make('li', null, word, ' ', make('small', figure(v)))));
  list.className = 'pairs';
  return [make('h3', name), list];
};
const open = unit => {
  const page = by('unit'), on = unit.density > 0;
  const words = on ? `On for ${share(unit.density)} of the samples; ${figure(unit.mean)} on average where it is on, at most ` +
    `${figure(unit.largest)}.` : 'Never on.';
  page.replaceChildren(make('h2', `Unit ${unit.unit}`), make('p', words));
  if (!unit.top) page.append(make('p', `Its samples were not asked for: --units ${unit.unit} shows them.`));
  if (unit.logits) page.append(...pairs('Outputs that it raises', unit.logits.raised), ...pairs('and lowers', unit.logits.lowered));
  if (unit.atom) {
    page.append(make('h3', `Atom, ${data.atoms}: norm ${figure(unit.atom.norm)}`));
    if (unit.atom.picture) page.append(picture(unit.atom.picture, 'its atom'), make('p', 'Grey is 0.'));
    else page.append(pairs('', unit.atom.elements)[1]);
    const near = make('ul', null, ...unit.nearest.map(([u, c]) => make('li', null, link(u), ' ', make('small', figure(c)))));
    near.className = 'pairs';
    page.append(make('h3', 'Nearest atoms, with their cosines'), near);
  }
  if (unit.top && unit.top.length) {
    page.append(...cards('Highest samples', unit.top.map(([row, v]) => ['', row, v])));
    page.append(...cards('Samples over the whole range', unit.quantiles.map(([q, row, v]) => [`${Math.round(100 * q)} %`, row, v])));
  }
  for (const button of document.querySelectorAll('#list button'))
    button.setAttribute('aria-current', Number(button.dataset.unit) === unit.unit);
  if (location.hash !== `#${unit.unit}`) history.replaceState(null, '', `#${unit.unit}`);
};
for (const id of ['search', 'order', 'alive']) by(id).addEventListener('input', choose);
by('asked').addEventListener('submit', event => event.preventDefault());
by('more').addEventListener('click', more);
const first = data.units[Number(location.hash.slice(1) || NaN)];
choose();
if (first) open(first);
