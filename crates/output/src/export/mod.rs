//! The four analytics in the languages of others, with the tunables as they are configured.
//!
//! A query counts distinct targets in a window, which is where the judgement begins and not where it
//! ends: each export says in its comments what its language cannot express. `plan` is what all of
//! them say; a module for each language says it.

mod esql;
mod kql;
mod navigator;
mod plan;
mod sigma;
mod spl;
mod stix;

pub use stix::{StixError, stix};

use lapwing_detect::Tunables;

/// A language that the analytics can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Sigma rules with correlations (specification 2.1), for pySigma's backends.
    Sigma,
    /// Splunk's search processing language.
    Spl,
    /// Kusto, for Microsoft Sentinel and Defender.
    Kql,
    /// Elasticsearch's piped language, over ECS.
    Esql,
    /// A layer of the ATT&CK Navigator (format 4.5).
    Navigator,
}

/// The analytics in a language.
pub fn write(language: Language, tunables: &Tunables) -> String {
    match language {
        Language::Sigma => sigma::write(tunables),
        Language::Spl => spl::write(tunables),
        Language::Kql => kql::write(tunables),
        Language::Esql => esql::write(tunables),
        Language::Navigator => navigator::write(tunables),
    }
}
