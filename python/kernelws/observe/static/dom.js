// Makes and changes elements without HTML strings, so that the name of a kernel cannot become a script.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Changes the DOM only if the text differs: most texts are the same every second.
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
