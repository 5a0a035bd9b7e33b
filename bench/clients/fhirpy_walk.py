#!/usr/bin/env python3
"""Walks the FHIR API as an integration engineer would with `fhirpy` (PyPI): creates, searches with
chains and includes, patches, pages through and deletes. Every answer is checked; prints a line for
each step and ends with 1 at the first that is wrong.

    pip install fhirpy==2.3.1
    python3 bench/clients/fhirpy_walk.py http://localhost:8080/fhir/R4 "$(connect-care token --as feed-hospital)"
"""

import sys
import uuid

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

LOINC = "http://loinc.org"


def check(what, holds, seen=""):
    print(("ok   " if holds else "WRONG ") + what + (f": {seen}" if seen and not holds else ""))
    if not holds:
        sys.exit(1)


def main(base, token):
    client = SyncFHIRClient(base, authorization=f"Bearer {token}")
    mark = uuid.uuid4().hex[:12]
    family = f"Walker{mark}"

    hospital = client.resource("Organization", name=f"Ward {mark}", active=True).create()
    check("an Organization is created with an id", bool(hospital.id))
    patient = client.resource(
        "Patient",
        identifier=[{"system": "urn:walk", "value": mark}],
        name=[{"family": family, "given": ["Ada"]}],
        birthDate="1950-02-03",
        gender="female",
        managingOrganization={"reference": f"Organization/{hospital.id}"},
    ).create()
    check("a Patient is created with an id", bool(patient.id))
    codes = ["8480-6", "8462-4", "29463-7"]
    results = []
    for number in range(25):
        one = client.resource(
            "Observation",
            status="final",
            identifier=[{"system": "urn:walk-result", "value": f"{mark}-{number}"}],
            code={"coding": [{"system": LOINC, "code": codes[number % 3]}]},
            subject={"reference": f"Patient/{patient.id}"},
            effectiveDateTime=f"2026-01-{number + 1:02d}T08:00:00Z",
            valueQuantity={"value": 60 + number, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        ).create()
        results.append(one)
    check("25 Observations are created, each its own", len({one.id for one in results}) == 25)

    found = client.resources("Patient").search(family=family).fetch()
    check("the Patient is found by family name", [one.id for one in found] == [patient.id])
    found = client.resources("Patient").search(identifier=f"urn:walk|{mark}").fetch()
    check("and by identifier", [one.id for one in found] == [patient.id])

    of_patient = client.resources("Observation").search(patient=patient.id)
    # fhirpy counts with a parameter of another server's own, which only a lenient search passes over.
    lenient = SyncFHIRClient(base, authorization=f"Bearer {token}", extra_headers={"Prefer": "handling=lenient"})
    counted = lenient.resources("Observation").search(patient=patient.id).count()
    check("all results of the Patient are counted", counted == 25, counted)
    paged = of_patient.sort("-date").limit(10).fetch_all()
    check("paging gives each once", len({one.id for one in paged}) == 25 and len(paged) == 25)
    dates = [one["effectiveDateTime"] for one in paged]
    check("the newest first", dates == sorted(dates, reverse=True))
    some = client.resources("Observation").search(patient=patient.id, code=f"{LOINC}|8480-6").fetch_all()
    check("a code narrows", len(some) == 9, len(some))
    some = client.resources("Observation").search(patient=patient.id, date__ge="2026-01-20").fetch_all()
    check("a date narrows", len(some) == 6, len(some))
    some = client.resources("Observation").search(patient=patient.id, value_quantity="gt80|http://unitsofmeasure.org|kg").fetch_all()
    check("a quantity narrows", len(some) == 4, len(some))

    chained = client.resources("Observation").search(**{"subject:Patient.family": family}).fetch_all()
    check("a chain finds through the Patient", len(chained) == 25, len(chained))
    chained = client.resources("Observation").search(**{"subject:Patient.organization.name": f"Ward {mark}"}).fetch_all()
    check("a chain of two links", len(chained) == 25, len(chained))
    reverse = client.resources("Patient").search(family=family).has("Observation", "patient", code=f"{LOINC}|8480-6")
    check("_has finds the Patient", [one.id for one in reverse.fetch()] == [patient.id])
    bundle = client.resources("Observation").search(patient=patient.id).include("Observation", "subject").limit(5).fetch_raw()
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    check("_include brings the Patient along", kinds == {"Observation", "Patient"}, kinds)
    bundle = client.resources("Patient").search(family=family).revinclude("Observation", "subject").fetch_raw()
    check("_revinclude brings the results along", len(bundle["entry"]) == 26, len(bundle["entry"]))

    first = results[0]
    first["status"] = "amended"
    first.save()
    check("an update gives a new version", first["meta"]["versionId"] == "2", first["meta"])
    # fhirpy's own `patch` sends a merge patch, which R4 does not have; its sender takes a JSON Patch.
    client._do_request(
        "patch",
        f"Observation/{first.id}",
        data=[{"op": "replace", "path": "/status", "value": "corrected"}],
        extra_headers={"Content-Type": "application/json-patch+json"},
    )
    again = client.reference("Observation", first.id).to_resource()
    check("a patch changes one thing", again["status"] == "corrected", again["status"])
    history = client.execute(f"Observation/{first.id}/_history", method="get")
    check("history has every version", len(history["entry"]) == 3, len(history.get("entry", [])))

    for one in results:
        one.delete()
    left = client.resources("Observation").search(patient=patient.id).fetch_all()
    check("deleted results are found no more", left == [])
    try:
        client.reference("Observation", first.id).to_resource()
        check("a deleted result is not read", False)
    except (ResourceNotFound, OperationOutcome):
        check("a deleted result is not read", True)
    patient.delete()
    hospital.delete()
    check("the Patient is deleted", client.resources("Patient").search(family=family).fetch() == [])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
