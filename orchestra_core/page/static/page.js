"use strict";
// The run page and the form. No framework; every text goes in as text, never as HTML, except the
// sections that this service itself has rendered.
(() => {
  const byId = (id) => document.getElementById(id);
  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = String(text);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, content: await answer.json() };
  };
  const trouble = (place, content) => {
    const note = make("div", null, { class: "note bad", role: "alert" });
    note.append(make("strong", content.message || "That did not work."));
    if (content.hint) note.append(make("br"), content.hint);
    place.replaceChildren(note);
  };
  const shown = (name, value) => {
    if (value === null || value === undefined) return "–";
    if (name.endsWith("_ms")) return `${Number(value.toPrecision(3))} ms`;
    if (name.startsWith("cost")) return `$${value.toPrecision(3)}`;
    if (name === "count" || name === "failures") return String(value);
    return value.toFixed(4);
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

  // One run.
  const run = byId("run");
  let rows = new Map();
  const readRows = () => {
    const data = byId("rows");
    rows = new Map(data ? JSON.parse(data.textContent).map((row) => [row.config_id, row]) : []);
  };
  const summary = (row) => {
    const lines = [row.config_id];
    lines.push(Object.entries(row.parameters).map(([k, v]) => `${k} ${v}`).join(" · "));
    lines.push(Object.entries(row.metrics).filter(([, v]) => v !== null)
      .map(([k, v]) => `${k} ${shown(k, v)}`).join(" · "));
    if (row.dropped !== null) lines.push(`left the race in rung ${row.dropped + 1} (${row.drop})`);
    return lines.filter(Boolean).join("\n");
  };
  const tip = byId("tip");
  const showTip = (mark) => {
    const row = rows.get(mark.dataset.config);
    if (!row || !tip) return;
    tip.textContent = summary(row);
    tip.hidden = false;
    const at = mark.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + 14), window.innerWidth - size.width - 8);
    const above = at.top - size.height - 10;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 10}px`;
  };
  const hideTip = () => { if (tip) tip.hidden = true; };
  const openJob = (name) => {
    const row = rows.get(name);
    const dialog = byId("job");
    if (!row || !dialog) return false;
    byId("job-title").textContent = name;
    const body = byId("job-body");
    body.replaceChildren(facts(Object.entries(row.parameters)));
    if (row.dropped !== null) body.append(make("p", `Left the race in rung ${row.dropped + 1}: ${row.drop}.`));
    for (const job of row.jobs) {
      body.append(make("h3", `${job.stage} · ${job.status}`));
      body.append(facts(Object.entries(job.metrics).filter(([, v]) => v !== null)
        .map(([k, v]) => [k, shown(k, v)])));
      for (const [reason, count] of Object.entries(job.failures)) body.append(make("p", `${reason}: ${count}`));
      const files = make("p");
      for (const [file, link] of Object.entries(job.files)) {
        files.append(make("a", file, { href: link, class: "mono" }), " ");
      }
      body.append(files);
    }
    if (!row.jobs.length) body.append(make("p", "No job of it is finished yet.", { class: "quiet" }));
    hideTip();
    if (!dialog.open) dialog.showModal();
    return true;
  };
  const walk = (mark, step) => {
    const marks = [...document.querySelectorAll(".mark")].sort((a, b) => a.dataset.x - b.dataset.x);
    const next = marks[marks.indexOf(mark) + step];
    if (next) focusMark(marks, next);
  };
  const focusMark = (marks, chosen) => {
    for (const mark of marks) mark.setAttribute("tabindex", mark === chosen ? "0" : "-1");
    chosen.focus();
  };
  const prepareMarks = () => {
    // One stop for the Tab key; the arrow keys walk from there.
    const marks = [...document.querySelectorAll(".mark")];
    const first = document.querySelector(".mark.winner, .mark.challenger, .mark.baseline") || marks[0];
    for (const mark of marks) mark.setAttribute("tabindex", mark === first ? "0" : "-1");
  };
  const markOf = (target) => (target.closest ? target.closest(".mark") : null);

  if (run) {
    readRows();
    prepareMarks();
    run.addEventListener("pointerover", (event) => { const mark = markOf(event.target); if (mark) showTip(mark); });
    run.addEventListener("pointerout", (event) => { if (markOf(event.target)) hideTip(); });
    run.addEventListener("focusin", (event) => { const mark = markOf(event.target); if (mark) showTip(mark); });
    run.addEventListener("focusout", (event) => { if (markOf(event.target)) hideTip(); });
    run.addEventListener("keydown", (event) => {
      const mark = markOf(event.target);
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (mark && step) { event.preventDefault(); walk(mark, step); }
      if (mark && event.key === "Escape") hideTip();
    });
    run.addEventListener("click", (event) => {
      const link = event.target.closest("[data-config]");
      if (link && openJob(link.dataset.config)) event.preventDefault();
      const button = event.target.closest("[data-do]");
      if (button) act(button);
    });
  }
  const act = async (button) => {
    button.disabled = true;
    const told = button.parentElement.querySelector("[data-told]");
    try {
      const answer = await post(`/orchestrate/${button.dataset.do}`, { run_id: run.dataset.run });
      if (answer.ok) window.setTimeout(() => window.location.reload(), 700);
      else { trouble(told, answer.content); button.disabled = false; }
    } catch (error) {
      trouble(told, { message: "The service does not answer." });
      button.disabled = false;
    }
  };

  // Live: any event makes the service's own rendering of the sections come anew, at most every 700 ms.
  const keepOpen = () => new Set([...run.querySelectorAll("details[open]")].map((d) => d.id));
  const take = (html) => {
    const incoming = document.createElement("template");
    incoming.innerHTML = html;
    const known = new Map([...run.querySelectorAll(":scope > section")].map((s) => [s.id, s]));
    const open = keepOpen();
    const focused = document.activeElement;
    const config = focused && focused.dataset ? focused.dataset.config : undefined;
    const within = focused && focused.closest ? focused.closest("section") : null;
    let before = null;
    for (const section of [...incoming.content.children]) {
      const old = known.get(section.id);
      known.delete(section.id);
      for (const details of section.querySelectorAll("details")) {
        if (open.has(details.id)) details.open = true;
      }
      if (old && old.dataset.was === section.innerHTML) { before = old; continue; }
      const was = section.innerHTML;
      if (old) old.replaceWith(section);
      else if (before) before.after(section);
      else run.prepend(section);
      section.dataset.was = was;
      before = section;
    }
    for (const gone of known.values()) gone.remove();
    readRows();
    prepareMarks();
    if (config && within && !document.contains(focused)) {
      const again = document.querySelector(`#${within.id} [data-config="${CSS.escape(config)}"]`);
      if (again) again.focus();
    }
  };
  const follow = () => {
    const told = byId("connection");
    let timer = 0;
    let busy = false;
    let ended = false;
    const refresh = async () => {
      timer = 0;
      if (busy) { later(); return; }
      busy = true;
      try {
        const answer = await fetch(`/runs/${encodeURIComponent(run.dataset.run)}/live`);
        if (answer.ok) take(await answer.text());
      } catch (error) {
        told.textContent = "The service does not answer; trying again.";
      }
      busy = false;
    };
    const later = () => { if (!timer) timer = window.setTimeout(refresh, ended ? 0 : 700); };
    const query = `run_id=${encodeURIComponent(run.dataset.run)}&after=${run.dataset.seq}`;
    const source = new EventSource(`/orchestrate/events?${query}`);
    source.onopen = () => { told.textContent = "Live."; later(); };
    source.onmessage = later;
    source.onerror = () => { if (!ended) told.textContent = "The connection is lost; trying again."; };
    source.addEventListener("end", () => {
      ended = true;
      source.close();
      told.textContent = "The run has ended.";
      window.clearTimeout(timer);
      timer = 0;
      refresh();
    });
  };
  if (run && run.dataset.live === "yes" && byId("connection")) follow();

  // The form.
  const form = byId("start");
  const value = (text) => {
    const trimmed = text.trim();
    if (trimmed === "true" || trimmed === "false") return trimmed === "true";
    return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
  };
  const bodyOf = () => {
    const body = { overrides: {} };
    for (const field of form.elements) {
      if (!field.name || (field.type === "checkbox" ? !field.checked : !field.value.trim())) continue;
      if (field.type === "checkbox") body[field.name] = true;
      else if (field.tagName === "SELECT") body[field.name] = field.value;
      else if ("list" in field.dataset) body.overrides[field.name] = field.value.split(",").map(value);
      else body.overrides[field.name] = value(field.value);
    }
    return body;
  };
  const duration = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s`
    : `${Math.round(seconds / 60)} min`);
  const showPlan = (content) => {
    const place = byId("plan");
    const table = make("table");
    const head = make("tr");
    for (const name of ["stage", "configurations", "queries per rung", "requests, at most"]) {
      head.append(make("th", name, { scope: "col" }));
    }
    table.append(head);
    for (const stage of content.plan.stages) {
      const row = make("tr");
      row.append(make("th", stage.name, { scope: "row" }));
      row.append(make("td", stage.config_ids.length || ""));
      row.append(make("td", stage.rungs.map((rung) => rung.length).join(", ")));
      row.append(make("td", stage.requests.toLocaleString("en")));
      table.append(row);
    }
    const scroll = make("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stages of the plan" });
    scroll.append(table);
    const body = place.querySelector("div");
    body.replaceChildren(
      facts([["Data", content.plan.dataset], ["Configurations", content.plan.configurations.length],
        ["Requests, at most", content.requests.toLocaleString("en")],
        ["Time, about", `${duration(content.estimated_seconds)} (${content.estimate_basis})`],
        ["Plan", content.plan_hash.slice(0, 12)]]),
      scroll,
    );
    for (const ruling of content.rulings.filter((r) => r.kind !== "allow")) {
      body.append(make("p", `${ruling.kind} by ${ruling.plugin} (${ruling.rule}): ${ruling.reason}`));
    }
    const list = make("details");
    list.append(make("summary", `${content.plan.configurations.length} configurations`));
    list.append(make("p", content.plan.configurations.map((c) => c.config_id).join("  "), { class: "mono chips" }));
    body.append(list);
    place.hidden = false;
    place.focus();
  };
  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const dry = !event.submitter || event.submitter.value === "dry";
      const told = byId("told");
      const buttons = form.querySelectorAll("button");
      for (const button of buttons) button.disabled = true;
      told.textContent = dry ? "Planning …" : "Starting …";
      try {
        const answer = await post("/orchestrate/run", { ...bodyOf(), dry_run: dry });
        if (!answer.ok) trouble(told, answer.content);
        else if (dry) { told.textContent = "Nothing was sent."; showPlan(answer.content); }
        else window.location.assign(`/runs/${encodeURIComponent(answer.content.run_id)}`);
      } catch (error) {
        trouble(told, { message: "The service does not answer.", hint: "Is it still running?" });
      }
      for (const button of buttons) button.disabled = false;
    });
    const table = byId("runs").tBodies[0];
    window.setInterval(async () => {
      if (document.hidden || table.contains(document.activeElement)) return;
      try {
        const answer = await fetch("/runs");
        if (answer.ok) table.innerHTML = await answer.text();
      } catch (error) { /* the next time, perhaps */ }
    }, 3000);
  }
})();
