// Elements made and changed without markup: text is always set as text, so that nothing a kernel is called can be script.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Writes only what differs: most of a page that is shown every second has not changed.
export function setText(node, text) {
  if (node.shownText !== text) {
    node.textContent = text;
    node.shownText = text;
  }
}

export function setData(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}
