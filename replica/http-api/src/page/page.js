"use strict";
// Keeps the page up to date: this node's report every second, each other member's from that
// member itself. Text is only ever set as text, never as markup.
(() => {
  const PERIOD_MS = 1000;
  const PATIENCE_MS = 4000;
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tr[data-api]")];
  const rootsSeen = new Map(); // certified height -> [state root, node]
  const put = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };
  const grouped = (number) => Number(number).toLocaleString("en").replaceAll(",", "\u202f");

  async function fetchReport(url) {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
  }

  function compareRoots(report) {
    if (!report.state_root) return;
    const seen = rootsSeen.get(report.certified_height);
    if (seen && seen[0] !== report.state_root) {
      put(byId("alert"), `State roots differ at height ${report.certified_height}: ${seen[1]} and ${report.node_id}.`);
    }
    rootsSeen.set(report.certified_height, [report.state_root, report.node_id]);
    for (const height of rootsSeen.keys()) {
      if (rootsSeen.size <= 500) break;
      rootsSeen.delete(height);
    }
  }

  function showMember(row, report) {
    const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
    const health = report ? report.health : "no answer";
    put(cell("health"), health);
    cell("health").className = `badge ${report ? (health === "healthy" ? "good" : "waiting") : "bad"}`;
    if (!report) return;
    put(cell("finalized"), grouped(report.finalized_height));
    put(cell("certified"), grouped(report.certified_height));
    put(cell("root"), report.state_root ? report.state_root.slice(0, 16) : "none yet");
    put(cell("version"), report.replica_version);
    compareRoots(report);
  }

  function showOwn(report) {
    put(byId("health"), report.health);
    byId("health").className = `badge ${report.health === "healthy" ? "good" : "waiting"}`;
    put(byId("finalized"), grouped(report.finalized_height));
    put(byId("certified"), grouped(report.certified_height));
    put(byId("waiting"), grouped(report.waiting_calls));
    put(byId("root"), report.state_root || "none yet");
    put(byId("canister-total"), grouped(report.canisters.total));
    const rate = (report.block_rate.rate_tenths / 10).toFixed(1);
    put(byId("rate"), rate);
    put(byId("rate-max"), `${report.block_rate.rate_max} blocks/s`);
    byId("rate-line").setAttribute("points", report.block_rate.points);
  }

  async function refreshOwn() {
    const own = rows.find((row) => row.dataset.own === "yes");
    try {
      const report = await fetchReport("/_/status.json?per_page=0");
      showOwn(report);
      if (own) showMember(own, report);
      put(byId("connection"), "");
    } catch {
      put(byId("connection"), "This node does not answer; the page shows what it said last.");
      if (own) showMember(own, null);
    }
  }

  async function refreshMember(row) {
    try {
      const report = await fetchReport(`${row.dataset.api}/_/status.json?per_page=0`);
      showMember(row, report.node_id === row.dataset.node ? report : null);
    } catch {
      showMember(row, null);
    }
  }

  async function keepFresh(refresh) {
    for (;;) {
      if (!document.hidden) await refresh();
      await new Promise((next) => setTimeout(next, PERIOD_MS));
    }
  }

  keepFresh(refreshOwn);
  for (const row of rows) {
    if (row.dataset.own !== "yes") keepFresh(() => refreshMember(row));
  }
})();
