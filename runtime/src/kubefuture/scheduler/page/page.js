"use strict";

// Asks for status.json again and again, and shows it. What comes from users is only ever set as text.

const EVERY = 2000, PATIENCE = 8000;
const byId = (id) => document.getElementById(id);
const text = (id, words) => { byId(id).textContent = words; };
const number = (value) => value.toLocaleString("en-US");
const many = (count, one, more) => `${number(count)} ${count === 1 ? one : more}`;
let latest = null, answered = 0;

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

function make(kind, name, words) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (words !== undefined) made.textContent = words;
  return made;
}

function bar(share, name) {
  const track = make("div", name ? `bar ${name}` : "bar"), filled = make("div");
  filled.style.width = `${Math.round(1000 * Math.min(1, share)) / 10}%`;
  track.append(filled);
  return track;
}

// The same rows stay, so that bars glide and a selection of text is kept.
function rows(place, things, empty) {
  const before = new Map([...place.children].map((row) => [row.dataset.key, row]));
  const now = things.map((thing) => {
    const known = before.get(thing.key);
    if (known && known.dataset.shown === thing.shown) return known;
    const row = thing.build();
    if (known) {
      const [from, to] = [known, row].map((one) => one.querySelector(".bar > div"));
      if (from && to) {
        const width = to.style.width;
        to.style.width = from.style.width;
        requestAnimationFrame(() => requestAnimationFrame(() => { to.style.width = width; }));
      }
    }
    row.dataset.key = thing.key;
    row.dataset.shown = thing.shown;
    return row;
  });
  if (!now.length) now.push(make(place.tagName === "OL" ? "li" : "p", "nothing", empty));
  if (now.length !== place.children.length || now.some((row, i) => row !== place.children[i])) {
    place.replaceChildren(...now);
  }
}

function mapRow(map) {
  const row = make("div", "row"), line = make("div", "line"), name = make("div", "name", map.name || map.function || "a map");
  const facts = [];
  if (map.name && map.function) facts.push(map.function);
  if (!map.name) facts.push("without a name");
  name.append(make("small", "", facts.join(", ")));
  const known = map.elements >= 0;
  line.append(name, make("div", "count", known ? `${number(map.done)} of ${number(map.elements)}` : `${number(map.done)} done`));
  const details = [map.state === "running" ? `${number(map.running)} running` : map.state];
  if (map.retried) details.push(`${number(map.retried)} run again`);
  if (map.begun) details.push(`begun ${span(latest.at - map.begun)} ago`);
  const share = known ? (map.elements ? map.done / map.elements : 1) : 0;
  row.append(line, bar(share, map.state), make("p", "more", details.join(" · ")));
  return row;
}

function nodeRow(node) {
  const row = make("div", "row"), line = make("div", "line"), details = [];
  line.append(make("div", "name", node.name), make("div", "count", `${number(node.busy)} of ${number(node.slots)} busy`));
  row.append(line, bar(node.slots ? node.busy / node.slots : 0));
  if (node.away) details.push(`${number(node.away)} do not answer`);
  if (node.leaving) details.push(`${number(node.leaving)} finish what they run, then go`);
  if (details.length) row.append(make("p", "more", details.join(" · ")));
  return row;
}

function troubleRow(trouble) {
  const row = make("li"), when = new Date(1000 * trouble.at), time = make("time", "", when.toLocaleTimeString("en-GB"));
  time.dateTime = when.toISOString();
  time.title = when.toLocaleString();
  row.append(time, make("span", "", trouble.words));
  return row;
}

function show(told) {
  const { workers, elements, nodes, maps, troubles } = told;
  document.title = `${told.project}: ${elements.waiting + elements.running ? `${number(elements.waiting + elements.running)} to go` : "idle"}`;
  text("project", told.project);
  text("busy", number(workers.busy));
  text("connected", ` of ${number(workers.connected)} busy`);
  byId("busy-bar").style.width = `${workers.connected ? 100 * workers.busy / workers.connected : 0}%`;
  const about = [];
  if (workers.wanted !== workers.connected) about.push(`${number(workers.wanted)} wanted`);
  if (workers.away) about.push(`${number(workers.away)} do not answer`);
  if (workers.leaving) about.push(`${number(workers.leaving)} leaving`);
  text("workers-more", about.join(", ") || `on ${many(nodes.length, "node", "nodes")}`);
  text("waiting", number(elements.waiting));
  text("running", `${number(elements.running)} handed out`);
  text("done", number(elements.done));
  text("done-more", `${number(elements.failed)} failed, ${number(elements.retried)} run again`);
  text("up", span(told.up_seconds));
  text("up-more", `${many(told.programs, "program", "programs")} connected`);
  rows(byId("maps"), maps.map((map) => ({
    key: `${map.session}/${map.call}`, shown: JSON.stringify([map, map.begun && span(told.at - map.begun)]), build: () => mapRow(map),
  })), "No map is at work.");
  const more = [];
  if (told.more_maps) more.push(`${many(told.more_maps, "more map", "more maps")}`);
  if (told.futures) more.push(many(told.futures, "single future", "single futures"));
  text("maps-more", more.length ? `and ${more.join(", ")}` : "");
  rows(byId("nodes"), nodes.map((node) => ({
    key: node.name, shown: JSON.stringify(node), build: () => nodeRow(node),
  })), "No worker is connected.");
  rows(byId("troubles"), troubles.map((trouble) => ({
    key: `${trouble.at} ${trouble.words}`, shown: trouble.words, build: () => troubleRow(trouble),
  })), "Nothing.");
}

function state(words, kind) {
  const place = byId("connection");
  if (place.textContent !== words) place.textContent = words;
  place.className = kind;
  byId("content").classList.toggle("stale", kind === "bad");
}

async function look() {
  try {
    const answer = await fetch("status.json", { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(answer.statusText);
    latest = await answer.json();
    answered = Date.now();
    show(latest);
    byId("content").hidden = false;
    state("live", "good");
    text("seen", `Seen at ${new Date(answered).toLocaleTimeString("en-GB")}`);
  } catch {
    state(answered ? `no answer since ${new Date(answered).toLocaleTimeString("en-GB")}; trying again` : "no answer; trying again", "bad");
  }
  setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && latest) show(latest); });
look();
