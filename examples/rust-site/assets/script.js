// Posts a visit, loads the large file, and asks the network at the page's own address.
const show = (id, text) => (document.getElementById(id).textContent = text);

fetch("/visits", { method: "POST" })
  .then((answer) => answer.text())
  .then((text) => show("visits", text.trim()));
fetch("/large.txt")
  .then((answer) => answer.text())
  .then((text) => show("large", text.length));
fetch("/api/v2/status").then((answer) => show("network", answer.headers.get("content-type")));
