"use strict";
// The chart and the jobs of a run, in the service and in the file by itself. No framework; every text
// goes in as text, never as HTML.
(() => {
  const REACH = 26; // So many pixels from a mark still point at it,
  const SAME = 6; // and marks so close to it lie at the same place.
  const byId = (id) => document.getElementById(id);
  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = String(text);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const facts = (pairs, kind = "facts") => {
    const list = make("dl", null, { class: kind });
    for (const [name, value] of pairs) {
      const item = make("div");
      item.append(make("dt", name), make("dd", value));
      list.append(item);
    }
    return list;
  };
  window.orchestra = { byId, make, facts };

  const run = byId("run");
  if (!run) return;
  const tip = byId("tip");
  const dialog = byId("job");
  let rows = new Map();
  const marksIn = (place) => [...place.querySelectorAll(".mark")];
  const markOf = (target) => (target.closest ? target.closest(".mark") : null);
  const name = (mark) => mark.dataset.config;

  // What a mark says.
  let pointed = [];
  const told = (mark) => {
    const row = rows.get(name(mark));
    const lines = [name(mark)];
    if (row) lines.push(Object.entries(row.parameters).map(([k, v]) => `${k} ${v}`).join(" · "));
    lines.push(mark.getAttribute("aria-label").slice(name(mark).length).replace(/^(, |: )/, ""));
    if (row && row.left) lines.push(`left the race in ${row.left}`);
    return lines.filter(Boolean).join("\n");
  };
  const place = () => {
    if (!pointed.length || !pointed[0].isConnected) { hide(); return; }
    const at = pointed[0].getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const above = at.top - size.height - 10;
    tip.style.left = `${Math.max(8, Math.min(at.left + 14, window.innerWidth - size.width - 8))}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 10}px`;
  };
  const show = (marks) => {
    for (const mark of pointed) mark.classList.remove("chosen");
    pointed = marks;
    for (const mark of marks) mark.classList.add("chosen");
    const more = marks.length - 1;
    const names = [...new Set(marks.slice(1).map(name))].slice(0, 8);
    tip.textContent = told(marks[0])
      + (more ? `\n\n${more} more at this place; click to choose:\n${names.join("\n")}` : "");
    tip.hidden = false;
    place();
  };
  const hide = () => {
    for (const mark of pointed) mark.classList.remove("chosen");
    pointed = [];
    tip.hidden = true;
  };
  // The marks at the one that is nearest to the pointer, the nearest first; those beneath others too.
  const at = (event) => {
    const chart = event.target.closest ? event.target.closest("svg.chart") : null;
    if (!chart) return [];
    const found = marksIn(chart).map((mark) => {
      const box = mark.getBoundingClientRect();
      return { mark, x: box.left + box.width / 2, y: box.top + box.height / 2 };
    });
    const from = (x, y) => (one) => Math.hypot(one.x - x, one.y - y);
    const near = from(event.clientX, event.clientY);
    const over = markOf(event.target);
    const nearest = found.find((one) => one.mark === over)
      || found.reduce((best, one) => (best && near(best) <= near(one) ? best : one), null);
    if (!nearest || near(nearest) > REACH) return [];
    const apart = from(nearest.x, nearest.y);
    const others = found.filter((one) => one !== nearest && apart(one) <= SAME);
    return [nearest, ...others.sort((a, b) => near(a) - near(b))].map((one) => one.mark);
  };

  // The dialog.
  const open = () => {
    hide();
    if (!dialog.open) dialog.showModal();
  };
  const openJob = (config) => {
    const row = rows.get(config);
    if (!row) return false;
    byId("job-title").textContent = config;
    const body = byId("job-body");
    body.replaceChildren(facts(Object.entries(row.parameters)));
    if (row.left) body.append(make("p", `Left the race in ${row.left}.`));
    for (const job of row.jobs) {
      body.append(make("h3", `${job.stage} · ${job.status}`), facts(Object.entries(job.figures)));
      for (const [reason, count] of Object.entries(job.failures)) body.append(make("p", `${reason}: ${count}`));
      const files = make("p");
      for (const [file, link] of Object.entries(job.files)) {
        files.append(make("a", file, { href: link, class: "mono" }), " ");
      }
      body.append(files);
    }
    if (!row.jobs.length) body.append(make("p", "No job of it is finished yet.", { class: "quiet" }));
    open();
    return true;
  };
  const openPlace = (configs) => {
    byId("job-title").textContent = `${configs.length} configurations at this place`;
    const list = make("ul", null, { class: "plain" });
    for (const config of configs) {
      const item = make("li");
      item.append(make("button", config, { type: "button", class: "mono", "data-config": config }));
      list.append(item);
    }
    byId("job-body").replaceChildren(list);
    open();
  };

  // The keyboard: one stop for the Tab key. From there left and right walk over all marks by latency, up
  // and down go to the nearest one of better or worse quality.
  const stop = (marks, chosen) => {
    for (const mark of marks) mark.setAttribute("tabindex", mark === chosen ? "0" : "-1");
  };
  const byLatency = (a, b) => a.dataset.x - b.dataset.x || b.dataset.y - a.dataset.y;
  const beyond = (marks, mark, sign) => {
    const gap = (other) => sign * (other.dataset.y - mark.dataset.y);
    const aside = (other) => Math.abs(other.dataset.x - mark.dataset.x);
    return marks.filter((other) => gap(other) > 0)
      .sort((a, b) => gap(a) - gap(b) || aside(a) - aside(b))[0];
  };
  const KEYS = {
    ArrowRight: (marks, mark) => marks[marks.indexOf(mark) + 1],
    ArrowLeft: (marks, mark) => marks[marks.indexOf(mark) - 1],
    ArrowUp: (marks, mark) => beyond(marks, mark, -1),
    ArrowDown: (marks, mark) => beyond(marks, mark, 1),
    Home: (marks) => marks[0],
    End: (marks) => marks[marks.length - 1],
  };
  const walk = (mark, key) => {
    const marks = marksIn(run).sort(byLatency);
    const next = KEYS[key](marks, mark);
    if (!next) return;
    stop(marks, next);
    next.focus();
  };

  // What the sections hold, as they are now.
  const read = () => {
    const data = byId("rows");
    rows = new Map(data ? JSON.parse(data.textContent).map((row) => [row.config_id, row]) : []);
    const marks = marksIn(run);
    const held = marks.find((mark) => mark === document.activeElement || mark.getAttribute("tabindex") === "0");
    stop(marks, held || run.querySelector(".mark.winner, .mark.challenger, .mark.baseline") || marks[0]);
    if (pointed.length) pointed.every((mark) => mark.isConnected) ? show(pointed) : hide();
  };
  read();
  run.addEventListener("orchestra:refreshed", read);
  run.addEventListener("pointermove", (event) => {
    const marks = at(event);
    if (marks.length) show(marks);
    else if (pointed.length && !pointed.includes(document.activeElement)) hide();
  });
  run.addEventListener("pointerleave", hide);
  run.addEventListener("focusin", (event) => { const mark = markOf(event.target); if (mark) show([mark]); });
  run.addEventListener("focusout", (event) => { if (markOf(event.target)) hide(); });
  run.addEventListener("keydown", (event) => {
    const mark = markOf(event.target);
    const plain = !(event.altKey || event.ctrlKey || event.metaKey || event.shiftKey); // else the browser's own
    if (mark && plain && event.key in KEYS) { event.preventDefault(); walk(mark, event.key); }
    if (mark && event.key === "Escape") hide();
  });
  run.addEventListener("click", (event) => {
    const link = event.target.closest("[data-config]");
    const marks = event.detail ? at(event) : []; // none: a key was pressed
    const configs = [...new Set(marks.map(name))];
    if (configs.length > 1) { openPlace(configs); event.preventDefault(); }
    else if ((link || marks.length) && openJob(link ? link.dataset.config : configs[0])) event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target.closest(".close")) dialog.close(); // no form: the sandbox of served files allows none
    const button = event.target.closest("[data-config]");
    if (button) { openJob(button.dataset.config); byId("job-title").focus(); }
  });
  window.addEventListener("scroll", () => { if (!tip.hidden) place(); }, { passive: true, capture: true });
  window.addEventListener("resize", () => { if (!tip.hidden) place(); });
})();
