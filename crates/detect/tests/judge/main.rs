//! What the detector must judge, by scenario, by complaint of practitioners, and by property.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bindings;
mod config;
mod confusers;
mod containers;
mod discovery;
mod field_cases;
mod kinds;
mod lineage;
mod multicast;
mod oracle;
mod outside;
mod overflow;
mod places;
mod properties;
mod scenarios;
mod scene;
mod side_by_side;
mod strategy;
mod windows;
mod witnesses;
