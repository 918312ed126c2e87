// The scene of a pore network: what is shown, how it is looked at, and what is under the pointer.

const scene = JSON.parse(document.getElementById("data").textContent);
const canvas = document.getElementById("canvas");
const tooltip = document.getElementById("tooltip");
const ATOM_FADE = [0.1, 0.6], GHOST_FADE = 0.62, LINE_END_FADE = 0.85; // of an atom: inside and outside of the cell
const LATE = 70; // milliseconds
const BOND_RADIUS = 0.085, HOP_RADIUS = 0.15, EDGE_RADIUS = 0.05, HALO = 1.3;
const AXIS_COLOURS = ["#d14b4b", "#3c9a4e", "#4169c8"];

const known = new Map();
const rgb = (hex) => {
  if (!known.has(hex)) known.set(hex, [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255));
  return known.get(hex);
};
const add = (a, b, s = 1) => a.map((x, k) => x + s * b[k]);
const point = (list, k) => list.slice(3 * k, 3 * k + 3);
const latticePoint = (n) => [0, 1, 2].map((k) => n[0] * scene.cell[0][k] + n[1] * scene.cell[1][k] + n[2] * scene.cell[2][k]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => a.map((x) => x / Math.hypot(...a));
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

function barrierColour(barrier) {
  const at = Math.min(Math.max(barrier / scene.top, 0), 1) * (scene.stops.length - 1);
  const k = Math.min(Math.floor(at), scene.stops.length - 2);
  const [low, high] = [rgb(scene.stops[k]), rgb(scene.stops[k + 1])];
  return low.map((x, n) => x + (at - k) * (high[n] - x));
}

// ---- what is shown

const shown = {
  framework: true,
  beyond: true,
  elements: scene.elements.map(() => true),
  species: scene.species.map((_, k) => k === 0),
  sites: scene.siteOrbits.map(() => true),
  hops: scene.hopOrbits.map(() => true),
  highest: scene.species.map((species) => species.highest),
};
let pickable = [];
let spheres = [], rods = [];

function addBall(place, radius, colour, fade, text) {
  spheres.push(...place, radius, ...colour, fade);
  pickable.push({ a: place, radius, text });
}

function addRod(a, b, radius, colour, fade, fadeEnd, text) {
  rods.push(...a, radius, ...b, fadeEnd, ...colour, fade);
  if (text) pickable.push({ a, b, radius, text });
}

function addCell() {
  const grey = rgb("#8a909b");
  for (let axis = 0; axis < 3; axis++)
    for (const [p, q] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      const start = [0, 0, 0], end = [0, 0, 0];
      start[(axis + 1) % 3] = end[(axis + 1) % 3] = p;
      start[(axis + 2) % 3] = end[(axis + 2) % 3] = q;
      end[axis] = 1;
      addRod(latticePoint(start), latticePoint(end), EDGE_RADIUS * scene.thickness, p + q ? grey : rgb(AXIS_COLOURS[axis]), 0, 0);
    }
}

function addFramework() {
  const { place, element: kind, charge, outside } = scene.atoms;
  kind.forEach((e, k) => {
    if (!shown.elements[e]) return;
    const [symbol, colour, radius] = scene.elements[e];
    addBall(point(place, k), radius, rgb(colour), ATOM_FADE[outside[k]], () => [symbol, `charge ${charge[k].toFixed(3)} e`]);
  });
  scene.bonds.atom.forEach((atom, k) => {
    const e = kind[atom];
    if (!shown.elements[e] || !shown.elements[scene.bonds.partner[k]]) return;
    const start = point(place, atom), fade = ATOM_FADE[outside[atom]];
    addRod(start, add(start, point(scene.bonds.half, k)), BOND_RADIUS, rgb(scene.elements[e][1]), fade, fade);
  });
}

function siteText(site, ghost) {
  const orbit = scene.siteOrbits[scene.sites.orbit[site]];
  return () => [...orbit.text, ...(ghost ? ["in a neighbouring cell"] : [])];
}

function addSites() {
  scene.sites.orbit.forEach((o, k) => {
    const orbit = scene.siteOrbits[o];
    if (!shown.species[orbit.species] || !shown.sites[o]) return;
    addBall(point(scene.sites.place, k), scene.species[orbit.species].radius, rgb(orbit.colour), 0, siteText(k, false));
  });
}

function addHops() {
  const ghosts = new Map();
  const { from, to, image, orbit } = scene.hops;
  const outwards = (i, j, shift, colour, text) => {
    const end = add(point(scene.sites.place, j), latticePoint(shift));
    addRod(point(scene.sites.place, i), end, 0.8 * HOP_RADIUS, colour, 0.1, LINE_END_FADE, text);
    ghosts.set(`${j} ${shift}`, [j, end]);
  };
  orbit.forEach((o, k) => {
    const hop = scene.hopOrbits[o];
    if (!shown.species[hop.species] || !shown.hops[o] || hop.saddle > shown.highest[hop.species] + 1e-9) return;
    const colour = barrierColour(hop.barrier), shift = point(image, k), text = () => hop.text;
    if (shift.every((n) => n === 0))
      addRod(point(scene.sites.place, from[k]), point(scene.sites.place, to[k]), HOP_RADIUS, colour, 0, 0, text);
    else if (shown.beyond) {
      outwards(from[k], to[k], shift, colour, text);
      outwards(to[k], from[k], shift.map((n) => -n), colour, text);
    }
  });
  for (const [site, place] of ghosts.values()) {
    const o = scene.sites.orbit[site], orbit = scene.siteOrbits[o];
    if (shown.sites[o]) addBall(place, 0.75 * scene.species[orbit.species].radius, rgb(orbit.colour), GHOST_FADE, siteText(site, true));
  }
}

function rebuild() {
  spheres = [];
  rods = [];
  pickable = [];
  addCell();
  if (shown.framework) addFramework();
  addSites();
  addHops();
  hovered = null;
  changed = true;
  redraw();
}

// ---- how it is looked at

const view = { centre: latticePoint([0.5, 0.5, 0.5]), radius: 0, distance: 0, turn: [], shift: [0, 0], zoomed: false };
for (const corner of [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
  view.radius = Math.max(view.radius, Math.hypot(...add(latticePoint(corner), view.centre, -1)));

// Rows of the turn are the directions to the right, up, and towards the eye.
function lookAlong(towardsEye, up) {
  const forward = unit(towardsEye), right = unit(cross(up, forward));
  view.turn = [right, cross(forward, right), forward];
}

function reset() {
  const [a, b, c] = scene.cell;
  const up = unit(c), front = unit(add(a, up, -dot(a, up))), side = cross(up, front);
  lookAlong(add(add(front.map((x) => 0.42 * x), side, -0.87), up, 0.26), c);
  view.shift = [0, 0];
  fit();
}

function fit() {
  const widest = Math.min(1, canvas.clientWidth / canvas.clientHeight);
  view.distance = (0.92 * view.radius) / Math.sin(FIELD_OF_VIEW / 2) / widest;
  view.zoomed = false;
}

function turnBy(dx, dy) {
  const angle = Math.hypot(dx, dy);
  if (!angle) return;
  const [x, y] = [dy / angle, dx / angle], c = Math.cos(angle), s = Math.sin(angle), t = 1 - c;
  const step = [[t * x * x + c, t * x * y, s * y], [t * x * y, t * y * y + c, -s * x], [-s * y, s * x, c]];
  const rows = step.map((row) => [0, 1, 2].map((k) => row[0] * view.turn[0][k] + row[1] * view.turn[1][k] + row[2] * view.turn[2][k]));
  const forward = unit(rows[2]), right = unit(cross(rows[1], forward));
  view.turn = [right, cross(forward, right), forward];
  redraw();
}

function zoomBy(factor) {
  view.distance = Math.min(Math.max(view.distance * factor, 0.15 * view.radius), 40 * view.radius);
  view.zoomed = true;
  redraw();
}

function moveBy(dx, dy) {
  const perLength = canvas.clientHeight / (2 * Math.tan(FIELD_OF_VIEW / 2) * view.distance);
  view.shift = [view.shift[0] - dx / perLength, view.shift[1] + dy / perLength];
  redraw();
}

// ---- drawing

let renderer, hovered = null, changed = true, waiting = false, coarse = false, settle = 0;
const paperColour = () => rgb(getComputedStyle(document.documentElement).getPropertyValue("--paper").trim());

// Where a frame comes late the next ones are drawn with fewer pixels, until nothing moves any more.
function redraw() {
  if (waiting || !renderer) return;
  waiting = true;
  const asked = performance.now();
  requestAnimationFrame(() => {
    waiting = false;
    coarse ||= performance.now() - asked > LATE;
    draw();
    clearTimeout(settle);
    if (coarse)
      settle = setTimeout(() => {
        coarse = false;
        draw();
      }, 300);
  });
}

function draw() {
  const sharpness = coarse ? 1 : Math.max(2, window.devicePixelRatio || 1);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * sharpness) || canvas.height !== Math.round(height * sharpness)) {
    canvas.width = Math.round(width * sharpness);
    canvas.height = Math.round(height * sharpness);
  }
  if (changed) {
    const [balls, lines] = [[...halo(false)], [...halo(true)]];
    renderer.fill(renderer.spheres, spheres.concat(balls));
    renderer.fill(renderer.rods, rods.concat(lines));
    changed = false;
  }
  renderer.draw(view, paperColour());
  for (const label of document.querySelectorAll(".axis")) {
    const n = [0, 0, 0], k = Number(label.dataset.axis);
    n[k] = 1 + (0.06 * view.radius) / Math.hypot(...scene.cell[k]);
    const at = project(view, latticePoint(n), width, height);
    label.style.left = `${at.x}px`;
    label.style.top = `${at.y}px`;
  }
  drawScale(height);
}

function halo(rod) {
  if (!hovered || Boolean(hovered.b) !== rod) return [];
  const bright = rgb("#ffd23f");
  return rod
    ? [...hovered.a, HALO * hovered.radius, ...hovered.b, 0, ...bright, 0]
    : [...hovered.a, 1.12 * hovered.radius, ...bright, 0];
}

function drawScale(height) {
  const perLength = height / (2 * Math.tan(FIELD_OF_VIEW / 2) * view.distance);
  const length = [0.5, 1, 2, 5, 10, 20, 50, 100].filter((l) => l * perLength < 130).pop() ?? 0.5;
  document.querySelector("#scale i").style.width = `${length * perLength}px`;
  document.querySelector("#scale span").textContent = `${length} Å`;
}

// ---- what is under the pointer

function under(x, y) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  let best = null, nearest = Infinity;
  for (const thing of pickable) {
    let at = project(view, thing.a, width, height);
    if (thing.b) {
      const end = project(view, thing.b, width, height);
      const [dx, dy] = [end.x - at.x, end.y - at.y];
      const share = Math.min(Math.max(((x - at.x) * dx + (y - at.y) * dy) / (dx * dx + dy * dy || 1), 0), 1);
      at = { x: at.x + share * dx, y: at.y + share * dy, depth: at.depth + share * (end.depth - at.depth), scale: at.scale };
    }
    const reach = Math.max(thing.radius * at.scale, 4);
    const front = at.depth - thing.radius;
    if (front < nearest && front > 0 && Math.hypot(x - at.x, y - at.y) < reach) [best, nearest] = [thing, front];
  }
  return best;
}

function hover(x, y) {
  const thing = under(x, y);
  if (thing !== hovered) {
    hovered = thing;
    changed = true;
    tooltip.hidden = !thing;
    if (thing) {
      const [title, ...lines] = thing.text();
      tooltip.replaceChildren(element("b", { textContent: title }), ...lines.map((line) => element("div", { textContent: line })));
    }
    redraw();
  }
  if (!thing) return;
  const box = canvas.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, Math.min(x + 14, box.width - tooltip.offsetWidth - 6))}px`;
  tooltip.style.top = `${Math.max(4, Math.min(y + 14, box.height - tooltip.offsetHeight - 6))}px`;
}

function listen() {
  const pointers = new Map();
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) {
      hover(event.offsetX, event.offsetY);
      return;
    }
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    const before = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (before) zoomBy(before / Math.max(spread(), 1));
    else if (event.shiftKey || event.buttons === 4) moveBy(dx, dy);
    else turnBy(0.008 * dx, 0.008 * dy);
  });
  canvas.addEventListener("pointerleave", () => hover(-1e6, -1e6));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(0.0012 * event.deltaY));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow && event.shiftKey) moveBy(20 * arrow[0], 20 * arrow[1]);
    else if (arrow) turnBy(0.08 * arrow[0], 0.08 * arrow[1]);
    else if (event.key === "+" || event.key === "=") zoomBy(0.9);
    else if (event.key === "-") zoomBy(1.1);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => {
    if (!view.zoomed) fit();
    if (renderer) draw();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

// ---- the panel

function box(content, checked, change, note = "") {
  const input = element("input", { type: "checkbox", checked });
  input.addEventListener("change", () => {
    change(input.checked);
    rebuild();
  });
  return element("label", {}, input, ...content, element("span", { className: "note", textContent: note }));
}

function mark(className, colour) {
  const made = element("span", { className });
  made.style.background = colour;
  return made;
}

const css = (colour) => `rgb(${colour.map((x) => Math.round(255 * x))})`;

function siteControl(orbit, o) {
  const label = box([mark("dot", orbit.colour), orbit.name], true, (on) => (shown.sites[o] = on), orbit.note);
  label.title = orbit.text.join("\n");
  return label;
}

function hopControl(hop, o) {
  const [from, to] = hop.ends.map((k) => mark("dot", scene.siteOrbits[k].colour));
  const line = mark("dash", css(barrierColour(hop.barrier)));
  const label = box([element("span", { className: "hop" }, from, line, to), hop.name], true, (on) => (shown.hops[o] = on), hop.note);
  label.title = hop.text.join("\n");
  return label;
}

function speciesControls(species, s) {
  const group = element("details", { open: shown.species[s] }, element("summary", {}, species.name, element("span", { className: "note", textContent: species.note })));
  group.append(element("h3", {}, "sites", element("span", { textContent: "per cell × energy above deepest, eV" })));
  scene.siteOrbits.forEach((orbit, o) => orbit.species === s && group.append(siteControl(orbit, o)));
  if (scene.hopOrbits.some((hop) => hop.species === s)) {
    group.append(element("h3", {}, "hops", element("span", { textContent: "length, Å · barrier, eV" })));
    scene.hopOrbits.forEach((hop, o) => hop.species === s && group.append(hopControl(hop, o)));
  }
  if (species.highest > 0) group.append(...pathControl(species, s));
  return group;
}

// Hops with a saddle up to a level above the deepest site: where they first connect, the crystal is crossed.
function pathControl(species, s) {
  const value = element("span");
  const slider = element("input", { type: "range", min: 0, max: 400, step: 1, value: 400 });
  slider.setAttribute("aria-label", `highest saddle shown for ${species.name}`);
  const tell = () => (value.textContent = `up to ${shown.highest[s].toFixed(3)} eV above deepest site`);
  slider.addEventListener("input", () => {
    shown.highest[s] = (species.highest * Number(slider.value)) / 400;
    tell();
    rebuild();
  });
  tell();
  return [element("h3", {}, "saddles", value), slider, crossingMarks(species)];
}

// Where on the slider the crystal is first crossed in 1, 2 and 3 directions; marks too near each other become one.
function crossingMarks(species) {
  const marks = [];
  species.crossing.forEach((level, k) => {
    const at = level === null ? Infinity : Math.max(level, 0) / species.highest;
    if (at > 1.0001) return;
    const last = marks.at(-1);
    if (last && at - last.at < 0.08) last.to = k + 1;
    else marks.push({ at, from: k + 1, to: k + 1 });
  });
  const made = element("div", { className: "marks", title: "energies at which a path first crosses the crystal in 1, 2 and 3 directions" });
  for (const { at, from, to } of marks) {
    const text = element("span", { textContent: from === to ? `${from}D` : `${from}D–${to}D` });
    text.style.left = `${100 * at}%`;
    if (at > 0.85) text.style.transform = "translateX(-75%)";
    made.append(text);
  }
  return made;
}

function fillPanel() {
  const button = (text, change) => {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", () => {
      change();
      redraw();
    });
    return made;
  };
  const along = (k) => button(`along ${"abc"[k]}`, () => {
    lookAlong(scene.cell[k], scene.cell[k === 2 ? 1 : 2]);
    view.shift = [0, 0];
    fit();
  });
  const species = scene.species.map(speciesControls);
  const choices = scene.species.map((one, s) =>
    box([one.name], shown.species[s], (on) => {
      shown.species[s] = on;
      species[s].open = on;
    }),
  );
  const elements = element("div", { className: "row" }, ...scene.elements.map(([symbol, colour], e) =>
    box([mark("dot", colour), symbol], true, (on) => (shown.elements[e] = on)),
  ));
  choices.push(box(["framework"], true, (on) => (shown.framework = on)), box(["next cells"], true, (on) => (shown.beyond = on)));
  document.getElementById("panel").append(
    element("div", { className: "row" }, along(0), along(1), along(2), button("reset", reset)),
    element("div", { className: "row" }, ...choices),
    elements,
    ...species,
  );
}

function fillLegend() {
  document.querySelector("#colourbar .gradient").style.background = `linear-gradient(to top, ${scene.stops.join(", ")})`;
  for (const value of scene.ticks) {
    const tick = element("span", { textContent: value });
    tick.style.bottom = `${(100 * Number(value)) / scene.top}%`;
    document.querySelector("#colourbar .ticks").append(tick);
  }
  document.getElementById("colourbar").hidden = !scene.hopOrbits.length;
  for (const label of document.querySelectorAll(".axis")) {
    const k = Number(label.dataset.axis);
    label.append(element("i", { textContent: "abc"[k] }), ` ${Math.hypot(...scene.cell[k]).toFixed(2)} Å`);
    label.style.color = AXIS_COLOURS[k];
  }
}

function start() {
  fillPanel();
  fillLegend();
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (!gl) {
    const problem = document.getElementById("problem");
    problem.textContent = "The three-dimensional view needs WebGL 2, which this browser does not offer. The tables below are complete.";
    problem.hidden = false;
    return;
  }
  const begin = () => {
    renderer = new Renderer(gl);
    rebuild();
  };
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", begin);
  reset();
  listen();
  begin();
}

start();
