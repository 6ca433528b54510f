//! TensorBoard's event files.
//!
//! A file is a sequence of records in TFRecord's framing, all integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | length of the data |
//! | 4 | masked CRC-32C of the length |
//! | length | the data: an `Event` in protobuf's encoding |
//! | 4 | masked CRC-32C of the data |
//!
//! with `mask(c) = ((c >> 15) | (c << 17)) + 0xa282ead8`, so that the sum of data that hold sums is not predictable. Source:
//! `tensorflow/core/lib/io/record_writer.h`, `tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto`.
//!
//! ```
//! use bernet::report::EventWriter;
//!
//! let folder = tempfile::tempdir()?;
//! let mut events = EventWriter::create(folder.path())?;
//! events.scalars(1, &[("loss", 0.5), ("accuracy", 0.75)])?;
//! let bytes = std::fs::read(folder.path().join(EventWriter::FILE))?;
//! // The first record says which version of the format follows.
//! assert_eq!((bytes[0], &bytes[23..36]), (24, &b"brain.Event:2"[..]));
//! # Ok::<(), std::io::Error>(())
//! ```

use super::csv::named;
use prost::Message;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Writes an event file, each event in one piece, so that TensorBoard can read along.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// The file's name in its folder: TensorBoard asks for the middle word, and what else it reads there it would add to the
    /// same run.
    pub const FILE: &str = "events.out.tfevents.bernet";

    /// Creates the file in a folder, or empties it.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(Self::FILE);
        let file = File::create(&path).map_err(|error| named(&path, error))?;
        let mut writer = Self { path, file };
        writer.event(Event {
            wall_time: now(),
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        })?;
        Ok(writer)
    }

    /// Adds a value to each of some curves.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn scalars(&mut self, step: i64, values: &[(&str, f32)]) -> io::Result<()> {
        let value = values.iter().map(|&(tag, value)| Value {
            tag: tag.into(),
            simple_value: Some(value),
        });
        self.event(Event {
            wall_time: now(),
            step,
            file_version: None,
            summary: Some(Summary {
                value: value.collect(),
            }),
        })
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .map_err(|error| named(&self.path, error))
    }
}

/// Seconds since 1970; a clock before that is no reason to stop.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Data in TFRecord's framing.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let sum = |bytes| masked(crc32c(bytes)).to_le_bytes();
    [&length[..], &sum(&length), data, &sum(data)].concat()
}

fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli 1993), bit by bit: an event is a few hundred bytes, and there is one an epoch.
fn crc32c(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let sum = bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (REVERSED_POLYNOMIAL * (sum & 1))
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::{Event, EventWriter, crc32c, masked};
    use prost::Message;

    /// RFC 3720, B.4.
    #[test]
    fn sums_are_those_of_the_standard() {
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&counting), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = EventWriter::create(folder.path()).expect("created");
        for step in 1..=3 {
            let values = [("loss", 1.0 / step as f32), ("right", 0.5)];
            writer.scalars(step, &values).expect("written");
        }
        let bytes = std::fs::read(folder.path().join(EventWriter::FILE)).expect("read");
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let u32_at = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().expect("four"));
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
            assert_eq!(u32_at(&rest[8..]), masked(crc32c(&rest[..8])));
            let data = &rest[12..12 + length];
            assert_eq!(u32_at(&rest[12 + length..]), masked(crc32c(data)));
            events.push(Event::decode(data).expect("an event"));
            rest = &rest[16 + length..];
        }
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        let value = &events[2].summary.as_ref().expect("a summary").value[0];
        assert_eq!((events[2].step, value.tag.as_str()), (2, "loss"));
        assert_eq!(value.simple_value, Some(0.5));
    }
}
