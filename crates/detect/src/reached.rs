//! Whom a scan reached, in a cluster's words: pods by namespace, services, nodes, what controls them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use lapwing_event::{Address, Holder};
use serde::{Deserialize, Serialize};

use crate::attempt::Contact;
use crate::bindings::Held;
use crate::finding::{MAX_LISTED, Origin};

/// 169.254.169.254: where every large cloud answers its own machines' questions of what they are.
pub(crate) const METADATA: Address = Address::from_bits(0xffff_a9fe_a9fe);

/// How many members of a group are named.
const MAX_NAMES: usize = 4;

/// How many targets are known by name for one episode, and how many control services.
const MAX_KNOWN: usize = 65_536;

/// Targets that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What they have in common.
    pub group: Group,
    /// The Kubernetes namespace that they are of.
    pub namespace: Option<String>,
    /// Whether it is the origin's own namespace or subnet.
    pub own: bool,
    /// How many hosts.
    pub hosts: u64,
    /// The names of the first of them, ascending, at most four. Text of telemetry.
    pub names: Vec<String>,
}

/// What targets have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Group {
    /// Pods of one namespace, or containers of none.
    Pods,
    /// Services of one namespace.
    Services,
    /// Nodes of the cluster.
    Nodes,
    /// Virtual machines.
    Machines,
    /// Hosts that were asked for the kubelet's ports.
    Kubelets,
    /// Hosts that were asked for etcd's ports.
    Etcd,
    /// Hosts that were asked for the Kubernetes API server.
    ApiServers,
    /// Hosts that were asked for Docker's ports.
    Docker,
    /// The cloud's metadata address.
    Metadata,
    /// Hosts that nothing is known of.
    Hosts,
}

impl Group {
    /// Its name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Pods => "pods",
            Group::Services => "services",
            Group::Nodes => "nodes",
            Group::Machines => "machines",
            Group::Kubelets => "kubelets",
            Group::Etcd => "etcd",
            Group::ApiServers => "api-servers",
            Group::Docker => "docker",
            Group::Metadata => "metadata",
            Group::Hosts => "hosts",
        }
    }

    /// Every group, in the order in which findings list them.
    pub const ALL: [Group; 10] = [
        Group::Pods,
        Group::Services,
        Group::Nodes,
        Group::Machines,
        Group::Kubelets,
        Group::Etcd,
        Group::ApiServers,
        Group::Docker,
        Group::Metadata,
        Group::Hosts,
    ];

    fn of_holder(holder: Holder) -> Group {
        match holder {
            Holder::Pod => Group::Pods,
            Holder::Service => Group::Services,
            Holder::Node => Group::Nodes,
            Holder::Machine => Group::Machines,
        }
    }

    /// What a port of a node or control plane is of
    /// (<https://kubernetes.io/docs/reference/networking/ports-and-protocols/>).
    fn of_port(port: u16) -> Option<Group> {
        Some(match port {
            10250 | 10255 | 4194 => Group::Kubelets,
            2379 | 2380 => Group::Etcd,
            6443 => Group::ApiServers,
            2375 | 2376 => Group::Docker,
            _ => return None,
        })
    }
}

/// What is known of an episode's targets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Targets {
    named: BTreeMap<Address, Held>,
    control: BTreeSet<(Group, Address)>,
}

impl Targets {
    /// Notes what a contact's port tells of its target.
    pub fn note(&mut self, contact: &Contact) {
        if let Some(group) = Group::of_port(contact.port)
            && self.control.len() < MAX_KNOWN
        {
            self.control.insert((group, contact.target));
        }
    }

    /// Notes who held a target's address.
    pub fn name(&mut self, target: Address, held: &Held) {
        if self.named.len() < MAX_KNOWN {
            let api = held.holder == Holder::Service
                && (held.namespace(), held.name()) == (Some("default"), Some("kubernetes"));
            if api {
                self.control.insert((Group::ApiServers, target));
            }
            self.named.entry(target).or_insert_with(|| held.clone());
        }
    }

    /// The targets in groups; empty where nothing but their addresses is known.
    pub fn reached(&self, origin: &Origin, hosts: &BTreeSet<Address>) -> Vec<Reached> {
        // Ports alone do not tell a cluster from any other network.
        let control = origin.container.is_some() || !self.named.is_empty();
        let asked = control && !self.control.is_empty();
        if self.named.is_empty() && !hosts.contains(&METADATA) && !asked {
            return Vec::new();
        }
        let own_space = origin.container.as_ref().and_then(|known| known.namespace.as_deref());
        let own_subnet = origin.address.map(|address| address.subnet());
        let mut groups: BTreeMap<Key<'_>, Members<'_>> = BTreeMap::new();
        let mut add = |group, namespace, own, name| {
            groups.entry((group, namespace, own)).or_default().add(name);
        };
        for host in hosts {
            match self.named.get(host) {
                Some(held) => {
                    let namespace = held.namespace();
                    let own = namespace.is_some() && namespace == own_space;
                    add(Group::of_holder(held.holder), namespace, own, held.name());
                }
                None if *host == METADATA => add(Group::Metadata, None, false, None),
                None => add(Group::Hosts, None, own_subnet == Some(host.subnet()), None),
            }
        }
        for (group, host) in self.control.iter().filter(|_| control) {
            let node = self.named.get(host).filter(|held| held.holder == Holder::Node);
            add(*group, None, false, node.and_then(Held::name));
        }
        let mut reached: Vec<Reached> = groups.into_iter().map(told).collect();
        // The origin's own first, then where there is most.
        reached.sort_by_key(|one| (one.group, Reverse(one.own), Reverse(one.hosts)));
        reached.truncate(MAX_LISTED);
        reached
    }
}

type Key<'a> = (Group, Option<&'a str>, bool);

#[derive(Default)]
struct Members<'a> {
    hosts: u64,
    names: BTreeSet<&'a str>,
}

impl<'a> Members<'a> {
    fn add(&mut self, name: Option<&'a str>) {
        self.hosts += 1;
        self.names.extend(name);
        if self.names.len() > MAX_NAMES {
            self.names.pop_last();
        }
    }
}

fn told(((group, namespace, own), members): (Key<'_>, Members<'_>)) -> Reached {
    Reached {
        group,
        namespace: namespace.map(str::to_owned),
        own,
        hosts: members.hosts,
        names: members.names.into_iter().map(str::to_owned).collect(),
    }
}

/// Both of what two findings of one scan reached. `add_up` where each reached hosts of its own.
pub(crate) fn joined(mut a: Vec<Reached>, b: Vec<Reached>, add_up: bool) -> Vec<Reached> {
    for other in b {
        let same = |one: &&mut Reached| {
            (one.group, one.own, &one.namespace) == (other.group, other.own, &other.namespace)
        };
        let Some(known) = a.iter_mut().find(same) else {
            a.push(other);
            continue;
        };
        known.hosts = match add_up {
            true => known.hosts + other.hosts,
            false => known.hosts.max(other.hosts),
        };
        let names: BTreeSet<String> = known.names.drain(..).chain(other.names).collect();
        known.names = names.into_iter().take(MAX_NAMES).collect();
    }
    a.sort_by(|a, b| {
        let key = |one: &Reached| (one.group, Reverse(one.own), Reverse(one.hosts));
        key(a).cmp(&key(b)).then_with(|| a.namespace.cmp(&b.namespace))
    });
    a.truncate(MAX_LISTED);
    a
}
