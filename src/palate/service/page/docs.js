// The reference of the API, drawn from its OpenAPI document.
import { h } from "./dom.js";

const METHODS = ["get", "put", "post", "patch", "delete"];
const JSON_TYPE = "application/json";

/** A type in words: "integer", "list of text", the name of a schema. */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties) return `object of ${typeOf(schema.additionalProperties) || "anything"}`;
  return schema.type ?? "anything";
}

function limits(schema) {
  const words = [["minimum", "from"], ["exclusiveMinimum", "above"], ["maximum", "to"], ["exclusiveMaximum", "below"], ["maxLength", "characters: at most"], ["maxItems", "entries: at most"]];
  const told = words.filter(([name]) => schema[name] !== undefined).map(([name, word]) => `${word} ${schema[name]}`);
  if (schema.default !== undefined) told.push(`default ${JSON.stringify(schema.default)}`);
  return told.length ? `(${told.join(", ")})` : "";
}

const table = (heads, rows) => h("div.scroll", { tabindex: 0, role: "region", "aria-label": heads[0] }, h("table", h("thead", h("tr", heads.map((one) => h("th", { scope: "col" }, one)))), h("tbody", rows.map((row) => h("tr", row.map((one) => h("td", one)))))));

const example = (schema) => schema?.examples?.[0] && h("pre", { tabindex: 0 }, JSON.stringify(schema.examples[0], null, 2));

function fields(schema) {
  const required = new Set(schema?.required);
  const rows = Object.entries(schema?.properties ?? {}).map(([name, one]) => [h("code", name), `${typeOf(one)}${required.has(name) ? ", required" : ""}`, [one.description, limits(one)].filter(Boolean).join(" ")]);
  return rows.length ? table(["Field", "Type", ""], rows) : null;
}

function operation(document, path, method, told) {
  const schemaOf = (content) => {
    const schema = content?.[JSON_TYPE]?.schema;
    return schema?.$ref ? document.components.schemas[schema.$ref.split("/").at(-1)] : schema;
  };
  const parameters = (told.parameters ?? []).map((one) => [h("code", one.name), `${one.in}, ${typeOf(one.schema)}${one.required ? ", required" : ""}`, [one.description, limits(one.schema)].filter(Boolean).join(" ")]);
  const [body, [status, good]] = [schemaOf(told.requestBody?.content), Object.entries(told.responses)[0]];
  const problems = Object.entries(told.responses).filter(([code]) => Number(code) >= 400);
  const key = told.security && (told.security.some((one) => !Object.keys(one).length) ? "A key is needed where named users are protected." : "A key of the scope admin is needed.");
  const answer = schemaOf(good.content);
  return h("details.card.operation", { id: told.operationId },
    h("summary", h("h3", h("code", told.operationId)), h("code", h("span.method", method.toUpperCase()), ` ${path}`)),
    h("p", told.description), key && h("p.soft", key),
    parameters.length > 0 && [h("h4", "Parameters"), table(["Parameter", "Type", ""], parameters)],
    body && [h("h4", "Body"), fields(body), example(body)],
    h("h4", `Response ${status}`), answer ? [answer.description && h("p", answer.description), fields(answer), example(answer)] : h("p.soft", "without JSON"),
    h("h4", "Problems"), table(["Status", "When"], problems.map(([code, one]) => [code, one.description])));
}

async function start() {
  const main = window.document.getElementById("main");
  const answer = await fetch("/v1/openapi.json");
  const document = await answer.json();
  const tags = new Map();
  for (const [path, operations] of Object.entries(document.paths))
    for (const method of METHODS) if (operations[method]) {
      const tag = operations[method].tags?.[0] ?? "other";
      tags.set(tag, [...(tags.get(tag) ?? []), operation(document, path, method, operations[method])]);
    }
  main.replaceChildren(
    h("h1", "The API"),
    h("p.lead", document.info.summary, " Programs read the same in ", h("a", { href: "/v1/openapi.json" }, "the OpenAPI document"), "."),
    [...tags].map(([tag, drawn]) => h("section", h("h2", tag), drawn)).reduce((all, one) => (all.append(one), all), h("div")));
  window.document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

start();
