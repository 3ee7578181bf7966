//! Composes files of macOS' unified log after their published layout, for what no small real archive
//! holds: mDNSResponder's requests.
//!
//! <https://github.com/libyal/dtformats/blob/main/documentation/Apple%20Unified%20Logging%20and%20Activity%20Tracing%20formats.asciidoc>

/// The boot that all files tell of.
pub const BOOT: [u8; 16] = *b"lapwing's a boot";

/// What mDNSResponder is, and the numbers that catalogs give it.
pub const RESPONDER: Process = Process {
    uuid: *b"an mDNSResponder",
    path: "/usr/sbin/mDNSResponder",
    subsystem: "com.apple.mDNSResponder",
    numbers: (0x1bc, 0x300),
    pid: 218,
};

/// Another program that writes.
pub const OTHER: Process = Process {
    uuid: *b"another program!",
    path: "/usr/libexec/locationd",
    subsystem: "com.apple.locationd.Core",
    numbers: (0x99, 0x301),
    pid: 99,
};

pub struct Process {
    pub uuid: [u8; 16],
    pub path: &'static str,
    pub subsystem: &'static str,
    pub numbers: (u64, u32),
    pub pid: u32,
}

/// How a text's arguments are kept.
#[derive(Clone)]
pub enum Argument {
    Number(u32),
    Text(String),
    /// A value that its hash stands for; a length goes before it.
    Masked([u8; 16]),
    /// The same of a `%s`, which has none.
    MaskedText([u8; 16]),
    /// A value that is hidden; the same.
    Hidden,
    /// A hidden value of a `%s`.
    HiddenText,
}

/// One message: which of the program's texts, when in ticks of 24 MHz since the boot, and with what.
#[derive(Clone)]
pub struct Message {
    pub text: usize,
    pub ticks: u64,
    pub arguments: Vec<Argument>,
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn chunk(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.to_le_bytes(), 0x11_u32.to_le_bytes()].concat();
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(data);
    padded(bytes)
}

fn fixed<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

/// The chunk that begins a file.
pub fn header() -> Vec<u8> {
    let mut data = Vec::new();
    let words = |data: &mut Vec<u8>, words: &[u32]| {
        words.iter().for_each(|word| data.extend(word.to_le_bytes()));
    };
    words(&mut data, &[125, 3]);
    data.extend(1_u64.to_le_bytes());
    data.extend(1_773_301_000_u64.to_le_bytes());
    words(&mut data, &[0, (-60_i32).cast_unsigned(), 0, 3, 0x6100, 8]);
    data.extend(1_u64.to_le_bytes());
    words(&mut data, &[0x6101, 56, 7, 8]);
    data.extend(fixed::<16>("25D125"));
    data.extend(fixed::<32>("Mac15,12"));
    words(&mut data, &[0x6102, 24]);
    data.extend(BOOT);
    words(&mut data, &[88, 0, 0x6103, 48]);
    data.extend(fixed::<48>("/var/db/timezone/zoneinfo/Europe/Zurich"));
    chunk(0x1000, &data)
}

/// The chunk that lists processes.
pub fn catalog(processes: &[&Process]) -> Vec<u8> {
    let uuids: Vec<u8> = processes.iter().flat_map(|process| process.uuid).collect();
    let (mut names, mut entries) = (Vec::new(), Vec::new());
    for (at, process) in processes.iter().enumerate() {
        let subsystem = names.len() as u16;
        names.extend(process.subsystem.as_bytes());
        names.push(0);
        let category = names.len() as u16;
        names.extend(b"mDNS\0");
        let mut entry = Vec::new();
        for half in [at as u16, 0, at as u16, 0xffff] {
            entry.extend(half.to_le_bytes());
        }
        entry.extend(process.numbers.0.to_le_bytes());
        for word in [process.numbers.1, process.pid, 65, 0, 0, 0, 1, 0] {
            entry.extend(word.to_le_bytes());
        }
        for half in [1, subsystem, category] {
            entry.extend(half.to_le_bytes());
        }
        entries.extend(padded(entry));
    }
    let names = padded(names);
    let (first, second) = (uuids.len(), uuids.len() + names.len());
    let mut data = Vec::new();
    for half in [first, second, processes.len(), second + entries.len(), 0, 0, 0, 0] {
        data.extend((half as u16).to_le_bytes());
    }
    data.extend(1_u64.to_le_bytes());
    data.extend([uuids, names, entries].concat());
    chunk(0x600b, &data)
}

/// How a chunk set is packed.
#[derive(Clone, Copy)]
pub enum Packing {
    Lz4,
    Stored,
}

/// A chunk set of chunks.
pub fn chunk_set(packing: Packing, chunks: &[Vec<u8>]) -> Vec<u8> {
    let plain = chunks.concat();
    let size = (plain.len() as u32).to_le_bytes();
    let mut data = match packing {
        Packing::Stored => [b"bv4-", &size[..], &plain].concat(),
        Packing::Lz4 => {
            let packed = lz4_flex::block::compress(&plain);
            let length = (packed.len() as u32).to_le_bytes();
            [b"bv41", &size[..], &length, &packed].concat()
        }
    };
    data.extend(b"bv4$");
    chunk(0x600d, &data)
}

/// A chunk of what one process wrote.
pub fn firehose(process: &Process, texts: &Texts, messages: &[Message]) -> Vec<u8> {
    let base = messages.iter().map(|message| message.ticks).min().unwrap_or_default();
    let entries: Vec<u8> =
        messages.iter().flat_map(|message| entry(texts, message, base)).collect();
    let mut data = process.numbers.0.to_le_bytes().to_vec();
    data.extend(process.numbers.1.to_le_bytes());
    // Time to live, collapsed, reserved.
    data.extend([0, 0, 0, 0]);
    for half in [entries.len() as u16 + 16, 0x1000, 0, 0x0300] {
        data.extend(half.to_le_bytes());
    }
    data.extend(base.to_le_bytes());
    data.extend(entries);
    chunk(0x6001, &data)
}

fn entry(texts: &Texts, message: &Message, base: u64) -> Vec<u8> {
    let (mut items, mut values, mut count) = (Vec::new(), Vec::<u8>::new(), 0);
    let mut value = |items: &mut Vec<u8>, kind: u8, bytes: &[u8]| {
        items.extend([kind, 4]);
        items.extend((values.len() as u16).to_le_bytes());
        items.extend((bytes.len() as u16).to_le_bytes());
        values.extend(bytes);
    };
    let length = |items: &mut Vec<u8>, length: u32| {
        items.extend([0x12, 4]);
        items.extend(length.to_le_bytes());
    };
    for argument in &message.arguments {
        count += 1;
        match argument {
            Argument::Number(number) => {
                items.extend([0x00, 4]);
                items.extend(number.to_le_bytes());
            }
            Argument::Text(text) => value(&mut items, 0x22, format!("{text}\0").as_bytes()),
            Argument::Masked(mask) => {
                length(&mut items, 257);
                value(&mut items, 0xf2, mask);
                count += 1;
            }
            Argument::MaskedText(mask) => value(&mut items, 0xf2, mask),
            Argument::Hidden => {
                length(&mut items, 257);
                value(&mut items, 0x35, b"");
                count += 1;
            }
            Argument::HiddenText => value(&mut items, 0x25, b""),
        }
    }
    // Where the call is, the subsystem, and what is unknown.
    let mut data = 0x1234_u32.to_le_bytes().to_vec();
    data.extend(1_u16.to_le_bytes());
    data.extend([0, count]);
    data.extend(items);
    data.extend(values);
    // A message of the program itself, with a subsystem.
    let mut bytes = vec![0x04, 0x00, 0x02, 0x02];
    bytes.extend(texts.place(message.text).to_le_bytes());
    bytes.extend(0x1337_u64.to_le_bytes());
    bytes.extend(&(message.ticks - base).to_le_bytes()[..6]);
    bytes.extend((data.len() as u16).to_le_bytes());
    bytes.extend(data);
    padded(bytes)
}

/// A program's texts.
pub struct Texts {
    pub texts: Vec<&'static str>,
    pub path: &'static str,
}

impl Texts {
    /// Where the program's image holds its texts.
    const BEGINS: u32 = 0x8000;

    fn place(&self, of: usize) -> u32 {
        Texts::BEGINS + self.texts[..of].iter().map(|text| text.len() as u32 + 1).sum::<u32>()
    }

    /// The uuidtext file.
    pub fn file(&self) -> Vec<u8> {
        let texts: String = self.texts.iter().map(|text| format!("{text}\0")).collect();
        let words = [0x6677_8899, 2, 1, 1, Texts::BEGINS, texts.len() as u32];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        bytes.extend(texts.as_bytes());
        bytes.extend(self.path.as_bytes());
        bytes.push(0);
        bytes
    }
}

/// A timesync file of one boot: what time it was, in nanoseconds since 1970, at these ticks.
pub fn timesync(records: &[(u64, i64)]) -> Vec<u8> {
    let mut bytes = 0xbbb0_u16.to_le_bytes().to_vec();
    bytes.extend(48_u16.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(BOOT);
    for word in [125_u32, 3] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(records[0].1.to_le_bytes());
    bytes.extend([0; 8]);
    for (ticks, time) in records {
        bytes.extend(0x0020_7354_u32.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(ticks.to_le_bytes());
        bytes.extend(time.to_le_bytes());
        bytes.extend([0; 8]);
    }
    bytes
}
