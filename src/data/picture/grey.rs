//! Pictures of one byte a pixel, and the filters that the digit reader is made of.

/// A picture in grey, line by line.
#[derive(Clone)]
pub(super) struct Grey {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) values: Vec<u8>,
}

/// A rectangle within a picture; sides may be fractions of a pixel.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) top: f64,
    pub(super) left: f64,
    pub(super) height: f64,
    pub(super) width: f64,
}

impl Frame {
    /// The rectangle with a margin at each side, within a picture.
    pub(super) fn widened(self, margin: f64, picture: &Grey) -> Self {
        let before = |start: f64| (start - margin).max(0.0);
        let after = |end: f64, side: usize| (end + margin).min(side as f64);
        let (top, left) = (before(self.top), before(self.left));
        Self {
            top,
            left,
            height: after(self.top + self.height, picture.height) - top,
            width: after(self.left + self.width, picture.width) - left,
        }
    }
}

impl Grey {
    /// The value of a pixel.
    pub(super) fn at(&self, y: usize, x: usize) -> u8 {
        self.values[y * self.width + x]
    }

    /// A picture of the same size.
    pub(super) fn with_values(&self, values: Vec<u8>) -> Self {
        Self { values, ..*self }
    }

    /// Black becomes white.
    pub(super) fn invert(&mut self) {
        self.values
            .iter_mut()
            .for_each(|value| *value = 255 - *value);
    }

    /// The picture with sides of at most `most` pixels, by whole factors.
    pub(super) fn reduced(self, most: usize) -> Self {
        let factor = self.height.max(self.width).div_ceil(most);
        if factor == 1 {
            return self;
        }
        let (height, width) = (self.height.div_ceil(factor), self.width.div_ceil(factor));
        let mut values = Vec::with_capacity(height * width);
        for y in 0..height {
            let lines = y * factor..((y + 1) * factor).min(self.height);
            for x in 0..width {
                let columns = x * factor..((x + 1) * factor).min(self.width);
                let count = (lines.len() * columns.len()) as u64;
                let line = |y: usize| &self.values[y * self.width..][columns.clone()];
                let sum: u64 = lines
                    .clone()
                    .flat_map(line)
                    .map(|&value| u64::from(value))
                    .sum();
                values.push(((sum + count / 2) / count) as u8);
            }
        }
        Self {
            height,
            width,
            values,
        }
    }

    /// The median of each pixel and its eight neighbours; at the edge, of those that there are.
    pub(super) fn median(&self) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.height {
            for x in 0..self.width {
                let (mut near, mut count) = ([0; 9], 0);
                for y in y.saturating_sub(1)..(y + 2).min(self.height) {
                    for x in x.saturating_sub(1)..(x + 2).min(self.width) {
                        near[count] = self.at(y, x);
                        count += 1;
                    }
                }
                let near = &mut near[..count];
                values.push(*near.select_nth_unstable(count / 2).1);
            }
        }
        self.with_values(values)
    }

    /// Fills what is darker than its surroundings and fits between two places `2 · radius` apart:
    /// the largest value around each pixel, and of these the smallest.
    pub(super) fn closing(&self, radius: usize) -> Self {
        let largest = self.extreme(radius, |value| value);
        largest.extreme(radius, |value| 255 - value)
    }

    /// The largest value within `radius` lines and columns of each pixel.
    pub(super) fn dilation(&self, radius: usize) -> Self {
        self.extreme(radius, |value| value)
    }

    /// The value of the largest `key` within `radius` lines and columns; `key` is its own inverse.
    fn extreme(&self, radius: usize, key: fn(u8) -> u8) -> Self {
        let mut values = self.values.clone();
        let mut line = Vec::new();
        let mut filter = |values: &mut [u8], start: usize, step: usize, count: usize| {
            line.clear();
            line.extend((0..count).map(|at| key(values[start + at * step])));
            sliding_maximum(&mut line, radius);
            for (at, &value) in line.iter().enumerate() {
                values[start + at * step] = key(value);
            }
        };
        for y in 0..self.height {
            filter(&mut values, y * self.width, 1, self.width);
        }
        for x in 0..self.width {
            filter(&mut values, x, self.width, self.height);
        }
        self.with_values(values)
    }

    /// The mean within `radius` lines and columns of each pixel; at the edge, of those that there are.
    pub(super) fn box_means(&self, radius: usize) -> Vec<f64> {
        let mut means = Vec::with_capacity(self.values.len());
        for y in 0..self.height {
            let lines = y.saturating_sub(radius)..(y + radius + 1).min(self.height);
            for x in 0..self.width {
                let columns = x.saturating_sub(radius)..(x + radius + 1).min(self.width);
                let count = (lines.len() * columns.len()) as f64;
                let line = |y: usize| &self.values[y * self.width..][columns.clone()];
                let sum: u32 = lines
                    .clone()
                    .flat_map(line)
                    .map(|&value| u32::from(value))
                    .sum();
                means.push(f64::from(sum) / count);
            }
        }
        means
    }

    /// The mean of the outermost pixels.
    pub(super) fn border_mean(&self) -> f64 {
        let (last_line, last_column) = (self.height - 1, self.width - 1);
        let rows = (0..self.width).flat_map(|x| [(0, x), (last_line, x)]);
        let border = rows.chain((0..self.height).flat_map(|y| [(y, 0), (y, last_column)]));
        let (sum, count) = border.fold((0, 0), |(sum, count), (y, x)| {
            (sum + u64::from(self.at(y, x)), count + 1)
        });
        sum as f64 / f64::from(count)
    }

    /// Area averaging of the part within `frame`: each new pixel is the mean of what it covers.
    pub(super) fn resampled(&self, frame: Frame, height: usize, width: usize) -> Vec<f64> {
        let mut means = Vec::with_capacity(height * width);
        for y in 0..height {
            let lines: Vec<_> = coverage(y, frame.top, frame.height / height as f64).collect();
            for x in 0..width {
                let columns = coverage(x, frame.left, frame.width / width as f64);
                let mut mean = 0.0;
                for (column, share) in columns.filter(|&(column, _)| column < self.width) {
                    for &(line, part) in lines.iter().filter(|&&(line, _)| line < self.height) {
                        mean += part * share * f64::from(self.at(line, column));
                    }
                }
                means.push(mean);
            }
        }
        means
    }
}

/// The old pixels that a new one covers, each with its share; the shares sum to 1.
fn coverage(index: usize, start: f64, side: f64) -> impl Iterator<Item = (usize, f64)> {
    let (from, to) = (
        start + index as f64 * side,
        start + (index + 1) as f64 * side,
    );
    (from as usize..to.ceil() as usize).map(move |old| {
        let covered = to.min((old + 1) as f64) - from.max(old as f64);
        (old, covered.max(0.0) / side)
    })
}

/// Each value becomes the largest within `radius` places of it. Source: van Herk 1992, Gil and
/// Werman 1993: two passes over blocks of `2 · radius + 1`, whatever the radius.
fn sliding_maximum(line: &mut [u8], radius: usize) {
    let (count, window) = (line.len(), 2 * radius + 1);
    let forward: Vec<u8> = line
        .chunks(window)
        .flat_map(|block| {
            block.iter().scan(0, |most: &mut u8, &value| {
                *most = value.max(*most);
                Some(*most)
            })
        })
        .collect();
    for block in line.chunks_mut(window) {
        for at in (1..block.len()).rev() {
            block[at - 1] = block[at].max(block[at - 1]);
        }
    }
    let backward = line.to_vec();
    for (at, value) in line.iter_mut().enumerate() {
        let (first, last) = (at.saturating_sub(radius), (at + radius).min(count - 1));
        // Within one block each of the two is a part of the window; they never reach beyond it.
        *value = match first / window == last / window {
            true if first % window == 0 => forward[last],
            true => backward[first],
            false => backward[first].max(forward[last]),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_maximum_is_the_largest_of_each_window() {
        for (count, radius) in [
            (1_usize, 0_usize),
            (1, 3),
            (7, 1),
            (20, 3),
            (21, 3),
            (40, 50),
            (64, 10),
        ] {
            let line: Vec<u8> = (0..count)
                .map(|at| (at * 97 + at * at * 31) as u8)
                .collect();
            let mut found = line.clone();
            sliding_maximum(&mut found, radius);
            for at in 0..count {
                let window = at.saturating_sub(radius)..(at + radius + 1).min(count);
                let largest = line[window].iter().max().unwrap();
                assert_eq!(found[at], *largest, "{at} of {count}, radius {radius}");
            }
        }
    }

    #[test]
    fn shares_of_covered_pixels_sum_to_one() {
        for (start, side) in [(0.0, 1.0), (0.25, 0.5), (1.75, 3.4), (0.0, 0.1)] {
            for index in 0..9 {
                let sum: f64 = coverage(index, start, side).map(|(_, share)| share).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{start} {side} {index}: {sum}");
            }
        }
    }
}
