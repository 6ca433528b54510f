//! Colours, and drawings that are partly transparent, in grey.

use super::grey::Grey;

/// The grey of red, green and blue.
pub(super) fn luma(colour: &[u8]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|at| u32::from(colour[at]));
    ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8
}

/// Puts a partly transparent drawing on black or white paper.
///
/// Pixels next to transparent ones say which: a drawing with soft edges fades to its paper there, and
/// a card with transparent corners is paper there. Where the edges are as the rest, all is ink, and the
/// paper is the extreme further from it.
pub(super) fn lay_on_paper(picture: &mut Grey, alpha: &[u8]) -> Result<(), String> {
    let (height, width) = (picture.height, picture.width);
    let most = alpha.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return Err("no ink: every pixel is transparent".to_owned());
    }
    let is_drawn = |y: usize, x: usize| alpha[y * width + x] > most / 2;
    let is_edge = |y: usize, x: usize| {
        y > 0 && !is_drawn(y - 1, x)
            || x > 0 && !is_drawn(y, x - 1)
            || y + 1 < height && !is_drawn(y + 1, x)
            || x + 1 < width && !is_drawn(y, x + 1)
    };
    // Sum and number, of edges and of the rest.
    let mut sums = [[0u64; 2]; 2];
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        if is_drawn(y, x) {
            let [sum, count] = &mut sums[usize::from(!is_edge(y, x))];
            *sum += u64::from(picture.at(y, x));
            *count += 1;
        }
    }
    let [edges, rest] = sums.map(|[sum, count]| (count > 0).then(|| sum as f64 / count as f64));
    let all = (sums[0][0] + sums[1][0]) as f64 / (sums[0][1] + sums[1][1]) as f64;
    let is_bright = match (edges, rest) {
        (Some(edges), Some(rest)) if (edges - rest).abs() >= 8.0 => edges > rest,
        _ => all < 127.5,
    };
    let paper = if is_bright { 255 } else { 0 };
    for (value, &alpha) in picture.values.iter_mut().zip(alpha) {
        let (ink, alpha) = (u32::from(*value), u32::from(alpha));
        *value = ((ink * alpha + paper * (255 - alpha) + 127) / 255) as u8;
    }
    Ok(())
}
