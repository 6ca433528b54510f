//! Keys and values, deflated where that is shorter.

use super::{
    FormatError, METADATA_LIMIT,
    error::{at_most, check, field},
    sink::Sink,
    source::Source,
};
use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};
use miniz_oxide::{
    deflate::compress_to_vec,
    inflate::{
        TINFLStatus,
        core::{
            DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};

/// How hard the compressor tries, of 10.
const LEVEL: u8 = 9;

/// The length of the texts; where there are some, the length of what they are deflated to, or 0;
/// and the texts or that.
pub(super) fn put(
    sink: &mut impl Sink,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    let mut texts = Vec::new();
    for text in metadata.iter().flat_map(|(key, value)| [key, value]) {
        texts.text(text);
    }
    if texts.len() > METADATA_LIMIT {
        let found = texts.len();
        return Err(FormatError::Metadata { found });
    }
    sink.size(texts.len());
    if texts.is_empty() {
        return Ok(());
    }
    let deflated = compress_to_vec(&texts, LEVEL);
    if deflated.len() < texts.len() {
        sink.size(deflated.len());
        sink.bytes(&deflated);
    } else {
        sink.size(0);
        sink.bytes(&texts);
    }
    Ok(())
}

pub(super) fn read(source: &mut Source) -> Result<BTreeMap<String, String>, FormatError> {
    let at = source.at();
    let length = source.size("length of the metadata")?;
    check(
        length <= METADATA_LIMIT,
        at,
        "length of the metadata",
        at_most(METADATA_LIMIT),
        length,
    )?;
    if length == 0 {
        return Ok(BTreeMap::new());
    }
    let at = source.at();
    let stored = source.size("length of the deflated metadata")?;
    check(
        stored < length,
        at,
        "length of the deflated metadata",
        format_args!("less than {length}"),
        stored,
    )?;
    let at = source.at();
    if stored == 0 {
        return texts(source.bytes("metadata", length)?, at);
    }
    let deflated = source.bytes("deflated metadata", stored)?;
    // No byte of a deflated stream makes more than 258.
    let most = deflated.len().saturating_mul(1032);
    check(
        length <= most,
        at,
        "length of the metadata",
        at_most(most),
        length,
    )?;
    let mut inflated = vec![0; length];
    let (status, read, made) = decompress(
        &mut DecompressorOxide::new(),
        deflated,
        &mut inflated,
        0,
        TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    check(
        status == TINFLStatus::Done && (read, made) == (stored, length),
        at,
        "deflated metadata",
        format_args!("{length} bytes from {stored}"),
        format_args!("{made} from {read}"),
    )?;
    texts(&inflated, 0)
}

/// Pairs of key and value, the keys ascending.
fn texts(bytes: &[u8], offset: usize) -> Result<BTreeMap<String, String>, FormatError> {
    let mut source = Source::new(bytes, 0);
    let mut metadata: BTreeMap<String, String> = BTreeMap::new();
    while source.left() > 0 {
        let at = offset + source.at();
        let key = source.text("metadata key")?;
        let value = source.text("metadata value")?;
        let quoted = |text: &str| format!("{:?}", text.chars().take(40).collect::<String>());
        if let Some((last, _)) = metadata.last_key_value()
            && *last >= key
        {
            let after = format!("one after {}", quoted(last));
            return Err(field(at, "metadata key", after, quoted(&key)));
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}
