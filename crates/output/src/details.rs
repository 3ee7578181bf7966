//! What public schemas have no place for: it goes along under our own names, which are those of the
//! native format.

use lapwing_detect::{Condition, Counts, Finding, Outcomes, Reached, SilentAt, Tested};

use crate::jsonl::{NativeWitness, rounded, service};
use crate::object::Object;
use crate::report::Report;

/// The parts of a finding that no public schema has: kind, counts, reasons, tests, records.
pub(crate) fn details(finding: &Finding, report: &Report) -> Object {
    let Counts { attempts, hosts, ports, pairs } = finding.counts;
    let Outcomes { open, served, refused, unanswered, unknown } = finding.outcomes;
    Object::default()
        .with("kind", finding.kind.name())
        .with("status", finding.status.name())
        .with("level", finding.origin.level.name())
        .with("prefix", finding.origin.prefix.map(|prefix| prefix.to_string()))
        .with("detected_after", finding.detected_after)
        .with(
            "counts",
            Object::default()
                .with("attempts", attempts)
                .with("hosts", hosts)
                .with("ports", ports)
                .with("pairs", pairs)
                .with("open", finding.open_count),
        )
        .with(
            "outcomes",
            Object::default()
                .with("open", open)
                .with("served", served)
                .with("refused", refused)
                .with("unanswered", unanswered)
                .with("unknown", unknown),
        )
        .with("ports", texts(&finding.ports))
        .with("names", finding.names.clone())
        .with("open", finding.open.iter().map(service).collect::<Vec<_>>())
        .with("prefixes", texts(&finding.prefixes))
        .with("reached", finding.reached.iter().map(reached).collect::<Vec<_>>())
        .with("techniques", finding.techniques.iter().map(|by| by.name()).collect::<Vec<_>>())
        .with("tool", finding.tool.as_deref())
        .with("rate", rounded(finding.rate))
        .with("why", finding.why.iter().map(why).collect::<Vec<_>>())
        .with("tested", finding.tested.iter().map(tested).collect::<Vec<_>>())
        .with("silent_at", finding.silent_at.map(silent_at))
        .with("witnesses", witnesses(finding, report))
        .with("suppressed_by", finding.suppressed_by.as_deref())
        .with("notes", finding.notes.clone())
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Targets by what a cluster knows of them.
fn reached(reached: &Reached) -> Object {
    Object::default()
        .with("group", reached.group.name())
        .with("namespace", reached.namespace.as_deref())
        .with("own", reached.own.then_some(true))
        .with("hosts", reached.hosts)
        .with("names", reached.names.clone())
}

fn why(condition: &Condition) -> Object {
    Object::default()
        .with("condition", &condition.condition)
        .with("value", rounded(condition.value))
        .with("threshold", rounded(condition.threshold))
        .with("key", &*condition.key)
}

fn tested(class: &Tested) -> Object {
    Object::default()
        .with("class", class.class)
        .with("holds", class.holds)
        .with("because", &class.because)
}

fn silent_at(silent: SilentAt) -> Object {
    Object::default().with("key", silent.key).with("above", rounded(silent.above))
}

fn witnesses(finding: &Finding, report: &Report) -> Vec<Object> {
    let told = finding.witnesses.iter().map(|witness| {
        let native = NativeWitness::new(witness, report);
        Object::default()
            .with("source", native.source)
            .with("format", native.format)
            .with("file", native.file)
            .with("offset", native.offset)
            .with("last_offset", native.last_offset)
            .with("records", native.records)
    });
    told.collect()
}
