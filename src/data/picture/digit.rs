//! From a grey picture to a digit in the form of MNIST's: paper, ink, box, centre.

use super::{
    grey::{Frame, Grey},
    mask::Mask,
};

/// Longer sides are reduced first.
const MOST_SIDE: usize = 1024;

/// Ink differs from its paper by at least this share of 255.
const LEAST_CONTRAST: f64 = 24.0;

/// Ink differs from its paper by at least so many standard deviations of the paper.
const LEAST_DEVIATIONS: f64 = 3.5;

/// Strokes are at least so many pixels wide in the result.
const LEAST_STROKE: f64 = 2.0;

/// The part of height and width that MNIST's digits take.
const BOX: f64 = 20.0 / 28.0;

/// A digit of the asked size.
pub(super) struct Digit {
    /// Ink, 255 where it is full.
    pub(super) values: Vec<u8>,
    /// Whether the paper is bright.
    pub(super) inverted: bool,
}

/// The digit that a picture shows, in `height × width` pixels; none where there is no ink.
pub(super) fn extract(picture: Grey, height: usize, width: usize) -> Option<Digit> {
    let mut picture = picture.reduced(MOST_SIDE);
    let inverted = has_bright_paper(&picture);
    if !inverted {
        picture.invert();
    }
    let ink = ink(&picture)?;
    let mut mask = Mask::new(ink.height, ink.width, |at| ink.values[at] >= 128);
    mask.remove_frames();
    mask.remove_specks();
    let values = placed(&kept(&ink, &mask), &mask, height, width)?;
    Some(Digit { values, inverted })
}

/// Whether ink is darker than its paper.
///
/// Strokes are the smaller part of their surroundings and differ much from them; so the differences
/// of pixels from the mean around them lean to the side of the ink. Where they lean to neither, the
/// outermost pixels decide.
fn has_bright_paper(picture: &Grey) -> bool {
    let small = picture.clone().reduced(64);
    let means = small.box_means(small.height.max(small.width) / 4);
    let differences = small
        .values
        .iter()
        .zip(&means)
        .map(|(&value, &mean)| f64::from(value) - mean);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for difference in differences {
        squares += difference * difference;
        cubes += difference * difference * difference;
    }
    let count = small.values.len() as f64;
    let lean = cubes / count / (squares / count).powf(1.5).max(f64::MIN_POSITIVE);
    let mean = small
        .values
        .iter()
        .map(|&value| f64::from(value))
        .sum::<f64>()
        / count;
    if lean.abs() > 0.6 {
        lean < 0.0
    } else {
        small.border_mean() > mean
    }
}

/// The ink of a picture on bright paper, stretched to 0…255; none where there is too little contrast.
///
/// The ink of a pixel is the share of its paper's brightness that it lacks, so that shadows and
/// gradients fall out. The paper is what remains where everything dark is filled that fits into half
/// of the picture.
fn ink(picture: &Grey) -> Option<Grey> {
    let paper = picture
        .median()
        .closing(picture.height.max(picture.width).div_ceil(4));
    // In deep shadow the quotient of two small numbers is noise.
    let lacks = |(&paper, &value): (&u8, &u8)| {
        let lack = u32::from(paper.saturating_sub(value));
        (255 * lack / u32::from(paper.max(48))).min(255) as u8
    };
    let lacks: Vec<u8> = paper
        .values
        .iter()
        .zip(&picture.values)
        .map(lacks)
        .collect();
    let mut counts = [0u32; 256];
    lacks
        .iter()
        .for_each(|&value| counts[usize::from(value)] += 1);
    let split = otsu(&counts)?;
    let (low, deviation) = moments(&counts[..split]);
    let contrast = upper_quartile(&counts, split) - low;
    if contrast < LEAST_CONTRAST || contrast < LEAST_DEVIATIONS * deviation {
        return None;
    }
    let stretch = |value: u8| ((f64::from(value) - low) / contrast * 255.0).round() as u8;
    Some(picture.with_values(lacks.into_iter().map(stretch).collect()))
}

/// The first value of the upper of two classes whose means are furthest apart for their sizes; none
/// where all values are equal. Source: Otsu 1979.
fn otsu(counts: &[u32; 256]) -> Option<usize> {
    let weighted = |counts: &[u32]| -> f64 {
        counts
            .iter()
            .enumerate()
            .map(|(value, &count)| value as f64 * f64::from(count))
            .sum()
    };
    let all: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let total = weighted(counts);
    let (mut count, mut sum) = (0.0, 0.0);
    let mut best = (0.0, None);
    for split in 1..256 {
        count += f64::from(counts[split - 1]);
        sum += (split - 1) as f64 * f64::from(counts[split - 1]);
        if count > 0.0 && count < all {
            let apart = (sum / count - (total - sum) / (all - count)).powi(2);
            let spread = count * (all - count) * apart;
            if spread > best.0 {
                best = (spread, Some(split));
            }
        }
    }
    best.1
}

/// Mean and standard deviation.
fn moments(counts: &[u32]) -> (f64, f64) {
    let moment = |power: i32| -> f64 {
        let values = counts.iter().enumerate();
        values
            .map(|(value, &count)| (value as f64).powi(power) * f64::from(count))
            .sum()
    };
    let mean = moment(1) / moment(0);
    (mean, (moment(2) / moment(0) - mean * mean).max(0.0).sqrt())
}

/// The value that a quarter of those from `from` on reach.
fn upper_quartile(counts: &[u32; 256], from: usize) -> f64 {
    let all: u32 = counts[from..].iter().sum();
    let mut above = 0;
    let reached = (from..256).rev().find(|&value| {
        above += counts[value];
        above >= all.div_ceil(4)
    });
    reached.unwrap_or(from) as f64
}

/// The ink of the mask's pixels and of their neighbours, which are the soft edges of the same strokes.
fn kept(ink: &Grey, mask: &Mask) -> Grey {
    let (height, width) = (ink.height, ink.width);
    let is_kept = |at: usize| {
        let (y, x) = (at / width, at % width);
        let mut lines = y.saturating_sub(1)..(y + 2).min(height);
        lines.any(|y| (x.saturating_sub(1)..(x + 2).min(width)).any(|x| mask.at(y, x)))
    };
    let value = |at: usize| if is_kept(at) { ink.values[at] } else { 0 };
    ink.with_values((0..ink.values.len()).map(value).collect())
}

/// The ink, scaled and placed as MNIST's digits are.
fn placed(ink: &Grey, mask: &Mask, height: usize, width: usize) -> Option<Vec<u8>> {
    let mut frame = ink_box(ink, mask)?;
    let room = |side: usize| side as f64 * BOX;
    let scale = |frame: Frame| (room(height) / frame.height).min(room(width) / frame.width);

    let stroke = 2.0 * mask.area() as f64 / mask.perimeter() as f64;
    let widening = ((LEAST_STROKE / scale(frame) - stroke) / 2.0)
        .round()
        .max(0.0) as usize;
    let widened = (widening > 0).then(|| ink.dilation(widening));
    if widening > 0 {
        frame = frame.widened(widening as f64, ink);
    }
    let side = |side: f64, limit: usize| ((side * scale(frame)).round() as usize).clamp(1, limit);
    let (high, wide) = (side(frame.height, height), side(frame.width, width));
    let means = widened.as_ref().unwrap_or(ink).resampled(frame, high, wide);
    let brightest = means
        .iter()
        .fold(f64::MIN_POSITIVE, |most, &mean| most.max(mean));
    let values: Vec<u8> = means
        .iter()
        .map(|mean| (mean / brightest * 255.0).round() as u8)
        .collect();

    let (top, left) = offset_to_centre(&values, [high, wide], [height, width]);
    let mut placed = vec![0; height * width];
    for (y, line) in values.chunks_exact(wide).enumerate() {
        placed[(top + y) * width + left..][..wide].copy_from_slice(line);
    }
    Some(placed)
}

/// The box around the ink; a side whose neighbouring line has faint ink lies within that line.
fn ink_box(ink: &Grey, mask: &Mask) -> Option<Frame> {
    let [top, bottom, left, right] = mask.extent()?;
    let line = |y: usize| (left..right).map(|x| ink.at(y, x)).max();
    let column = |x: usize| (top..bottom).map(|y| ink.at(y, x)).max();
    let part = |faint: Option<u8>| f64::from(faint.unwrap_or(0)) / 255.0;
    let before = |at: usize, faint: &dyn Fn(usize) -> Option<u8>| match at.checked_sub(1) {
        Some(near) => at as f64 - part(faint(near)),
        None => 0.0,
    };
    let after = |at: usize, end: usize, faint: &dyn Fn(usize) -> Option<u8>| match at < end {
        true => at as f64 + part(faint(at)),
        false => at as f64,
    };
    let (y, x) = (before(top, &line), before(left, &column));
    Some(Frame {
        top: y,
        left: x,
        height: after(bottom, ink.height, &line) - y,
        width: after(right, ink.width, &column) - x,
    })
}

/// Where the upper left corner goes so that the centre of mass comes to the centre of the middle pixel,
/// to a whole pixel and within the picture. Of 28 pixels it is the one with 14 before it, as in MNIST,
/// whose digits have their centres of mass at 14.50 ± 0.3 from the edge.
fn offset_to_centre(
    values: &[u8],
    [high, wide]: [usize; 2],
    [height, width]: [usize; 2],
) -> (usize, usize) {
    let (mut mass, mut down, mut across) = (0.0, 0.0, 0.0);
    for (place, &value) in values.iter().enumerate() {
        let value = f64::from(value);
        mass += value;
        down += value * ((place / wide) as f64 + 0.5);
        across += value * ((place % wide) as f64 + 0.5);
    }
    let corner = |moment: f64, side: usize, own: usize| {
        let offset = (side / 2) as f64 + 0.5 - moment / f64::max(mass, 1.0);
        // Halves are rounded down.
        ((offset - 0.5).ceil().max(0.0) as usize).min(side - own)
    };
    (corner(down, height, high), corner(across, width, wide))
}
