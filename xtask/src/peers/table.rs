//! The peers, and what is wanted of Lapwing beside each.

/// One workload, and whom it is measured against.
pub(super) struct Input {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// Its file within the workloads.
    pub(super) file: &'static str,
    pub(super) peers: &'static [Peer],
}

/// What people would use instead.
pub(super) struct Peer {
    /// What it does, in the table.
    pub(super) title: &'static str,
    pub(super) program: &'static str,
    /// Its arguments: `{file}`, `{q}` (the queries' script) and `{out}` (a folder for what it writes)
    /// stand for paths.
    pub(super) arguments: &'static str,
    /// Whether it reads the file on its standard input.
    pub(super) piped: bool,
    /// The Python module that it needs, if any.
    pub(super) module: Option<&'static str>,
    /// What prints its version.
    pub(super) version: &'static str,
    /// What its version's text holds, where other programs have its name.
    pub(super) says: &'static str,
    /// How many times its speed is wanted at the least.
    pub(super) at_least: f64,
}

const fn program(
    title: &'static str,
    program: &'static str,
    arguments: &'static str,
    version: &'static str,
    at_least: f64,
) -> Peer {
    Peer { title, program, arguments, piped: false, module: None, version, says: "", at_least }
}

const fn query(
    title: &'static str,
    module: &'static str,
    arguments: &'static str,
    at_least: f64,
) -> Peer {
    Peer {
        title,
        program: "python3",
        arguments,
        piped: false,
        module: Some(module),
        version: "",
        says: "",
        at_least,
    }
}

const EVTX_PEERS: &[Peer] = &[
    Peer {
        // python-evtx has a script of the same name, which is another program.
        says: "EVTX Parser",
        ..program("evtx_dump -t 1", "evtx_dump", "-t 1 -o jsonl {file}", "--version", 0.5)
    },
    program("chainsaw dump", "chainsaw", "dump --jsonl {file}", "--version", 2.5),
    program("hayabusa eid-metrics", "hayabusa", "eid-metrics -f {file}", "help", 6.0),
];

/// Every workload with its peers; the ratios are those of the project's goals (peers.md).
pub(super) const INPUTS: &[Input] = &[
    Input {
        name: "pcap",
        file: "big.pcap",
        peers: &[
            program("softflowd", "softflowd", "-r {file} -n 127.0.0.1:19996 -v 9", "", 1.0),
            program("nfpcapd", "nfpcapd", "-r {file} -w {out}", "-V", 1.0),
            program("argus", "argus", "-r {file} -w {out}/argus.out", "", 1.0),
            program(
                "tshark, SYN fields",
                "tshark",
                "-n -r {file} -Y tcp.flags.syn==1&&tcp.flags.ack==0 -T fields -e frame.time_epoch -e ip.src \
                 -e ip.dst -e tcp.dstport",
                "--version",
                30.0,
            ),
            program("bare libpcap loop", "pcaploop", "{file}", "", 0.33),
            // It takes a third longer than the bare loop, of which 33 % are wanted (peers.md).
            program("tcpdump copy", "tcpdump", "-r {file} -w /dev/null", "--version", 0.44),
        ],
    },
    Input {
        name: "nfcapd file",
        file: "flows/flows.nfcapd",
        peers: &[program("nfdump -s srcip", "nfdump", "-r {file} -s srcip/flows -n 10", "-V", 1.0)],
    },
    Input { name: "IPFIX file", file: "flows/flows.ipfix", peers: &[] },
    Input {
        name: "CSV flows",
        file: "flows/flows.csv",
        peers: &[
            query("polars, read only", "polars", "{q} polars scan {file} {out}/q", 1.5),
            query("polars, 5-minute query", "polars", "{q} polars tumble {file} {out}/q", 4.0),
            query("DuckDB, 5-minute query", "duckdb", "{q} duckdb tumble {file} {out}/q", 7.5),
        ],
    },
    Input {
        name: "Zeek JSON",
        file: "flows/conn.json",
        peers: &[
            query("DuckDB, read only", "duckdb", "{q} duckdb scan {file} {out}/q", 1.3),
            query("DuckDB, 5-minute query", "duckdb", "{q} duckdb tumble {file} {out}/q", 3.5),
        ],
    },
    Input { name: "Zeek TSV", file: "flows/conn.log", peers: &[] },
    Input {
        name: "Sysmon NDJSON",
        file: "sysmon.json",
        peers: &[query(
            "DuckDB, 5-minute query",
            "duckdb",
            "{q} duckdb tumble {file} {out}/q",
            1.5,
        )],
    },
    Input { name: "EVTX, 2 % used", file: "evtx/merged.evtx", peers: EVTX_PEERS },
    Input { name: "EVTX, 93 % used", file: "evtx/used.evtx", peers: EVTX_PEERS },
    Input {
        name: "auditd raw",
        file: "audit.log",
        peers: &[
            program("ausearch --raw", "ausearch", "-if {file} -sc connect --raw", "--version", 4.0),
            Peer {
                piped: true,
                ..program("laurel", "laurel", "-c {out}/laurel.toml", "--version", 15.0)
            },
        ],
    },
];
