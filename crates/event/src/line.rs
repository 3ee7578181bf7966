//! One stable line of text per event: what decoder goldens hold.

use std::fmt;

use crate::{
    Activity, Actor, Binding, Claim, Container, Dns, Event, Initiator, Network, Outcome, Process,
    Script,
};

/// `TIME LOG-SOURCE offset=N ACTIVITY KEY=VALUE…`, fields that are unknown left out, text escaped.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} offset={}", self.time, self.log_source.name(), self.record.offset)?;
        match &self.activity {
            Activity::Process(change) => write!(f, " process-{change:?}")?,
            Activity::Network(network) => write!(f, " network {network}")?,
            Activity::Dns(dns) => write!(f, " dns {dns}")?,
            Activity::Binding(binding) => write!(f, " binding {binding}")?,
            Activity::Script(script) => write!(f, " script {script}")?,
            Activity::Claim(claim) => write!(f, " claim {claim}")?,
        }
        match self.actor.as_deref() {
            Some(actor) => write!(f, " {actor}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = |address: crate::Address, port: u16| {
            if self.protocol.has_ports() {
                format!("{address}|{port}")
            } else {
                address.to_string()
            }
        };
        write!(
            f,
            "{} {} -> {} {}",
            self.protocol.name(),
            endpoint(self.source, self.source_port),
            endpoint(self.target, self.target_port),
            self.outcome.name(),
        )?;
        if let crate::Protocol::Other(number) = self.protocol {
            write!(f, " number={number}")?;
        }
        if self.technique != crate::Technique::Unknown {
            write!(f, " by={}", self.technique.name())?;
        }
        match self.initiator {
            Initiator::Source => Ok(()),
            Initiator::Unknown => write!(f, " initiator=unknown"),
        }
    }
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}|{} -> {}|{} name={:?}",
            self.source, self.source_port, self.target, self.target_port, self.name
        )?;
        if let Some(query_type) = self.query_type {
            write!(f, " type={query_type}")?;
        }
        match self.outcome {
            Outcome::Unknown => Ok(()),
            outcome => write!(f, " {}", outcome.name()),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.holder.name())?;
        if !self.address.is_unspecified() {
            write!(f, " address={}", self.address)?;
        }
        if let Some(name) = &self.name {
            write!(f, " name={name:?}")?;
        }
        match self.until {
            Some(until) => write!(f, " until={until}"),
            None => Ok(()),
        }
    }
}

/// How much of a script's text a line shows, in characters.
const SHOWN_SCRIPT: usize = 160;

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(SHOWN_SCRIPT).collect();
        write!(f, "bytes={} text={shown:?}", self.text.len())?;
        match &self.path {
            Some(path) => write!(f, " file={path:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if !self.target.is_unspecified() {
            write!(f, " -> {}", self.target)?;
        }
        write!(f, " {:?}", self.text)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Vec::new();
        if let Some(device) = &self.device {
            fields.push(format!("device={device:?}"));
        }
        if let Some(process) = &self.process {
            fields.push(process.to_string());
        }
        if let Some(container) = &self.container {
            fields.push(container.to_string());
        }
        f.write_str(&fields.join(" "))
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [
            ("namespace", &self.namespace),
            ("pod", &self.pod),
            ("container", &self.id),
            ("container-name", &self.name),
            ("image", &self.image),
        ];
        let known = fields.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        let told: Vec<String> = known.map(|(key, value)| format!("{key}={value:?}")).collect();
        f.write_str(&told.join(" "))
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid={}", self.pid)?;
        let mut text = |key: &str, value: Option<&str>| match value {
            Some(value) => write!(f, " {key}={value:?}"),
            None => Ok(()),
        };
        text("guid", self.guid.as_deref())?;
        text("path", self.path.as_deref())?;
        text("name", self.name.as_deref())?;
        text("command", self.command_line.as_deref())?;
        text("user", self.user.as_deref())?;
        text("terminal", self.terminal.as_deref())?;
        if self.context != crate::UserContext::Unknown {
            write!(f, " context={}", self.context.name())?;
        }
        if self.added {
            f.write_str(" added")?;
        }
        if let Some(start) = self.start {
            write!(f, " start={start}")?;
        }
        if !self.arguments.is_empty() {
            write!(f, " arguments={:?}", self.arguments)?;
        }
        if let Some(session) = self.session {
            write!(f, " session={session}")?;
        }
        if let Some(program) = &self.program {
            let fields = [
                ("original", &program.original_name),
                ("product", &program.product),
                ("company", &program.company),
                ("description", &program.description),
                ("hashes", &program.hashes),
                ("signer", &program.signer),
            ];
            for (key, value) in fields {
                if let Some(value) = value {
                    write!(f, " {key}={value:?}")?;
                }
            }
        }
        if let Some(parent) = &self.parent {
            if let Some(pid) = parent.pid {
                write!(f, " parent={pid}")?;
            }
            let fields = [
                ("parent-guid", &parent.guid),
                ("parent-path", &parent.path),
                ("parent-command", &parent.command_line),
            ];
            for (key, value) in fields {
                if let Some(value) = value {
                    write!(f, " {key}={value:?}")?;
                }
            }
        }
        Ok(())
    }
}
