//! Runs one program and says what it cost.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::workloads::made;

/// How often a running program's peak memory is read; Linux keeps the peak, so that only what it takes
/// in its last moments can be missed.
const LOOK: Duration = Duration::from_millis(5);

/// Bytes that a made input is handed over in: what a pipe of Linux holds.
const PIPE_BYTES: usize = 64 << 10;

/// How much CPU time is measured at least, in seconds, by running a short program again: the system counts
/// in hundredths of a second.
const MEASURED: f64 = 1.0;

/// How often a program is run for that at the most.
const MOST_RUNS: u32 = 16;

/// What a run cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// User and system time of the process and its children, in seconds.
    pub(super) cpu: f64,
    /// Seconds by the clock.
    pub(super) wall: f64,
    /// Peak resident memory in MiB.
    pub(super) peak: f64,
}

/// A command line, and what it reads on its standard input.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) input: Option<PathBuf>,
    /// The highest exit code of a run that did its work: Lapwing's 1 to 3 are findings and troubles.
    pub(super) highest: i32,
}

impl Line {
    /// A program with arguments that blanks part; `{name}` stands for one of the paths.
    pub(super) fn of(program: &Path, arguments: &str, paths: &[(&str, &Path)]) -> Line {
        let filled = arguments.split_whitespace().map(|argument| {
            paths.iter().fold(argument.to_string(), |argument, (name, path)| {
                argument.replace(&format!("{{{name}}}"), &path.to_string_lossy())
            })
        });
        Line {
            program: program.to_path_buf(),
            arguments: filled.collect(),
            input: None,
            highest: 0,
        }
    }

    /// Runs it with its output thrown away.
    ///
    /// # Errors
    /// Where it cannot be started, or ends with a code over its highest.
    pub(super) fn run(&self) -> io::Result<Cost> {
        let stdin = match &self.input {
            Some(path) => Stdio::from(File::open(path)?),
            None => Stdio::null(),
        };
        let before = children_cpu()?;
        let began = Instant::now();
        let mut child =
            self.command().stdin(stdin).stdout(Stdio::null()).spawn().map_err(self.why())?;
        self.watched(&mut child, before, began)
    }

    /// Runs it as often as it takes to tell its cost, and gives the mean of the runs.
    ///
    /// # Errors
    /// As [`Line::run`].
    pub(super) fn measured(&self) -> io::Result<Cost> {
        let mut sum = Cost::default();
        let mut runs = 0;
        while sum.cpu < MEASURED && runs < MOST_RUNS {
            let cost = self.run()?;
            sum.cpu += cost.cpu;
            sum.wall += cost.wall;
            sum.peak = sum.peak.max(cost.peak);
            runs += 1;
        }
        let runs = f64::from(runs);
        Ok(Cost { cpu: sum.cpu / runs, wall: sum.wall / runs, peak: sum.peak })
    }

    /// Runs it while `feed` writes its input, and gives what it printed.
    ///
    /// # Errors
    /// As [`Line::run`].
    pub(super) fn fed(
        &self,
        feed: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> io::Result<(Cost, Vec<u8>)> {
        let before = children_cpu()?;
        let began = Instant::now();
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(self.why())?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Where it stops reading its exit code says why.
                stdin.map(|stdin| feed(&mut BufWriter::with_capacity(PIPE_BYTES, stdin)))
            });
            let printed = scope.spawn(move || {
                let mut printed = Vec::new();
                stdout
                    .map(|mut stdout| stdout.read_to_end(&mut printed))
                    .transpose()
                    .map(|_| printed)
            });
            let cost = self.watched(&mut child, before, began)?;
            let printed =
                printed.join().map_err(|_| io::Error::other("its output was not read"))??;
            Ok((cost, printed))
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stderr(Stdio::null());
        command
    }

    fn why(&self) -> impl Fn(io::Error) -> io::Error {
        let program = self.program.display();
        move |error| io::Error::other(format!("{program}: {error}"))
    }

    /// Waits for its end and says what it cost.
    fn watched(&self, child: &mut Child, before: f64, began: Instant) -> io::Result<Cost> {
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak = 0.0_f64;
        let ended = loop {
            peak = peak.max(peak_of(&status).unwrap_or_default());
            if let Some(ended) = child.try_wait()? {
                break ended;
            }
            std::thread::sleep(LOOK);
        };
        let wall = began.elapsed().as_secs_f64();
        match ended.code() {
            Some(code) if (0..=self.highest).contains(&code) => {
                Ok(Cost { cpu: children_cpu()? - before, wall, peak })
            }
            _ => Err(io::Error::other(format!("{} ended with {ended}", self.program.display()))),
        }
    }
}

/// CPU seconds of this process' children that have ended (proc(5): cutime and cstime, in ticks of a
/// hundredth of a second).
fn children_cpu() -> io::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name in brackets may hold blanks.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    match (ticks(13), ticks(14)) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err(io::Error::other("/proc/self/stat: expected cutime and cstime")),
    }
}

/// Peak resident memory in MiB.
fn peak_of(status: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// Where a program is, among those built here and by the search path; the first that `fits`, since others
/// may have its name.
pub(super) fn find(name: &str, fits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::iter::once(made())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file() && fits(file))
}

/// The cost of the median CPU time of `rounds` of each line, one after the other in turn, so that what
/// else the machine does falls on all of them; none for a line that failed.
pub(super) fn paired(lines: &[Line], rounds: usize) -> Vec<Option<Cost>> {
    let mut costs: Vec<Vec<Option<Cost>>> = vec![Vec::new(); lines.len()];
    for _ in 0..rounds {
        for (line, costs) in lines.iter().zip(&mut costs) {
            costs.push(line.measured().ok());
        }
    }
    let median = |costs: Vec<Option<Cost>>| {
        let mut costs = costs.into_iter().collect::<Option<Vec<Cost>>>()?;
        costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
        costs.get(costs.len() / 2).copied()
    };
    costs.into_iter().map(median).collect()
}
