// What the model and its owner say about the page: its name, what the items are called, the scale.
import { get } from "./api.js";
import { call } from "./words.js";

/** Asks for the facts of the model, and names the page after them. */
export async function facts(signal) {
  const told = await get("model", signal);
  call(told.noun, told.title);
  document.getElementById("name").textContent = told.title;
  return told;
}
