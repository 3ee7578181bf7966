//! The same events as Parquet (Amazon Security Lake), and AWS VPC flow logs as Parquet: only the
//! columns that are needed are decoded.
//!
//! A Parquet file names its columns at its end, so that it is held in memory until that is there.
//!
//! <https://parquet.apache.org/docs/file-format/>

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::ConvertedType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use super::Ocsf;
use crate::cloud::aws;
use crate::json::{Flat, ObjectFormat};
use crate::{Decoded, Decoder, Problem};

/// The largest file that is held: Security Lake and VPC flow logs write files of some megabytes, and
/// larger ones would leave little of the memory that a hunt may take (DESIGN.md section 6).
const MAX_FILE: usize = 128 << 20;

/// How many rows a byte may hold: columns of one value take none, but addresses and ports differ. A
/// hostile file may claim any number.
const MAX_ROWS_PER_BYTE: usize = 64;

/// The columns of OCSF events that are read, each with all within it.
const WANTED: [&str; 31] = [
    "class_uid",
    "activity_id",
    "disposition_id",
    "action_id",
    "status_id",
    "status_code",
    "time",
    "time_dt",
    "start_time",
    "start_time_dt",
    "metadata.product.name",
    "connection_info.protocol_num",
    "connection_info.protocol_name",
    "connection_info.direction_id",
    "connection_info.tcp_flags",
    "traffic",
    "src_endpoint.ip",
    "src_endpoint.port",
    "dst_endpoint.ip",
    "dst_endpoint.port",
    "device.hostname",
    "device.name",
    "device.uid",
    "device.os",
    "container.uid",
    "container.image.name",
    "process",
    "actor.process",
    "query.hostname",
    "query.type",
    "rcode_id",
];

/// Whether the input is a Parquet file.
pub(crate) fn recognises(head: &[u8]) -> bool {
    head.starts_with(b"PAR1")
}

/// A decoder of files.
pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(File { bytes: Vec::new(), too_large: false })
}

struct File {
    bytes: Vec<u8>,
    too_large: bool,
}

impl Decoder for File {
    fn decode(&mut self, bytes: &[u8], out: &mut Decoded) -> usize {
        if self.bytes.len() + bytes.len() > MAX_FILE {
            if !self.too_large {
                out.note(Problem::Shed, "Parquet file too large", 0, || {
                    format!("expected at most {MAX_FILE} bytes; split the file")
                });
            }
            self.too_large = true;
            self.bytes = Vec::new();
        }
        if !self.too_large {
            self.bytes.extend_from_slice(bytes);
        }
        bytes.len()
    }

    fn finish(&mut self, rest: &[u8], out: &mut Decoded) {
        self.decode(rest, out);
        if self.too_large || self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        // The library indexes what a file claims without looking, in places: a file that makes it
        // panic costs itself.
        let read = catch_unwind(AssertUnwindSafe(|| read(bytes, out)));
        if let Err(why) = read.unwrap_or_else(|_| Err("its pages contradict one another".into())) {
            out.note(Problem::Malformed, "no whole Parquet file", 0, || {
                format!("{why}; rows before that are used")
            });
        }
    }
}

/// What the columns of a file are.
enum Layout {
    Ocsf(Box<Ocsf>),
    Vpc(Box<aws::Rows>, Vec<String>),
}

fn read(bytes: Vec<u8>, out: &mut Decoded) -> Result<(), String> {
    let length = bytes.len();
    let said = |error: parquet::errors::ParquetError| error.to_string();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(said)?;
    let root = reader.metadata().file_metadata().schema_descr().root_schema().clone();
    let has = |name: &str| root.get_fields().iter().any(|field| field.name() == name);
    let (mut layout, projection) = if has("class_uid") {
        (Layout::Ocsf(Box::default()), project(&root, "", &WANTED))
    } else if has("srcaddr") && has("dstaddr") {
        let names: Vec<&str> = root.get_fields().iter().map(|field| field.name()).collect();
        let wanted: Vec<&str> = names.iter().copied().filter(|name| aws::is_read(name)).collect();
        let named = wanted.iter().map(|name| name.replace('_', "-")).collect();
        (Layout::Vpc(Box::new(aws::Rows::of(named)), owned(&wanted)), project(&root, "", &wanted))
    } else {
        out.note(Problem::Unsupported, "Parquet columns of another kind", 0, || {
            let names: Vec<&str> = root.get_fields().iter().map(|f| f.name()).take(12).collect();
            format!(
                "expected OCSF's class_uid or a VPC flow log's srcaddr, found {}",
                names.join(", ")
            )
        });
        return Ok(());
    };
    let Some(projection) = projection else { return Err("it has no column that is read".into()) };
    let projection = Type::clone(&projection);
    let rows = reader.get_row_iter(Some(projection)).map_err(said)?;
    let mut done = Ok(());
    for (number, row) in rows.enumerate() {
        if number >= length.saturating_mul(MAX_ROWS_PER_BYTE) {
            done = Err(format!("it claims more than {MAX_ROWS_PER_BYTE} rows a byte"));
            break;
        }
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                done = Err(said(error));
                break;
            }
        };
        out.records += 1;
        // A row lies in its columns, here and there: its number stands for its place.
        layout.row(&row, number as u64, out);
    }
    layout.end(out);
    done
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

impl Layout {
    fn row(&mut self, row: &Row, number: u64, out: &mut Decoded) {
        let mut leaves = Vec::new();
        for (name, field) in row.get_column_iter() {
            flatten(name, field, &mut leaves);
        }
        let flat = Flat::of(leaves.iter().map(|(path, value)| (path.as_str(), value.as_str())));
        match self {
            Layout::Ocsf(ocsf) => ocsf.object(&flat, number, out),
            Layout::Vpc(rows, names) => {
                let value = |name: &String| flat.get(name).unwrap_or("-");
                let values: Vec<&str> = names.iter().map(value).collect();
                rows.row(&values, number, out);
            }
        }
    }

    fn end(&mut self, out: &mut Decoded) {
        match self {
            Layout::Ocsf(ocsf) => ocsf.end(out),
            Layout::Vpc(rows, _) => rows.finish(out),
        }
    }
}

/// The part of a schema that holds these paths; `None` where it holds none of them.
fn project(of: &Type, path: &str, wanted: &[&str]) -> Option<TypePtr> {
    let is_wanted = wanted.iter().any(|want| {
        path == *want || path.strip_prefix(want).is_some_and(|rest| rest.starts_with('.'))
    });
    if is_wanted || of.is_primitive() {
        return is_wanted.then(|| Arc::new(of.clone()));
    }
    let fields: Vec<TypePtr> = of
        .get_fields()
        .iter()
        .filter_map(|field| {
            let within = match path {
                "" => field.name().to_string(),
                path => format!("{path}.{}", field.name()),
            };
            let leads = wanted
                .iter()
                .any(|want| *want == within || want.starts_with(&format!("{within}.")));
            leads.then(|| project(field, &within, wanted)).flatten()
        })
        .collect();
    if fields.is_empty() {
        return None;
    }
    let info = of.get_basic_info();
    let mut group = Type::group_type_builder(of.name()).with_fields(fields);
    if info.has_repetition() {
        group = group.with_repetition(info.repetition());
    }
    if info.converted_type() != ConvertedType::NONE {
        group = group.with_converted_type(info.converted_type());
    }
    group.build().ok().map(Arc::new)
}

/// The leaves of a value, under its path.
fn flatten(path: &str, field: &Field, leaves: &mut Vec<(String, String)>) {
    let text = match field {
        Field::Null => return,
        Field::Group(row) => {
            for (name, field) in row.get_column_iter() {
                flatten(&format!("{path}.{name}"), field, leaves);
            }
            return;
        }
        Field::ListInternal(list) => {
            for (at, field) in list.elements().iter().enumerate() {
                flatten(&format!("{path}.{at}"), field, leaves);
            }
            return;
        }
        Field::MapInternal(_) => return,
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        Field::Bool(value) => value.to_string(),
        Field::Byte(value) => value.to_string(),
        Field::Short(value) => value.to_string(),
        Field::Int(value) => value.to_string(),
        Field::Long(value) => value.to_string(),
        Field::UByte(value) => value.to_string(),
        Field::UShort(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::ULong(value) => value.to_string(),
        Field::TimestampMillis(value) | Field::TimestampMicros(value) => value.to_string(),
        other => other.to_string(),
    };
    leaves.push((path.to_string(), text));
}
