// Dialogs that do something when they are confirmed.

const announced = 6000; // ms
let announcing;

// announce says what was done, to eyes and to screen readers.
const announce = (text) => {
  const toast = byId("toast");
  clearTimeout(announcing);
  put(toast, text);
  announcing = setTimeout(() => put(toast, ""), announced);
};

// ask opens a dialog. act(once) does it and returns words for what is done then; while it fails, the dialog stays and
// says why. once is the same again only if there was no answer: then the call is repeated, else it is another one.
// Without act there is nothing to confirm.
const ask = ({ title, body, confirm, danger = false, act }) => {
  const problem = notice();
  const go = el("button", {
    className: danger ? "danger" : "primary",
    textContent: confirm,
    data: { testid: "confirm" },
  });
  const cancel = el("button", { type: "button", textContent: act ? "Cancel" : "Close" });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "dialog-title", textContent: title }),
    ...body,
    problem.root,
    el("div", { className: "buttons" }, cancel, act ? go : null),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  let once = api.once();
  form.addEventListener("input", () => (once = api.once()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    problem.say("");
    try {
      const done = await act(once);
      dialog.close();
      announce(done);
      refresh();
    } catch (err) {
      if (!err.away) once = api.once();
      problem.say(err.message);
    }
    go.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
};

// onPress has a button do something at once: does() returns the words for what is done then.
const onPress = (button, does) =>
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      announce(await does());
    } catch (err) {
      announce(err.message);
    }
    button.disabled = false;
    refresh();
  });

// Fields.

const field = (label, input, hint = "") =>
  el(
    "label",
    { className: "field" },
    el("span", { textContent: label }),
    input,
    hint ? el("small", { textContent: hint }) : null,
  );

const choice = (name, value, text, hint, checked) =>
  el(
    "label",
    { className: "choice" },
    el("input", { type: "radio", name, value, checked }),
    el("span", {}, text, el("small", { textContent: hint })),
  );

// duration is a number with a unit, as the API takes it: "90m".
const duration = (label, value, unit, hint) => {
  const number = el("input", {
    type: "number",
    min: 0,
    max: 9999,
    step: 1,
    value,
    required: true,
    data: { testid: "timeout" },
  });
  const units = el(
    "select",
    { ariaLabel: `Unit of ${label.toLowerCase()}` },
    ...[
      ["s", "seconds"],
      ["m", "minutes"],
      ["h", "hours"],
    ].map(([id, name]) => el("option", { value: id, textContent: name, selected: id === unit })),
  );
  const root = el(
    "div",
    { className: "field" },
    el("label", {}, el("span", { textContent: label }), number),
    units,
    el("small", { textContent: hint }),
  );
  return {
    root,
    get value() {
      return `${Number(number.value)}${units.value}`;
    },
  };
};
