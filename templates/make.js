"use strict";
// An element with these attributes and this text, the last in its parent: for all scripts after this one.
const make = (name, attributes, text, parent) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
};
