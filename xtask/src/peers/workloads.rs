//! The workloads: made once for each size by `../shared/bench`, and kept under `target/bench`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::run::find;

/// The generator's seed: the same bytes on every machine.
const SEED: &str = "42";

/// How many flows stand for a MB: NetFlow v9 takes 39 bytes of each, Zeek's JSON about 370.
const FLOWS_A_MB: u64 = 10_000;

/// At how many datagrams a second flows are sent to nfcapd: what it takes without loss (peers.md).
const SEND_RATE: &str = "15000";

/// The files of one size.
pub(super) struct Workloads {
    pub(super) folder: PathBuf,
}

/// Where the generators are.
pub(super) fn generators() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).join("../shared/bench")
}

/// Where what is made goes.
pub(super) fn made() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).join("target/bench")
}

fn check(what: &str, command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("{what} ended with {status}"))),
        Err(error) => Err(io::Error::other(format!("{what}: {error}"))),
    }
}

impl Workloads {
    /// The workloads of `size` MB, made where they are not there yet.
    ///
    /// # Errors
    /// Where the generators are absent or do not build.
    pub(super) fn of(size: u64) -> io::Result<Workloads> {
        let folder = made().join(size.to_string());
        let done = folder.join("done");
        if done.exists() {
            return Ok(Workloads { folder });
        }
        std::fs::create_dir_all(folder.join("flows"))?;
        build_loop();
        let generator = generator()?;
        let benchgen = |arguments: &[&str]| {
            check("benchgen", Command::new(&generator).args(arguments).current_dir(&folder))
        };
        let mb = size.to_string();
        benchgen(&["pcap", &mb, SEED, "big.pcap", "pcap.truth"])?;
        let flows = (size * FLOWS_A_MB).to_string();
        benchgen(&["flows", &flows, SEED, "flows", &(size * FLOWS_A_MB / 4).to_string()])?;
        benchgen(&["audit", &mb, SEED, "audit.log", "audit.truth"])?;
        benchgen(&["sysmon", &mb, SEED, "sysmon.json", "sysmon.truth"])?;
        let samples = generators().join("../corpus/windows_evtx");
        check(
            "mkevtx.py",
            Command::new("python3")
                .arg(generators().join("mkevtx.py"))
                .args(["--merge", &mb])
                .arg(folder.join("evtx"))
                .arg(samples),
        )?;
        make_used(&folder.join("evtx"), &generators().join("../corpus/windows_evtx"))?;
        collect(&folder, &generator)?;
        std::fs::write(done, "")?;
        Ok(Workloads { folder })
    }

    /// One of its files; where it could not be made, none.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.folder.join(name);
        path.exists().then_some(path)
    }
}

/// An event log's header and its chunks, in bytes.
const EVTX_HEADER: usize = 4096;
const EVTX_CHUNK: usize = 64 << 10;

/// How many of a chunk's records must be used, of ten, and how many there must be.
const MOST_USED: usize = 9;
const LEAST_RECORDS: usize = 10;

/// Makes `used.evtx` beside `merged.evtx`, of its size: of the samples' chunks those whose records are nearly
/// all used, again and again, as a busy computer's Sysmon log is.
fn make_used(folder: &Path, samples: &Path) -> io::Result<()> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(samples)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    let mut used: Vec<Vec<u8>> = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "evtx")) {
        let bytes = std::fs::read(file)?;
        let chunks = bytes.get(EVTX_HEADER..).unwrap_or_default().chunks_exact(EVTX_CHUNK);
        used.extend(chunks.filter(|chunk| is_mostly_used(chunk)).map(<[u8]>::to_vec));
    }
    let merged = std::fs::read(folder.join("merged.evtx"))?;
    let mut made = merged.get(..EVTX_HEADER).unwrap_or_default().to_vec();
    let count = merged.len() / EVTX_CHUNK;
    made.extend(used.iter().cycle().take(count).flatten());
    match used.is_empty() {
        true => Ok(()),
        false => std::fs::write(folder.join("used.evtx"), made),
    }
}

fn is_mostly_used(chunk: &[u8]) -> bool {
    let lapwing_source::Sniffed::Format(format) = lapwing_source::sniff(chunk) else {
        return false;
    };
    let mut decoded = lapwing_source::Decoded::default();
    (format.decoder)().decode(chunk, &mut decoded);
    let records = decoded.records as usize;
    records >= LEAST_RECORDS && decoded.events.len() * 10 >= records * MOST_USED
}

/// The workload generator, built where it is not there yet.
fn generator() -> io::Result<PathBuf> {
    let binary = made().join("benchgen");
    if !binary.exists() {
        let source = generators().join("benchgen.rs");
        if !source.exists() {
            return Err(io::Error::other(
                "../shared/bench/benchgen.rs is not here: there is nothing to measure with",
            ));
        }
        let mut rustc = Command::new("rustc");
        rustc.args(["-O", "--edition", "2021", "-o"]).arg(&binary).arg(&source);
        check("rustc benchgen.rs", &mut rustc)?;
    }
    Ok(binary)
}

/// Builds the bare loop over libpcap, where there is a compiler and the library's header; where not, it
/// counts as not installed.
fn build_loop() {
    let binary = made().join("pcaploop");
    if !binary.exists() {
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-o"]).arg(&binary).arg(generators().join("pcaploop.c")).arg("-lpcap");
        let _ = check("cc pcaploop.c", &mut cc);
    }
}

/// Has nfcapd store the flows, where it is installed.
fn collect(folder: &Path, generator: &Path) -> io::Result<()> {
    let Some(nfcapd) = find("nfcapd", |_| true) else { return Ok(()) };
    let store = folder.join("nfcapd");
    std::fs::create_dir_all(&store)?;
    let mut collector = Command::new(nfcapd)
        .args(["-p", "19995", "-t", "3600", "-y", "-w"])
        .arg(&store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(1));
    let sent = check(
        "benchgen send",
        Command::new(generator)
            .arg("send")
            .arg(folder.join("flows/flows.nf9"))
            .args(["127.0.0.1:19995", SEND_RATE]),
    );
    std::thread::sleep(Duration::from_secs(1));
    check("kill", Command::new("kill").arg(collector.id().to_string()))?;
    collector.wait()?;
    sent?;
    let stored = std::fs::read_dir(&store)?.flatten().map(|entry| entry.path());
    let file = stored.max_by_key(|path| path.metadata().map_or(0, |meta| meta.len()));
    match file {
        Some(file) => std::fs::rename(file, folder.join("flows/flows.nfcapd")),
        None => Ok(()),
    }
}
