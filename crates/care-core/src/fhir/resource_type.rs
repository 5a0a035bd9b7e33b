//! The resource types of FHIR R4 (4.0.1), by name and by a number that stays put.
//!
//! The number is the place in the alphabetical list below; it is stored, so the list is only ever
//! added to at its end. Source: the R4 StructureDefinitions of kind `resource` that are not abstract.

use std::fmt;

/// A resource type of FHIR R4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceType(u16);

impl ResourceType {
    /// Reads a type's name, spelled as FHIR spells it.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES
            .binary_search(&name)
            .ok()
            .map(|place| Self(place as u16))
    }

    /// The type with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        (usize::from(number) < NAMES.len()).then_some(Self(number))
    }

    /// The number that is stored.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The type's name.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Every type, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len() as u16).map(Self)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The types the product names in its own code.
impl ResourceType {
    /// AllergyIntolerance.
    pub const ALLERGY_INTOLERANCE: Self = Self(3);
    /// Appointment.
    pub const APPOINTMENT: Self = Self(4);
    /// AuditEvent.
    pub const AUDIT_EVENT: Self = Self(6);
    /// Binary.
    pub const BINARY: Self = Self(8);
    /// Bundle.
    pub const BUNDLE: Self = Self(11);
    /// CarePlan.
    pub const CARE_PLAN: Self = Self(13);
    /// CareTeam.
    pub const CARE_TEAM: Self = Self(14);
    /// Communication.
    pub const COMMUNICATION: Self = Self(22);
    /// Composition.
    pub const COMPOSITION: Self = Self(25);
    /// Condition.
    pub const CONDITION: Self = Self(27);
    /// Consent.
    pub const CONSENT: Self = Self(28);
    /// Device.
    pub const DEVICE: Self = Self(34);
    /// DiagnosticReport.
    pub const DIAGNOSTIC_REPORT: Self = Self(39);
    /// DocumentReference.
    pub const DOCUMENT_REFERENCE: Self = Self(41);
    /// Encounter.
    pub const ENCOUNTER: Self = Self(43);
    /// EpisodeOfCare.
    pub const EPISODE_OF_CARE: Self = Self(47);
    /// FamilyMemberHistory.
    pub const FAMILY_MEMBER_HISTORY: Self = Self(53);
    /// Flag.
    pub const FLAG: Self = Self(54);
    /// Goal.
    pub const GOAL: Self = Self(55);
    /// Immunization.
    pub const IMMUNIZATION: Self = Self(61);
    /// List.
    pub const LIST: Self = Self(69);
    /// Location.
    pub const LOCATION: Self = Self(70);
    /// Medication.
    pub const MEDICATION: Self = Self(74);
    /// MedicationAdministration.
    pub const MEDICATION_ADMINISTRATION: Self = Self(75);
    /// MedicationDispense.
    pub const MEDICATION_DISPENSE: Self = Self(76);
    /// MedicationRequest.
    pub const MEDICATION_REQUEST: Self = Self(78);
    /// MedicationStatement.
    pub const MEDICATION_STATEMENT: Self = Self(79);
    /// Observation.
    pub const OBSERVATION: Self = Self(95);
    /// OperationOutcome.
    pub const OPERATION_OUTCOME: Self = Self(98);
    /// Organization.
    pub const ORGANIZATION: Self = Self(99);
    /// Patient.
    pub const PATIENT: Self = Self(102);
    /// Practitioner.
    pub const PRACTITIONER: Self = Self(107);
    /// PractitionerRole.
    pub const PRACTITIONER_ROLE: Self = Self(108);
    /// Procedure.
    pub const PROCEDURE: Self = Self(109);
    /// Provenance.
    pub const PROVENANCE: Self = Self(110);
    /// QuestionnaireResponse.
    pub const QUESTIONNAIRE_RESPONSE: Self = Self(112);
    /// RelatedPerson.
    pub const RELATED_PERSON: Self = Self(113);
    /// RiskAssessment.
    pub const RISK_ASSESSMENT: Self = Self(119);
    /// ServiceRequest.
    pub const SERVICE_REQUEST: Self = Self(123);
    /// Specimen.
    pub const SPECIMEN: Self = Self(125);
    /// Task.
    pub const TASK: Self = Self(140);
}

const NAMES: [&str; 147] = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "SubscriptionStatus",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_so_that_a_name_finds_its_number() {
        assert!(NAMES.is_sorted());
        for resource_type in ResourceType::all() {
            assert_eq!(
                ResourceType::from_name(resource_type.name()),
                Some(resource_type)
            );
        }
        assert_eq!(ResourceType::PATIENT.name(), "Patient");
        assert_eq!(ResourceType::MEDICATION_REQUEST.name(), "MedicationRequest");
    }
}
