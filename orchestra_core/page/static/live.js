"use strict";
// What only the service can do: follow a run, end it, go on with it, and the form. The service renders;
// its sections are morphed into those that are there, so that focus, scrolling, what is unfolded and a
// pressed button stay. Idiomorph does that.
(() => {
  const { byId, make, facts } = window.orchestra;
  const SOON = 700; // ms between two looks at a run, at least
  const AGAIN = 5000;
  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, content: await answer.json() };
  };
  const SILENT = { message: "The service does not answer.", hint: "Is it still running?" };
  const trouble = (place, content) => {
    const note = make("div", null, { class: "note bad", role: "alert", tabindex: "-1" });
    note.append(make("strong", content.message || "That did not work."));
    if (content.hint) note.append(make("br"), content.hint);
    place.replaceChildren(note);
    note.focus();
  };
  // A button that is `disabled` would lose the focus; this one says so, and does nothing.
  const isOff = (button) => button.getAttribute("aria-disabled") === "true";
  const turn = (buttons, off) => {
    for (const button of buttons) {
      if (off) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  };
  // What the user or a script has set, and the service does not know of.
  const OWN = { DETAILS: "open", A: "tabindex", BUTTON: "aria-disabled" };
  const morph = (place, html) => {
    const focused = document.activeElement;
    Idiomorph.morph(place, html, {
      morphStyle: "innerHTML",
      callbacks: {
        beforeNodeMorphed: (old, incoming) => old.id !== "told" && !old.isEqualNode(incoming),
        beforeAttributeUpdated: (attribute, node) => OWN[node.tagName.toUpperCase()] !== attribute,
      },
    });
    return focused === document.body || focused.isConnected;
  };

  // One run.
  const run = byId("run");
  const told = byId("told");
  const follow = () => {
    const connection = byId("connection");
    let timer = 0;
    let busy = false;
    let ended = false;
    let source = null;
    const refresh = async () => {
      timer = 0;
      if (busy) { later(); return; }
      busy = true;
      try {
        const answer = await fetch(`/runs/${encodeURIComponent(run.dataset.run)}/live`);
        if (answer.ok) take(await answer.text());
        else if (answer.status === 404) { source.close(); connection.textContent = "The run is no longer there."; }
      } catch (error) {
        connection.textContent = "The service does not answer; trying again.";
      }
      busy = false;
    };
    const later = () => { if (!timer) timer = window.setTimeout(refresh, ended ? 0 : SOON); };
    const listen = () => {
      const query = `run_id=${encodeURIComponent(run.dataset.run)}&after=${byId("s-head").dataset.seq}`;
      source = new EventSource(`/orchestrate/events?${query}`);
      source.onopen = () => { connection.textContent = "Live."; later(); };
      source.onmessage = later;
      source.onerror = () => {
        if (ended) return;
        connection.textContent = "The connection is lost; trying again.";
        if (source.readyState === EventSource.CLOSED) window.setTimeout(listen, AGAIN); // it was refused
      };
      source.addEventListener("end", () => {
        ended = true;
        source.close();
        connection.textContent = "The run has ended.";
        window.clearTimeout(timer);
        timer = 0;
        refresh();
      });
    };
    listen();
    later();
  };
  const take = (html) => {
    const offered = run.querySelector("[data-do]");
    const kept = morph(run, html);
    run.dispatchEvent(new CustomEvent("orchestra:refreshed"));
    if (!kept) byId("state").focus(); // what had the focus is gone, such as the button of a cancelled run
    if (offered && !offered.isConnected && !told.querySelector(".bad")) told.textContent = "";
  };
  const DONE = { cancel: "It ends, with a report of what is done …", resume: "It goes on …" };
  const act = async (button) => {
    if (isOff(button)) return;
    turn([button], true);
    try {
      const answer = await post(`/orchestrate/${button.dataset.do}`, { run_id: run.dataset.run });
      if (!answer.ok) trouble(told, answer.content);
      else {
        told.textContent = DONE[button.dataset.do];
        if (byId("s-head").dataset.live === "no") follow();
        return;
      }
    } catch (error) {
      trouble(told, SILENT);
    }
    turn([button], false);
  };
  if (run) {
    run.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) act(button);
    });
    if (byId("s-head").dataset.live === "yes") follow();
  }

  // The form.
  const form = byId("start");
  if (!form) return;
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
  const HEADS = ["Configurations", "Queries per rung", "Requests, at most"];
  const stagesOf = (plan) => {
    const table = make("table", null, { class: "cards" });
    const head = table.createTHead().insertRow();
    head.append(make("th", "Stage", { scope: "col" }), ...HEADS.map((text) => make("th", text, { scope: "col" })));
    const body = table.createTBody();
    for (const stage of plan.stages) {
      const cells = [stage.config_ids.length || "", stage.rungs.map((rung) => rung.length).join(", "),
        stage.requests.toLocaleString("en")];
      const row = body.insertRow();
      row.append(make("th", stage.name, { scope: "row" }));
      row.append(...cells.map((text, index) => make("td", text, { "data-label": HEADS[index] })));
    }
    return table;
  };
  const showPlan = (content) => {
    const place = byId("plan");
    const body = place.querySelector("div");
    body.replaceChildren(
      facts([["Data", content.plan.dataset], ["Configurations", content.plan.configurations.length],
        ["Requests, at most", content.requests.toLocaleString("en")],
        ["Time, about", `${duration(content.estimated_seconds)} (${content.estimate_basis})`],
        ["Plan", content.plan_hash.slice(0, 12)]]),
      stagesOf(content.plan),
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
  const buttons = form.querySelectorAll("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isOff(buttons[0])) return;
    const dry = !event.submitter || event.submitter.value === "dry";
    turn(buttons, true);
    told.textContent = dry ? "Planning …" : "Starting …";
    try {
      const answer = await post("/orchestrate/run", { ...bodyOf(), dry_run: dry });
      if (!answer.ok) trouble(told, answer.content);
      else if (dry) { told.textContent = "Nothing was sent."; showPlan(answer.content); }
      else window.location.assign(`/runs/${encodeURIComponent(answer.content.run_id)}`);
    } catch (error) {
      trouble(told, SILENT);
    }
    turn(buttons, false);
  });
  const table = byId("runs").tBodies[0];
  window.setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/runs");
      if (answer.ok) morph(table, await answer.text());
    } catch (error) { /* the next time, perhaps */ }
  }, 3000);
})();
