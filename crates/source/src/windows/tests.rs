//! What the fields of Windows events come to, trap by trap.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::borrow::Cow;

use lapwing_event::{Activity, Event, Initiator, LogSource, Network, Outcome, Protocol, Timestamp};
use proptest::prelude::*;

use super::{Field, Known, POWERSHELL, SECURITY, SYSMON, Translated, Value, WindowsRecord};

const WRITTEN: &str = "2026-03-01T10:00:09Z";

fn record<'a>(provider: &'a str, event_id: u32, data: &[(&'a str, &'a str)]) -> WindowsRecord<'a> {
    WindowsRecord {
        provider: Cow::Borrowed(provider),
        event_id,
        computer: Some("WS-17".into()),
        written: Timestamp::parse_rfc3339(WRITTEN),
        writer: None,
        data: data.iter().copied().collect(),
        offset: 512,
    }
}

/// The record with some fields changed.
fn with<'a>(mut record: WindowsRecord<'a>, changes: &[(&'a str, &'a str)]) -> WindowsRecord<'a> {
    for (name, value) in changes {
        let field = Field::named(name).unwrap();
        record.data.remove(field);
        record.data.set(field, *value);
    }
    record
}

fn translate(record: &WindowsRecord<'_>) -> Translated {
    super::translate(record, &mut Known::default())
}

fn event(record: &WindowsRecord<'_>) -> Event {
    match translate(record) {
        Translated::Event(event) => event,
        Translated::Misfit(why) => panic!("misfit: {why}"),
        _ => panic!("no event"),
    }
}

fn misfit(record: &WindowsRecord<'_>) -> String {
    match translate(record) {
        Translated::Misfit(why) => why,
        Translated::Event(event) => panic!("taken as {event}"),
        _ => panic!("not a misfit"),
    }
}

fn network(record: &WindowsRecord<'_>) -> Network {
    match event(record).activity {
        Activity::Network(network) => network,
        other => panic!("{other:?}"),
    }
}

fn sysmon_connection() -> WindowsRecord<'static> {
    record(
        SYSMON,
        3,
        &[
            ("UtcTime", "2026-03-01 10:00:01.250"),
            ("ProcessGuid", "{0F4C01E1-AAAA-BBBB-CCCC-0123456789AB}"),
            ("ProcessId", "4120"),
            ("Image", r"C:\Users\ana\AppData\Local\Temp\up.exe"),
            ("User", r"CORP\ana"),
            ("Protocol", "tcp"),
            ("Initiated", "true"),
            ("SourceIp", "10.0.0.17"),
            ("SourcePort", "50123"),
            ("DestinationIp", "10.0.0.40"),
            ("DestinationPort", "445"),
        ],
    )
}

fn filtered_connection(event_id: u32) -> WindowsRecord<'static> {
    record(
        SECURITY,
        event_id,
        &[
            ("ProcessID", "4120"),
            ("Application", r"\device\harddiskvolume2\temp\up.exe"),
            ("Direction", "%%14593"),
            ("SourceAddress", "10.0.0.17"),
            ("SourcePort", "50123"),
            ("DestAddress", "10.0.0.40"),
            ("DestPort", "445"),
            ("Protocol", "6"),
        ],
    )
}

#[test]
fn sysmon_says_itself_when_it_happened() {
    let stated = sysmon_connection();
    assert_eq!(Some(event(&stated).time), Timestamp::parse_rfc3339("2026-03-01T10:00:01.250Z"));
    for not_a_time in ["-", "yesterday", "2026-13-01 10:00:01.250"] {
        let record = with(sysmon_connection(), &[("UtcTime", not_a_time)]);
        assert_eq!(Some(event(&record).time), Timestamp::parse_rfc3339(WRITTEN), "{not_a_time}");
    }
    let mut timeless = with(sysmon_connection(), &[("UtcTime", "-")]);
    timeless.written = None;
    assert_eq!(misfit(&timeless), "no time");
}

#[test]
fn a_guid_is_the_same_in_every_spelling_and_zeros_name_nothing() {
    let guid = |text: &'static str| {
        let event = event(&with(sysmon_connection(), &[("ProcessGuid", text)]));
        event.actor.unwrap().process.clone().unwrap().guid
    };
    let expected = Some("0f4c01e1-aaaa-bbbb-cccc-0123456789ab".into());
    assert_eq!(guid("{0F4C01E1-AAAA-BBBB-CCCC-0123456789AB}"), expected);
    assert_eq!(guid("0f4c01e1-aaaa-bbbb-cccc-0123456789ab"), expected);
    assert_eq!(guid("{00000000-0000-0000-0000-000000000000}"), None);
    assert_eq!(guid("-"), None);
}

#[test]
fn what_a_process_accepted_was_begun_by_the_other_side() {
    // Sysmon and documentation disagree on which side is the source of an inbound connection.
    let (client, server) = (("10.0.0.9", "51000"), ("10.0.0.17", "445"));
    for (source, target) in [(client, server), (server, client)] {
        let inbound = with(
            sysmon_connection(),
            &[
                ("Initiated", "false"),
                ("SourceIp", source.0),
                ("SourcePort", source.1),
                ("DestinationIp", target.0),
                ("DestinationPort", target.1),
            ],
        );
        let told = event(&inbound);
        assert!(told.actor.is_none(), "the process that accepted is not who acted");
        let told = network(&inbound);
        assert_eq!((told.source.to_string(), told.source_port), ("10.0.0.9".into(), 51000));
        assert_eq!((told.target.to_string(), told.target_port), ("10.0.0.17".into(), 445));
        assert_eq!(told.initiator, Initiator::Source);
    }
}

#[test]
fn an_accepted_connection_between_like_ports_has_no_initiator() {
    for (source, target) in [("51000", "52000"), ("5355", "445")] {
        let inbound = with(
            sysmon_connection(),
            &[("Initiated", "false"), ("SourcePort", source), ("DestinationPort", target)],
        );
        assert_eq!(network(&inbound).initiator, Initiator::Unknown, "{source} {target}");
    }
}

#[test]
fn a_permitted_connection_may_have_failed_and_a_blocked_one_did() {
    let permitted = network(&filtered_connection(5156));
    assert_eq!(permitted.outcome, Outcome::Unknown);
    assert_eq!(permitted.initiator, Initiator::Source);
    assert_eq!(permitted.protocol, Protocol::Tcp);
    assert_eq!(network(&filtered_connection(5157)).outcome, Outcome::Refused);
    let process = event(&filtered_connection(5156)).actor.unwrap().process.clone().unwrap();
    assert_eq!(process.pid, 4120);
    assert_eq!(process.short_name(), Some("up.exe"));
}

#[test]
fn an_inbound_5156_names_the_remote_side_as_who_acted() {
    let inbound = with(
        filtered_connection(5156),
        &[("Direction", "%%14592"), ("SourcePort", "445"), ("DestPort", "51000")],
    );
    assert!(event(&inbound).actor.is_none());
    let told = network(&inbound);
    assert_eq!((told.source.to_string(), told.target_port), ("10.0.0.40".into(), 445));
}

#[test]
fn whoever_sent_a_dropped_packet_that_asks_is_who_acted() {
    let inbound = |ports: (&'static str, &'static str)| {
        let changes = [
            ("ProcessID", "0"),
            ("Application", "-"),
            ("Direction", "%%14592"),
            ("SourcePort", ports.0),
        ];
        with(with(filtered_connection(5152), &changes), &[("DestPort", ports.1)])
    };
    // A probe from a Linux scanner's port, and one from a port that no system chooses by itself.
    for source in ["40001", "53"] {
        let probe = inbound((source, "22"));
        let told = network(&probe);
        assert_eq!(event(&probe).log_source, LogSource::SecurityDrop);
        assert!(event(&probe).actor.is_none(), "nobody of this computer acted");
        assert_eq!((told.source.to_string(), told.target_port), ("10.0.0.17".into(), 22));
        assert_eq!((told.initiator, told.outcome), (Initiator::Source, Outcome::Refused));
    }
    // A late answer, and a packet between ports that both may be anybody's.
    for (source, target) in [("443", "51000"), ("51000", "52000")] {
        assert_eq!(network(&inbound((source, target))).initiator, Initiator::Unknown);
    }
    let ping = |kind| {
        let changes = [("Protocol", "1"), ("SourcePort", kind), ("DestPort", "0")];
        network(&with(inbound(("0", "0")), &changes)).initiator
    };
    assert_eq!((ping("8"), ping("3")), (Initiator::Source, Initiator::Unknown));
}

#[test]
fn an_outbound_drop_names_the_process_that_sent_where_there_is_one() {
    let process = |record: &WindowsRecord<'_>| event(record).actor.unwrap().process.clone();
    let sent = filtered_connection(5152);
    assert_eq!(process(&sent).unwrap().pid, 4120);
    assert_eq!(network(&sent).initiator, Initiator::Source);
    let nobody = with(sent, &[("ProcessID", "0"), ("Application", "-")]);
    assert_eq!(process(&nobody), None);
    assert_eq!(event(&nobody).actor.unwrap().device.as_deref(), Some("WS-17"));
    // The resets that Windows withholds from a scanner are the scanner's doing.
    let reset = with(nobody, &[("SourcePort", "23"), ("DestPort", "41025")]);
    assert_eq!(network(&reset).initiator, Initiator::Unknown);
}

#[test]
fn a_linux_client_of_a_windows_service_is_who_acted() {
    let inbound = |source, target| {
        let changes = [("Direction", "%%14592"), ("SourcePort", source), ("DestPort", target)];
        network(&with(filtered_connection(5156), &changes))
    };
    let told = inbound("40123", "445");
    assert_eq!((told.source.to_string(), told.initiator), ("10.0.0.17".into(), Initiator::Source));
    // 49664 is a service's port (RPC), though of the range that clients use.
    assert_eq!(inbound("40123", "49664").initiator, Initiator::Unknown);
}

#[test]
fn ping_has_no_ports() {
    let ping = with(
        filtered_connection(5156),
        &[("Protocol", "1"), ("SourcePort", "0"), ("DestPort", "0")],
    );
    let told = network(&ping);
    assert_eq!((told.protocol, told.source_port, told.target_port), (Protocol::Icmp, 0, 0));
}

#[test]
fn process_ids_are_hexadecimal_in_4688_and_decimal_in_5156() {
    let launch = record(
        SECURITY,
        4688,
        &[
            ("SubjectUserName", "ana"),
            ("SubjectDomainName", "CORP"),
            ("SubjectLogonId", "0x3e7f1"),
            ("NewProcessId", "0x1018"),
            ("NewProcessName", r"C:\tools\nmap.exe"),
            ("ProcessId", "0x44c"),
            ("ParentProcessName", r"C:\Windows\System32\cmd.exe"),
            ("CommandLine", "nmap -sT 10.0.0.0/24"),
            ("TargetUserName", "-"),
            ("TargetLogonId", "0x0"),
        ],
    );
    let process = event(&launch).actor.unwrap().process.clone().unwrap();
    assert_eq!(process.pid, 4120);
    assert_eq!(process.session, Some(0x3e7f1));
    assert_eq!(process.user.as_deref(), Some(r"CORP\ana"));
    assert_eq!(process.parent.unwrap().pid, Some(1100));
    let runas = with(
        launch,
        &[("TargetUserName", "svc"), ("TargetDomainName", "CORP"), ("TargetLogonId", "0x99")],
    );
    let process = event(&runas).actor.unwrap().process.clone().unwrap();
    assert_eq!(process.user.as_deref(), Some(r"CORP\svc"), "runas acts as its target");
    assert_eq!(process.session, Some(0x99));
}

#[test]
fn unset_fields_stay_unknown() {
    let launch = record(SECURITY, 4688, &[("NewProcessId", "0x10"), ("CommandLine", "")]);
    let process = event(&launch).actor.unwrap().process.clone().unwrap();
    assert_eq!(process.command_line, None);
    assert_eq!(process.user, None);
    assert_eq!(process.parent, None);
    assert_eq!(process.session, None);
}

#[test]
fn shifted_fields_are_refused_not_believed() {
    // UP-17: binary forwarding leaves out empty fields, so that each value stands under the name
    // of the one before it.
    for (record, why) in [
        (
            with(sysmon_connection(), &[("Protocol", "true"), ("Initiated", "false")]),
            "event 3: Protocol holds \"true\"",
        ),
        (with(sysmon_connection(), &[("Initiated", "10.0.0.17")]), "event 3: Initiated holds"),
        (with(sysmon_connection(), &[("SourceIp", "WS-17.corp")]), "event 3: SourceIp holds"),
        (with(sysmon_connection(), &[("DestinationPort", "https")]), "event 3: DestinationPort"),
        (with(sysmon_connection(), &[("DestinationPort", "0")]), "event 3: DestinationPort"),
        (with(sysmon_connection(), &[("DestinationPort", "65536")]), "event 3: DestinationPort"),
        (with(sysmon_connection(), &[("ProcessId", r"C:\a.exe")]), "event 3: ProcessId holds"),
        (with(filtered_connection(5156), &[("Direction", "6")]), "event 5156: Direction holds"),
        (with(filtered_connection(5156), &[("Protocol", "%%14593")]), "event 5156: Protocol"),
        (with(filtered_connection(5156), &[("DestAddress", "-")]), "event 5156: DestAddress"),
        (record(SYSMON, 1, &[]), "event 1: ProcessId is missing"),
        (record(SECURITY, 4688, &[]), "event 4688: NewProcessId is missing"),
        (record(SYSMON, 22, &[("ProcessId", "7")]), "event 22: QueryName is missing"),
    ] {
        let said = misfit(&record);
        assert!(said.starts_with(why), "{said:?} does not begin with {why:?}");
    }
}

#[test]
fn a_name_asked_for_keeps_its_answer() {
    for (status, outcome) in
        [("0", Outcome::Served), ("9003", Outcome::Refused), ("-", Outcome::Unknown)]
    {
        let query = record(
            SYSMON,
            22,
            &[("ProcessId", "77"), ("QueryName", "srv-9.corp."), ("QueryStatus", status)],
        );
        match event(&query).activity {
            Activity::Dns(dns) => {
                assert_eq!((&*dns.name, dns.outcome), ("srv-9.corp", outcome));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_command_that_asks_one_target_is_an_attempt_whose_outcome_is_not_written() {
    let pipeline = |command: &str, bound: &[(&str, &str)]| {
        let mut payload = format!("CommandInvocation({command}): \"{command}\"\r\n");
        for (name, value) in bound {
            payload +=
                &format!("ParameterBinding({command}): name=\"{name}\"; value=\"{value}\"\r\n");
        }
        let mut record = record(POWERSHELL, 4103, &[]);
        record.writer = Some(4120);
        record.data.set(Field::Payload, payload);
        record
    };
    let tried = pipeline("Test-NetConnection", &[("ComputerName", "10.0.0.5"), ("Port", "445")]);
    let told = network(&tried);
    assert_eq!((told.target.to_string(), told.target_port), ("10.0.0.5".into(), 445));
    assert_eq!((told.protocol, told.outcome), (Protocol::Tcp, Outcome::Unknown));
    assert_eq!(event(&tried).actor.unwrap().process.clone().unwrap().pid, 4120);
    let common = [("ComputerName", "10.0.0.5"), ("CommonTCPPort", "RDP")];
    assert_eq!(network(&pipeline("Test-NetConnection", &common)).target_port, 3389);
    let ping = network(&pipeline("Test-Connection", &[("Count", "1"), ("TargetName", "10.0.0.5")]));
    assert_eq!((ping.protocol, ping.target_port), (Protocol::Icmp, 0));
    let named = pipeline("Test-Connection", &[("ComputerName", "dc01.corp")]);
    assert!(matches!(translate(&named), Translated::Nothing(_)));
    assert!(matches!(translate(&pipeline("Get-Date", &[])), Translated::NotUsed));
}

#[test]
fn other_events_are_told_apart() {
    for listens in [5154, 5155, 5158, 5159] {
        assert!(matches!(translate(&record(SECURITY, listens, &[])), Translated::Nothing(_)));
    }
    assert!(matches!(translate(&record(SECURITY, 4624, &[])), Translated::NotUsed));
    let by_other_id = with(filtered_connection(5156), &[("ProcessID", "-"), ("ProcessId", "4120")]);
    assert_eq!(event(&by_other_id).actor.unwrap().process.clone().unwrap().pid, 4120);
    // The numbers mean something only with their provider.
    assert!(matches!(translate(&record("Service Control Manager", 3, &[])), Translated::NotUsed));
    assert!(matches!(translate(&record(SYSMON, 4688, &[])), Translated::NotUsed));
}

proptest! {
    #[test]
    fn any_values_give_an_event_or_a_reason(
        id in prop::sample::select(vec![
            1u32, 3, 5, 22, 4688, 4689, 5152, 5154, 5156, 5157, 5158,
        ]),
        values in prop::collection::vec("[-0-9a-fx.:%{} true\\\\]{0,12}|\\PC{0,20}", 12),
    ) {
        let provider = if id < 100 { SYSMON } else { SECURITY };
        let names = if id < 100 { sysmon_connection() } else { filtered_connection(5156) };
        let mut record = record(provider, id, &[]);
        let fields = Field::all().filter(|field| names.data.has(*field));
        for (field, value) in fields.zip(&values) {
            record.data.set(field, value.as_str());
        }
        match translate(&record) {
            Translated::Misfit(why) => prop_assert!(why.len() < 1000, "bounded: {}", why.len()),
            Translated::Event(event) => prop_assert_eq!(event.record.offset, 512),
            Translated::Nothing(_) | Translated::NotUsed | Translated::Kept => {}
        }
    }

    /// Whatever is remembered of the records before, a record is what it is by itself.
    #[test]
    fn what_is_remembered_changes_nothing(
        records in prop::collection::vec(
            (
                prop::sample::select(vec![1u32, 3, 5, 22, 4688, 4689, 5152, 5156]),
                prop::option::of(0..2_u8),
                prop::collection::vec(0..4_u8, Field::all().count()),
            ),
            1..20,
        ),
    ) {
        let mut known = Known::default();
        for (id, computer, values) in records {
            let (provider, sample) = match id < 100 {
                true => (SYSMON, sysmon_connection()),
                false => (SECURITY, filtered_connection(5156)),
            };
            // Fields of a connection mostly stay, so that there is an event.
            let mut record = record(provider, id, &[]);
            record.computer = computer.map(|number| Value::from(["", "pc"][usize::from(number)]));
            for (field, value) in Field::all().zip(values) {
                match (sample.data.get(field), value) {
                    (Some(value), 1..) => record.data.set(field, value.clone()),
                    (_, 1) => record.data.set(field, "a\\b"),
                    (_, 2) => record.data.set(field, Value::Number(8)),
                    (_, 3) => record.data.set(field, Value::Hex(8)),
                    _ => {}
                }
            }
            let shown = |translated| match translated {
                Translated::Event(event) => format!("{event:?}"),
                Translated::Misfit(why) => why,
                Translated::Nothing(why) => why.to_string(),
                Translated::NotUsed | Translated::Kept => String::new(),
            };
            let remembered = super::translate(&record, &mut known);
            prop_assert_eq!(shown(remembered), shown(translate(&record)), "{:?}", record);
        }
    }
}
