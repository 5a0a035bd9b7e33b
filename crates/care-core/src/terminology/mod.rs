//! Codes looked up in tables that are handed in. Nothing is here yet: what the product needs so far
//! (labels from code lists, required value sets of R4) is in `labelling` and `fhir::definitions`.
