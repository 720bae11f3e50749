// The page of the sandbox. Whatever comes from a mail is set as text; its HTML is shown in a frame that can do nothing.
"use strict";

const byId = (id) => document.getElementById(id);
let shown = null;
let view = "html";
let isLoading = false;
let isStale = false;

const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

const ask = async (path, options) => {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
};

const clock = (time) => new Date(time).toLocaleTimeString();

async function refresh() {
  if (isLoading) {
    isStale = true;
    return;
  }
  isLoading = true;
  try {
    const { data } = await (await ask("/api/messages")).json();
    byId("state").textContent = `${data.length} held`;
    byId("list").replaceChildren(...data.map(row));
    if (shown && !data.some((mail) => mail.id === shown.id)) show(null);
  } catch (error) {
    byId("state").textContent = String(error);
  }
  isLoading = false;
  if (isStale) {
    isStale = false;
    setTimeout(refresh, 200);
  }
}

function row(mail) {
  const button = element("button", undefined, { type: "button" });
  if (shown && shown.id === mail.id) button.setAttribute("aria-current", "true");
  button.append(
    element("strong", mail.subject || "(no subject)"),
    element("span", `to ${mail.to.join(", ")}`),
    element("span", `${clock(mail.received_at)}, ${mail.size} bytes`),
  );
  button.addEventListener("click", () => open(mail.id));
  const item = element("li");
  item.append(button);
  return item;
}

async function open(id) {
  show(await (await ask(`/api/messages/${id}`)).json());
  refresh();
}

function show(mail) {
  shown = mail;
  byId("mail").hidden = !mail;
  byId("about").hidden = !!mail;
  if (!mail) return;
  byId("subject").textContent = mail.subject || "(no subject)";
  const facts = {
    From: mail.from || "<>",
    To: mail.to.join(", "),
    At: mail.received_at,
    Connection: (mail.encrypted ? "encrypted" : "in the clear") + (mail.logged_in ? ", logged in" : ""),
  };
  byId("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => [element("dt", name), element("dd", value)]),
  );
  if (view === "html" && mail.html === null) view = "text";
  draw();
}

const table = (rows) => {
  const made = element("table");
  for (const cells of rows) {
    const line = element("tr");
    for (const cell of cells) {
      const place = element("td");
      place.append(cell);
      line.append(place);
    }
    made.append(line);
  }
  return made;
};

const views = {
  html: (mail) =>
    mail.html === null
      ? element("p", "It has no HTML.")
      : element("iframe", undefined, { sandbox: "", src: `/messages/${mail.id}/html`, title: "The mail's HTML" }),
  text: (mail) => element("pre", mail.text ?? "It has no plain text."),
  headers: (mail) => table(mail.headers.map((header) => [element("strong", header.name), header.value])),
  attachments: (mail) =>
    mail.attachments.length === 0
      ? element("p", "Nothing is attached.")
      : table(
          mail.attachments.map((one) => [
            element("a", one.name || `attachment ${one.index}`, {
              href: `/api/messages/${mail.id}/attachments/${one.index}`,
            }),
            one.content_type,
            `${one.size} bytes`,
          ]),
        ),
  transcript: (mail) =>
    element("pre", mail.transcript.map((line) => `${line.by === "client" ? "C" : "S"}: ${line.line}`).join("\n")),
  raw: (mail) => {
    const made = element("pre", "…");
    ask(`/api/messages/${mail.id}/raw`)
      .then((answer) => answer.text())
      .then((text) => (made.textContent = text))
      .catch((error) => (made.textContent = String(error)));
    return made;
  },
};

function draw() {
  for (const tab of byId("tabs").children) {
    tab.setAttribute("aria-selected", String(tab.dataset.view === view));
  }
  byId("view").replaceChildren(views[view](shown));
}

for (const tab of byId("tabs").children) {
  tab.addEventListener("click", () => {
    view = tab.dataset.view;
    draw();
  });
}

byId("clear").addEventListener("click", async () => {
  await ask("/api/messages", { method: "DELETE" });
  show(null);
  refresh();
});

const events = new EventSource("/api/events");
events.onmessage = refresh;
events.onerror = () => (byId("state").textContent = "the sandbox does not answer");
