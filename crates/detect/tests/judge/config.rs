//! The configuration and its commented default are one.

use lapwing_detect::{DEFAULT_CONFIG, Tunables};

#[test]
fn the_commented_default_is_the_default() {
    let read: Tunables = toml::from_str(DEFAULT_CONFIG).unwrap();
    assert_eq!(read, Tunables::default());
}

#[test]
fn every_number_has_its_place_in_the_commented_default() {
    let commented: toml::Table = toml::from_str(DEFAULT_CONFIG).unwrap();
    let full = toml::Table::try_from(Tunables::default()).unwrap();
    assert_eq!(commented, full);
}

#[test]
fn a_bad_entry_is_an_error_and_not_a_hole() {
    for (text, expected) in [
        ("[analytics.AN1057]\nScanRateTreshold = 5", "unknown field"),
        ("[analytics.AN1058]\nExpectedScanSources = [\"10.0.0.0/40\"]", "10.0.0.0/40"),
        ("[analytics.AN1058]\nExpectedScanSources = [{ owner = \"me\" }]", "hide every scan"),
        ("[analytics.AN1058]\nToolPatternRegex = [\"(\"]", "regular expression"),
        ("[analytics.AN1057]\nTimeWindow = \"soon\"", "soon"),
        (
            "[analytics.AN1058]\nExpectedScanSources = [{ source = \"10.0.0.1\", schedule = \"x\" }]",
            "02:00-04:00",
        ),
    ] {
        let error = toml::from_str::<Tunables>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
