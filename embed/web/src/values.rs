//! Tensors between JavaScript's typed arrays and a program.

use bernet_kernels::{
    bits::{BitMatrix, BitViewMut},
    isa::Level,
    packing,
};
use bernet_runtime::{
    execute::{TensorMut, TensorRef},
    graph::{Kind, Pixels, Shape, Value},
};
use js_sys::{Float32Array, Int8Array, Int32Array, Object, Uint8Array, Uint8ClampedArray};
use wasm_bindgen::{JsCast, JsError, JsValue};

/// The values of a batch of items.
pub(crate) enum Values {
    /// Packed a line at a time.
    Bit(Vec<u64>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    F32(Vec<f32>),
}

/// What is handed in for an input, and of how many items.
pub(crate) struct Batch {
    pub(crate) items: usize,
    pub(crate) values: Values,
}

/// Most bytes of an output.
const MOST_BYTES: usize = 1 << 30;

impl Values {
    /// Room for the items of an output.
    pub(crate) fn zeros(name: &str, value: Value, items: usize) -> Result<Self, JsError> {
        let per_item = match value.kind {
            Kind::Bit => value.shape.height * line_words(value.shape),
            _ => value.shape.len(),
        };
        let bytes = if value.kind == Kind::Bit { 8 } else { 4 };
        let count = per_item
            .checked_mul(items)
            .filter(|count| count.saturating_mul(bytes) <= MOST_BYTES)
            .ok_or_else(|| {
                JsError::new(&format!(
                    "output \"{name}\": {items} items of {} take more than 1 GiB; run fewer at once",
                    value.shape
                ))
            })?;
        Ok(match value.kind {
            Kind::Bit => Self::Bit(vec![0; count]),
            Kind::U8 => Self::U8(vec![0; count]),
            Kind::I32 => Self::I32(vec![0; count]),
            Kind::F32 => Self::F32(vec![0.0; count]),
        })
    }

    pub(crate) fn as_ref(&self) -> TensorRef<'_> {
        match self {
            Self::Bit(values) => TensorRef::Bit(values),
            Self::U8(values) => TensorRef::U8(values),
            Self::I32(values) => TensorRef::I32(values),
            Self::F32(values) => TensorRef::F32(values),
        }
    }

    pub(crate) fn as_mut(&mut self) -> TensorMut<'_> {
        match self {
            Self::Bit(values) => TensorMut::Bit(values),
            Self::U8(values) => TensorMut::U8(values),
            Self::I32(values) => TensorMut::I32(values),
            Self::F32(values) => TensorMut::F32(values),
        }
    }

    /// A typed array; bits become −1 and 1.
    pub(crate) fn to_js(&self, shape: Shape) -> Object {
        match self {
            Self::Bit(words) => {
                let columns = shape.width * shape.channels;
                let lines = words.chunks(line_words(shape));
                let signs: Vec<i8> = lines
                    .flat_map(|line| {
                        (0..columns).map(|at| sign(line[at / 64] >> (at % 64) & 1 == 1))
                    })
                    .collect();
                Int8Array::from(&signs[..]).into()
            }
            Self::U8(values) => Uint8Array::from(&values[..]).into(),
            Self::I32(values) => Int32Array::from(&values[..]).into(),
            Self::F32(values) => Float32Array::from(&values[..]).into(),
        }
    }
}

/// −1 or 1.
pub(crate) fn sign(bit: bool) -> i8 {
    if bit { 1 } else { -1 }
}

/// Words of a line of bits.
fn line_words(shape: Shape) -> usize {
    (shape.width * shape.channels).div_ceil(64)
}

/// The items of an input: bytes are pixels, read as the net says, and other arrays hold the values.
pub(crate) fn read(
    name: &str,
    value: Value,
    pixels: &Pixels,
    array: &JsValue,
    level: Level,
) -> Result<Batch, JsError> {
    let bytes = array
        .dyn_ref::<Uint8Array>()
        .map(Uint8Array::to_vec)
        .or_else(|| Some(array.dyn_ref::<Uint8ClampedArray>()?.to_vec()));
    let floats = array.dyn_ref::<Float32Array>().map(Float32Array::to_vec);
    let signs = array.dyn_ref::<Int8Array>().map(Int8Array::to_vec);
    let integers = array.dyn_ref::<Int32Array>().map(Int32Array::to_vec);

    let given = [
        bytes.as_ref().map(Vec::len),
        floats.as_ref().map(Vec::len),
        signs.as_ref().map(Vec::len),
        integers.as_ref().map(Vec::len),
    ];
    let Some(length) = given.into_iter().flatten().next() else {
        return Err(wrong_array(name, value, pixels, array));
    };
    let per_item = value.shape.len();
    if length % per_item != 0 {
        return Err(JsError::new(&format!(
            "input \"{name}\": expected a multiple of {per_item} values (items of {}), found {length}",
            value.shape
        )));
    }
    let items = length / per_item;
    // All at once, since lines that are shorter than a word would be packed one by one.
    let pack = |pack: &dyn Fn(BitViewMut<'_>) -> Result<(), bernet_kernels::Error>| {
        let mut bits = BitMatrix::all_minus_one(1, length);
        pack(bits.view_mut())?;
        let columns = value.shape.width * value.shape.channels;
        Ok::<_, bernet_kernels::Error>(Values::Bit(lines(bits.words(), columns, length / columns)))
    };
    let values = match (value.kind, bytes, floats, signs, integers) {
        (Kind::Bit, Some(bytes), ..) => match pixels {
            Pixels::AtLeast(least) => pack(&|bits| packing::at_least(level, &bytes, *least, bits))?,
            _ => return Err(wrong_array(name, value, pixels, array)),
        },
        (Kind::Bit, _, Some(floats), ..) => pack(&|bits| packing::signs(level, &floats, bits))?,
        (Kind::Bit, _, _, Some(signs), _) => pack(&|bits| packing::signs(level, &signs, bits))?,
        (Kind::U8, Some(bytes), ..) => Values::U8(bytes),
        (Kind::I32, .., Some(integers)) => Values::I32(integers),
        (Kind::F32, _, Some(floats), ..) => Values::F32(floats),
        (Kind::F32, Some(bytes), ..) => match pixels {
            Pixels::Affine { scale, bias } => {
                let channels = value.shape.channels;
                let number = |(at, &byte): (usize, &u8)| {
                    let channel = at % channels;
                    f32::from(byte) * scale[channel % scale.len()] + bias[channel % bias.len()]
                };
                Values::F32(bytes.iter().enumerate().map(number).collect())
            }
            _ => return Err(wrong_array(name, value, pixels, array)),
        },
        _ => return Err(wrong_array(name, value, pixels, array)),
    };
    Ok(Batch { items, values })
}

/// Cuts packed bits into lines of whole words.
fn lines(words: &[u64], columns: usize, count: usize) -> Vec<u64> {
    if columns.is_multiple_of(64) {
        return words.to_vec();
    }
    let mut lines = Vec::with_capacity(count * columns.div_ceil(64));
    for line in 0..count {
        let (start, end) = (line * columns, (line + 1) * columns);
        for at in (start..end).step_by(64) {
            let (word, shift) = (at / 64, at % 64);
            let next = words.get(word + 1).copied().unwrap_or(0);
            let bits = words[word] >> shift | (next << 1) << (63 - shift);
            lines.push(bits & u64::MAX >> (64 - (end - at).min(64)));
        }
    }
    lines
}

/// Says which arrays an input takes.
fn wrong_array(name: &str, value: Value, pixels: &Pixels, array: &JsValue) -> JsError {
    let values = match value.kind {
        Kind::Bit => "an Int8Array or Float32Array of signs",
        Kind::U8 => "a Uint8Array",
        Kind::I32 => "an Int32Array",
        Kind::F32 => "a Float32Array",
    };
    let said = match pixels {
        Pixels::Unsaid if value.kind != Kind::U8 => {
            "; the net does not say what pixels become, so it takes none"
        }
        _ if value.kind == Kind::U8 => "",
        _ => ", or a Uint8Array of pixels",
    };
    let found = array
        .dyn_ref::<Object>()
        .map_or_else(
            || array.js_typeof().as_string(),
            |object| Some(object.constructor().name().into()),
        )
        .unwrap_or_default();
    JsError::new(&format!(
        "input \"{name}\": expected {values}{said}, found {found}"
    ))
}
