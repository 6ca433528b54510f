//! Lists of bits, integers, floats and thresholds, each as narrow as its values allow.

use super::{
    error::{FormatError, at_most, check, field},
    sink::Sink,
    source::Source,
};
use crate::graph::RealThreshold;
use alloc::{vec, vec::Vec};
use bernet_kernels::{
    bits::{BitMatrix, WORD},
    xnor::Threshold,
};
use core::fmt::Display;
use half::f16;

/// Packs groups of up to 64 bits one after the other, the lowest first, into whole bytes.
struct BitWriter<'a, S: Sink> {
    sink: &'a mut S,
    bits: u128,
    count: usize,
}

impl<'a, S: Sink> BitWriter<'a, S> {
    fn new(sink: &'a mut S) -> Self {
        Self {
            sink,
            bits: 0,
            count: 0,
        }
    }

    /// Bits of `bits` from `count ≤ 64` on are 0.
    fn put(&mut self, bits: u64, count: usize) {
        self.bits |= u128::from(bits) << self.count;
        self.count += count;
        if self.count >= WORD {
            self.sink.bytes(&(self.bits as u64).to_le_bytes());
            self.bits >>= WORD;
            self.count -= WORD;
        }
    }

    /// Fills the last byte up with 0.
    fn finish(self) {
        let bytes = self.bits.to_le_bytes();
        self.sink.bytes(&bytes[..self.count.div_ceil(8)]);
    }
}

/// Reads what [`BitWriter`] packed.
struct BitReader<'a> {
    bytes: &'a [u8],
    bits: u128,
    count: usize,
}

impl<'a> BitReader<'a> {
    /// `total` bits, and those that fill the last byte, which are 0.
    fn new(source: &mut Source<'a>, what: impl Display, total: usize) -> Result<Self, FormatError> {
        let bytes = source.bytes(&what, total.div_ceil(8))?;
        if let (Some(&last), used @ 1..) = (bytes.last(), total % 8) {
            let rest = last >> used;
            let what = format_args!("bits after the {what}");
            check(
                rest == 0,
                source.at() - 1,
                what,
                0,
                format_args!("{rest:#04b}"),
            )?;
        }
        Ok(Self {
            bytes,
            bits: 0,
            count: 0,
        })
    }

    /// The next `count ≤ 64` bits, which are there.
    fn get(&mut self, count: usize) -> u64 {
        if self.count < count {
            let (now, rest) = self.bytes.split_at(self.bytes.len().min(8));
            let mut word = [0; 8];
            word[..now.len()].copy_from_slice(now);
            self.bits |= u128::from(u64::from_le_bytes(word)) << self.count;
            self.count += 8 * now.len();
            self.bytes = rest;
        }
        let mask = if count < WORD {
            !(u64::MAX << count)
        } else {
            u64::MAX
        };
        let bits = self.bits as u64 & mask;
        self.bits >>= count;
        self.count -= count;
        bits
    }
}

/// Row after row, without padding.
pub(super) fn put_matrix(sink: &mut impl Sink, matrix: &BitMatrix) {
    if matrix.columns().is_multiple_of(WORD) {
        return put_elements(sink, matrix.words(), |word| word.to_le_bytes());
    }
    let mut writer = BitWriter::new(sink);
    for row in 0..matrix.rows() {
        for (index, &word) in matrix.row(row).iter().enumerate() {
            writer.put(word, WORD.min(matrix.columns() - index * WORD));
        }
    }
    writer.finish();
}

/// A matrix of a known size.
pub(super) fn matrix(
    source: &mut Source,
    rows: usize,
    columns: usize,
) -> Result<BitMatrix, FormatError> {
    let row_words = columns.div_ceil(WORD);
    source.take_memory("weights", rows, row_words.saturating_mul(8))?;
    if columns > 0 && columns.is_multiple_of(WORD) {
        let bytes = source.elements("weights", rows.saturating_mul(row_words), 8)?;
        let words = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&word| u64::from_le_bytes(word));
        return Ok(from_words(rows, columns, words.collect()));
    }
    let mut reader = BitReader::new(source, "weights", rows.saturating_mul(columns))?;
    let mut words = Vec::with_capacity(rows * row_words);
    // Rows without a column are refused as a shape; there may be many of them.
    for _ in 0..if columns == 0 { 0 } else { rows } {
        for column in (0..columns).step_by(WORD) {
            words.push(reader.get(WORD.min(columns - column)));
        }
    }
    Ok(from_words(rows, columns, words))
}

fn from_words(rows: usize, columns: usize, words: Vec<u64>) -> BitMatrix {
    BitMatrix::from_words(rows, columns, words).expect("the words were made for this size")
}

/// Elements of a few bytes each, handed on many at a time: a call for each takes as long as the rest of reading a file.
fn put_elements<T: Copy, const N: usize>(
    sink: &mut impl Sink,
    elements: &[T],
    to_bytes: impl Fn(T) -> [u8; N],
) {
    const AT_ONCE: usize = 128;
    let mut buffer = [[0; N]; AT_ONCE];
    for elements in elements.chunks(AT_ONCE) {
        for (bytes, &element) in buffer.iter_mut().zip(elements) {
            *bytes = to_bytes(element);
        }
        sink.bytes(buffer[..elements.len()].as_flattened());
    }
}

/// Bits in their order.
pub(super) fn put_bits(sink: &mut impl Sink, bits: impl Iterator<Item = bool>) {
    let mut writer = BitWriter::new(sink);
    for bit in bits {
        writer.put(bit.into(), 1);
    }
    writer.finish();
}

/// `count` bits.
pub(super) fn bits(
    source: &mut Source,
    what: impl Display,
    count: usize,
) -> Result<Vec<bool>, FormatError> {
    source.take_memory(&what, count, 1)?;
    let mut reader = BitReader::new(source, what, count)?;
    Ok((0..count).map(|_| reader.get(1) == 1).collect())
}

/// Bits that each difference from the least integer takes.
fn width(least: i32, most: i32) -> u8 {
    (u32::BITS - most.wrapping_sub(least).cast_unsigned().leading_zeros()) as u8
}

/// The least integer, zigzag; a form; the differences from the least, `width` bits each.
fn put_differences(sink: &mut impl Sink, integers: impl Iterator<Item = i32> + Clone, flags: u8) {
    let least = integers.clone().min().unwrap_or(0);
    let most = integers.clone().max().unwrap_or(0);
    let zigzag = (least << 1 ^ least >> 31).cast_unsigned();
    sink.varint(zigzag.into());
    let width = width(least, most);
    sink.byte(width | flags);
    let mut writer = BitWriter::new(sink);
    for integer in integers {
        let difference = integer.wrapping_sub(least).cast_unsigned();
        writer.put(difference.into(), width.into());
    }
    writer.finish();
}

/// `count` integers and the flags in the form's two high bits.
fn differences(
    source: &mut Source,
    what: &str,
    count: usize,
    size: usize,
) -> Result<(impl Iterator<Item = i32> + use<>, u8), FormatError> {
    let at = source.at();
    let zigzag = source.varint(format_args!("least of the {what}"))?;
    let zigzag = u32::try_from(zigzag)
        .map_err(|_| field(at, format_args!("least of the {what}"), "32 bits", zigzag))?;
    let least = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    let at = source.at();
    let form = source.byte(format_args!("form of the {what}"))?;
    let (width, flags) = (form & 0x3f, form & 0xc0);
    check(
        width <= 32,
        at,
        format_args!("bits of the {what}"),
        at_most(32),
        width,
    )?;
    let width = usize::from(width);
    source.take_memory(what, count, size)?;
    let mut reader = BitReader::new(source, what, count.saturating_mul(width))?;
    let mut integers = Vec::with_capacity(count);
    for _ in 0..count {
        let difference = (reader.get(width) as u32).cast_signed();
        integers.push(least.wrapping_add(difference));
    }
    Ok((integers.into_iter(), flags))
}

/// Integers of a known number.
pub(super) fn put_integers(sink: &mut impl Sink, integers: &[i32]) {
    put_differences(sink, integers.iter().copied(), 0);
}

pub(super) fn integers(source: &mut Source, count: usize) -> Result<Vec<i32>, FormatError> {
    let at = source.at();
    let (integers, flags) = differences(source, "integers", count, 4)?;
    check(flags == 0, at, "flags of integers", 0, flags)?;
    Ok(integers.collect())
}

const NONE_INVERTED: u8 = 0;
const ALL_INVERTED: u8 = 1 << 6;
const SOME_INVERTED: u8 = 2 << 6;

/// What the two high bits of a form say of the inversions.
fn inversion_flags(mut inverted: impl Iterator<Item = bool> + Clone) -> u8 {
    if !inverted.clone().any(|one| one) {
        NONE_INVERTED
    } else if inverted.all(|one| one) {
        ALL_INVERTED
    } else {
        SOME_INVERTED
    }
}

fn put_inversions(sink: &mut impl Sink, inverted: impl Iterator<Item = bool> + Clone) {
    if inversion_flags(inverted.clone()) == SOME_INVERTED {
        put_bits(sink, inverted);
    }
}

/// Whether each of `count` thresholds is inverted.
fn inversions(source: &mut Source, flags: u8, count: usize) -> Result<Vec<bool>, FormatError> {
    if flags == SOME_INVERTED {
        return bits(source, "inversions", count);
    }
    let what = "flags of inversions";
    check(flags <= ALL_INVERTED, source.at(), what, "0, 1 or 2", 3)?;
    source.take_memory("inversions", count, 1)?;
    Ok(vec![flags == ALL_INVERTED; count])
}

pub(super) fn put_thresholds(sink: &mut impl Sink, thresholds: &[Threshold]) {
    sink.size(thresholds.len());
    let inverted = thresholds.iter().map(|threshold| threshold.invert);
    let sums = thresholds.iter().map(|threshold| threshold.at_least);
    put_differences(sink, sums, inversion_flags(inverted.clone()));
    put_inversions(sink, inverted);
}

pub(super) fn thresholds(source: &mut Source) -> Result<Vec<Threshold>, FormatError> {
    let count = source.size("number of thresholds")?;
    let size = size_of::<i32>() + size_of::<Threshold>();
    let (sums, flags) = differences(source, "thresholds", count, size)?;
    let inverted = inversions(source, flags, count)?;
    let pairs = sums.zip(inverted);
    let threshold = |(at_least, invert)| Threshold { at_least, invert };
    Ok(pairs.map(threshold).collect())
}

pub(super) fn put_real_thresholds(sink: &mut impl Sink, thresholds: &[RealThreshold]) {
    sink.size(thresholds.len());
    let inverted = thresholds.iter().map(|threshold| threshold.invert);
    let sums = thresholds.iter().map(|threshold| threshold.at_least);
    let sums: Vec<_> = sums.collect();
    put_numbers(sink, &sums, inversion_flags(inverted.clone()));
    put_inversions(sink, inverted);
}

pub(super) fn real_thresholds(source: &mut Source) -> Result<Vec<RealThreshold>, FormatError> {
    let count = source.size("number of thresholds")?;
    source.take_memory("thresholds", count, size_of::<RealThreshold>())?;
    let (sums, flags) = numbers(source, "thresholds", count)?;
    let inverted = inversions(source, flags, count)?;
    let pairs = sums.into_iter().zip(inverted);
    let threshold = |(at_least, invert)| RealThreshold { at_least, invert };
    Ok(pairs.map(threshold).collect())
}

/// Of the form of floats: all are equal, and only one is stored.
const ONCE: u8 = 1;
/// Of the form of floats: half precision holds each of them.
const HALF: u8 = 2;

fn fits_half(number: f32) -> bool {
    !number.is_nan() && f16::from_f32(number).to_f32().to_bits() == number.to_bits()
}

/// A form, then the numbers. A list without a number has a form of 0.
fn put_numbers(sink: &mut impl Sink, numbers: &[f32], flags: u8) {
    let mut form = 0;
    let mut stored = numbers;
    if let [first, rest @ ..] = numbers {
        if rest
            .iter()
            .all(|number| number.to_bits() == first.to_bits())
        {
            (form, stored) = (ONCE, &numbers[..1]);
        }
        if stored.iter().all(|&number| fits_half(number)) {
            form |= HALF;
        }
    }
    sink.byte(form | flags);
    if form & HALF == 0 {
        put_elements(sink, stored, f32::to_le_bytes);
    } else {
        put_elements(sink, stored, |number| f16::from_f32(number).to_le_bytes());
    }
}

/// `count` numbers, and the flags in the form's two high bits.
fn numbers(source: &mut Source, what: &str, count: usize) -> Result<(Vec<f32>, u8), FormatError> {
    let at = source.at();
    let form = source.byte(format_args!("form of the {what}"))?;
    let (flags, form) = (form & 0xc0, form & 0x3f);
    check(
        form <= ONCE | HALF,
        at,
        format_args!("form of the {what}"),
        at_most(3),
        form,
    )?;
    source.take_memory(what, count, size_of::<f32>())?;
    let stored = if form & ONCE == 0 { count } else { 1 };
    let size = if form & HALF == 0 { 4 } else { 2 };
    let bytes = source.elements(what, stored, size)?;
    let mut numbers = Vec::with_capacity(count);
    if size == 4 {
        let (floats, _) = bytes.as_chunks();
        numbers.extend(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)));
    } else {
        let (halves, _) = bytes.as_chunks();
        numbers.extend(
            halves
                .iter()
                .map(|&bytes| f16::from_le_bytes(bytes).to_f32()),
        );
    }
    if form & ONCE != 0 {
        numbers.resize(count, numbers[0]);
    }
    Ok((numbers, flags))
}

/// Floats of a known number.
pub(super) fn put_floats(sink: &mut impl Sink, floats: &[f32]) {
    put_numbers(sink, floats, 0);
}

pub(super) fn floats(
    source: &mut Source,
    what: &str,
    count: usize,
) -> Result<Vec<f32>, FormatError> {
    let at = source.at();
    let (floats, flags) = numbers(source, what, count)?;
    check(
        flags == 0,
        at,
        format_args!("flags of the {what}"),
        0,
        flags,
    )?;
    Ok(floats)
}

/// Bytes as runs of equal ones: how long, and the byte.
pub(super) fn put_runs(sink: &mut impl Sink, bytes: &[u8]) {
    for run in bytes.chunk_by(|a, b| a == b) {
        sink.size(run.len());
        sink.byte(run[0]);
    }
}

/// `count` bytes.
pub(super) fn runs(source: &mut Source, what: &str, count: usize) -> Result<Vec<u8>, FormatError> {
    source.take_memory(what, count, 1)?;
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let (at, left) = (source.at(), count - bytes.len());
        let length = source.size(format_args!("length of a run of {what}"))?;
        let fits = (1..=left).contains(&length);
        check(
            fits,
            at,
            format_args!("length of a run of {what}"),
            at_most(left),
            length,
        )?;
        let byte = source.byte(what)?;
        bytes.resize(bytes.len() + length, byte);
    }
    Ok(bytes)
}

/// Floats after their number; nothing more where that is 0.
pub(super) fn put_counted(sink: &mut impl Sink, floats: &[f32]) {
    sink.size(floats.len());
    if !floats.is_empty() {
        put_floats(sink, floats);
    }
}

pub(super) fn counted(source: &mut Source, what: &str) -> Result<Vec<f32>, FormatError> {
    let count = source.size(format_args!("number of {what}"))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    floats(source, what, count)
}
