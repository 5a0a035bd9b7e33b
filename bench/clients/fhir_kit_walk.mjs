// Walks the FHIR API with `fhir-kit-client` (npm): creates, searches with chains and includes, patches,
// pages through and deletes. Every answer is checked; ends with 1 at the first that is wrong.
//
//   npm install fhir-kit-client@2.0.3
//   node bench/clients/fhir_kit_walk.mjs http://localhost:8080/fhir/R4 "$(connect-care token --as feed-hospital)"
import { randomBytes } from "node:crypto";
import { Client } from "fhir-kit-client";

const [base, token] = process.argv.slice(2);
if (!base || !token) {
  console.error("usage: fhir_kit_walk.mjs BASE TOKEN");
  process.exit(2);
}

function check(what, holds, seen = "") {
  console.log(`${holds ? "ok   " : "WRONG "}${what}${holds ? "" : `: ${JSON.stringify(seen)}`}`);
  if (!holds) process.exit(1);
}

async function refused(asked) {
  try {
    await asked();
    return undefined;
  } catch (error) {
    return error.response?.status;
  }
}

const client = new Client({ baseUrl: base, customHeaders: { Authorization: `Bearer ${token}` } });
const mark = randomBytes(6).toString("hex");
const family = `Kitwalk${mark}`;

const statement = await client.capabilityStatement();
check("the CapabilityStatement is of R4", statement.fhirVersion === "4.0.1", statement.fhirVersion);

const patient = await client.create({
  resourceType: "Patient",
  body: { resourceType: "Patient", identifier: [{ system: "urn:kit", value: mark }], name: [{ family, given: ["Bo"] }], birthDate: "1961-05-06", gender: "male" },
});
check("a Patient is created", Boolean(patient.id));

const entries = [];
for (let number = 0; number < 12; number += 1) {
  entries.push({
    fullUrl: `urn:uuid:00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    request: { method: "POST", url: "Condition" },
    resource: {
      resourceType: "Condition",
      identifier: [{ system: "urn:kit-condition", value: `${mark}-${number}` }],
      clinicalStatus: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/condition-clinical", code: "active" }] },
      code: { coding: [{ system: "http://snomed.info/sct", code: number % 2 ? "38341003" : "73211009" }] },
      subject: { reference: `Patient/${patient.id}` },
      onsetDateTime: `2020-01-${String(number + 1).padStart(2, "0")}`,
    },
  });
}
const done = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry: entries } });
check("a transaction creates 12 Conditions", done.entry.every((one) => one.response.status.startsWith("201")), done.entry.map((one) => one.response));

let page = await client.search({ resourceType: "Condition", searchParams: { patient: patient.id, _count: 5, _sort: "-onset-date" } });
const seen = [];
while (page) {
  seen.push(...(page.entry ?? []).map((one) => one.resource));
  page = await client.nextPage({ bundle: page });
}
check("three pages give 12, each once", new Set(seen.map((one) => one.id)).size === 12 && seen.length === 12, seen.length);
const onsets = seen.map((one) => one.onsetDateTime);
check("the newest first", JSON.stringify(onsets) === JSON.stringify([...onsets].sort().reverse()), onsets);

const narrowed = await client.search({ resourceType: "Condition", searchParams: { "subject:Patient.family": family, code: "http://snomed.info/sct|38341003" } });
check("a chain and a code narrow to 6", narrowed.entry?.length === 6, narrowed.entry?.length);
const included = await client.search({ resourceType: "Condition", searchParams: { patient: patient.id, _include: "Condition:subject", _count: 3 } });
check("_include brings the Patient", included.entry.some((one) => one.resource.resourceType === "Patient" && one.search.mode === "include"));
const reverse = await client.search({ resourceType: "Patient", searchParams: { family, "_has:Condition:patient:code": "73211009" } });
check("_has finds the Patient", reverse.entry?.length === 1, reverse.entry?.length);
const compartment = await client.compartmentSearch({ resourceType: "Condition", compartment: { resourceType: "Patient", id: patient.id } });
check("the compartment has them all", compartment.entry?.length === 12, compartment.entry?.length);
const posted = await client.resourceSearch({
  resourceType: "Condition",
  searchParams: { patient: patient.id },
  options: { postSearch: true },
});
check("a search may be posted", posted.entry?.length === 12, posted.entry?.length);

const one = seen[0];
const patched = await client.patch({
  resourceType: "Condition",
  id: one.id,
  jsonPatch: [{ op: "replace", path: "/clinicalStatus/coding/0/code", value: "remission" }],
});
check("a patch changes one thing", patched.clinicalStatus.coding[0].code === "remission" && patched.meta.versionId === "2", patched.meta);
const old = await client.vread({ resourceType: "Condition", id: one.id, version: "1" });
check("the version before is still read", old.clinicalStatus.coding[0].code === "active");
check("a stale update is refused", (await refused(() => client.update({ resourceType: "Condition", id: one.id, body: { ...old, recordedDate: "2020-02-02" }, options: { headers: { "If-Match": 'W/"1"' } } }))) === 412);
const updated = await client.update({ resourceType: "Condition", id: one.id, body: { ...patched, recordedDate: "2020-02-02" }, options: { headers: { "If-Match": 'W/"2"' } } });
check("a fresh one is taken", updated.meta.versionId === "3", updated.meta);
const history = await client.history({ resourceType: "Condition", id: one.id });
check("history has three versions", history.entry.length === 3, history.entry.length);

check("an unknown parameter is refused", (await refused(() => client.search({ resourceType: "Condition", searchParams: { colour: "red" } }))) === 400);
check("a malformed date is refused", (await refused(() => client.search({ resourceType: "Condition", searchParams: { "onset-date": "yesterday" } }))) === 400);

for (const condition of seen) await client.delete({ resourceType: "Condition", id: condition.id });
const left = await client.search({ resourceType: "Condition", searchParams: { patient: patient.id } });
check("deleted Conditions are found no more", (left.entry ?? []).filter((entry) => entry.search?.mode !== "outcome").length === 0, left.entry);
check("a deleted one is gone", (await refused(() => client.read({ resourceType: "Condition", id: one.id }))) === 410);
await client.delete({ resourceType: "Patient", id: patient.id });
// A person's address is made of what is known of them; without any Patient of the source nothing is there.
const gone = await refused(() => client.read({ resourceType: "Patient", id: patient.id }));
check("the Patient is read no more", gone === 404 || gone === 410, gone);
